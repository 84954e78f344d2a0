import { generateKeyPairSync } from 'node:crypto'
import { parseModels, parseToolScopes } from '../../src/identity/ceiling.ts'
import type { Role } from '../../src/identity/role.ts'
import type { Tenant } from '../../src/identity/tenant.ts'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { parseSubjectKey } from '../../src/pki/subject-key.ts'
import type { SubjectKey } from '../../src/pki/subject-key.ts'
import type { CheckInput, EvaluationProfile } from '../../src/signer/verdict/check.ts'
import type { Claims } from '../../src/signer/verdict/claims.ts'
import { evaluate } from '../../src/signer/verdict/evaluate.ts'
import type { Verdict } from '../../src/signer/verdict/verdict.ts'
import { askedOf, signerName, type Asked } from './asked.ts'
import type {
  DeclaredCertificate,
  Evidence,
  Found,
  NamespaceEvidence,
  PodEvidence,
  ServiceAccountEvidence,
  ServiceEvidence,
} from '../../src/signer/verdict/evidence.ts'

export const profile: EvaluationProfile = {
  trustDomain: parseTrustDomain('example.org'),
  keyTypes: ['ECDSAP256', 'ED25519'],
  lifetimeSecondsMax: 3600,
}

export const key: SubjectKey = subjectKey()

/** A fresh P-256 key as the signer sees it. */
export function subjectKey(): SubjectKey {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return parseSubjectKey(publicKey.export({ type: 'spki', format: 'der' }))
}

/** A request of pod `worker-0` in namespace `team-a`, service account `worker`, node `node1`: it asks for nothing extra. */
export function claimsOf(
  changed: Omit<Asked, 'key'> & {
    readonly key?: SubjectKey
    readonly role?: Role
    readonly tenant?: Tenant
    readonly models?: string
    readonly toolScopes?: string
  } = {},
): Claims {
  const { key: other, role, tenant, models, toolScopes, ...asked } = changed
  return {
    asked: askedOf({ maxExpirationSeconds: 86_400, ...asked }),
    key: other ?? key,
    attributes: {
      role,
      tenant,
      models: models === undefined ? [] : parseModels(models),
      toolScopes: toolScopes === undefined ? [] : parseToolScopes(toolScopes),
    },
  }
}

/** The table's verdict on a key never seen, with a policy that agrees to everything. */
export function verdictOf(
  claims: Claims,
  evidence: Evidence,
  changed: Partial<Pick<CheckInput, 'profile' | 'keyOwner' | 'keyAsked' | 'policy' | 'mode'>> = {},
): Verdict {
  return evaluate({ claims, evidence, profile, keyOwner: undefined, policy: agreeing, ...changed })
}

export const agreeing: CheckInput['policy'] = {
  decide: () => ({
    allow: true,
    reasons: [],
    policy: { revision: 'r1', digest: 'd'.repeat(64) },
  }),
  requester: 'not-shown',
  now: Date.parse('2026-11-20T10:00:00Z'),
}

export const declared: DeclaredCertificate = {
  volume: 'identity',
  signerName,
  keyType: 'ECDSAP256',
  maxExpirationSeconds: undefined,
  annotations: {},
  paths: ['credential-bundle.pem'],
}

export interface EvidenceChanges {
  readonly live?: boolean
  readonly pod?: Partial<PodEvidence>
  readonly namespace?: Partial<NamespaceEvidence>
  readonly serviceAccount?: Partial<ServiceAccountEvidence>
  readonly node?: { readonly name?: string; readonly uid?: string }
  readonly services?: readonly ServiceEvidence[]
}

/** Live evidence that fits `claimsOf()`: no role, no tenant, no ceiling. */
export function evidenceOf(changes: EvidenceChanges = {}): Evidence {
  return {
    live: changes.live ?? true,
    pod: found({
      namespace: 'team-a',
      name: 'worker-0',
      uid: 'pod-uid',
      nodeName: 'node1',
      serviceAccountName: 'worker',
      phase: 'Pending',
      terminating: false,
      mirror: false,
      labels: { app: 'worker' },
      certificates: [declared],
      ...changes.pod,
    }),
    namespace: found({ name: 'team-a', uid: 'namespace-uid', labels: {}, ...changes.namespace }),
    serviceAccount: found({
      name: 'worker',
      uid: 'account-uid',
      labels: {},
      annotations: {},
      ...changes.serviceAccount,
    }),
    node: found({ name: 'node1', uid: 'node-uid', ...changes.node }),
    services: found(changes.services ?? []),
  }
}

export function found<T>(object: T): Found<T> {
  return { state: 'found', object }
}

export const absent = { state: 'absent' } as const

export const unknown = { state: 'unknown', why: 'pods: API server answered 503' } as const
