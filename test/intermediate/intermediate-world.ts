import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { answerRequest, type AnswerOptions, type Answered } from '../../src/intermediate/answer.ts'
import { readBegun } from '../../src/intermediate/intermediates.ts'
import type { IntermediateRules } from '../../src/intermediate/judge.ts'
import type { AuthorityVerdict } from '../../src/ledger/record.ts'
import { parseCaCertificate, type CaCertificate } from '../../src/pki/ca-certificate.ts'
import {
  writeCertificateRequest,
  type RequestedCa,
} from '../../src/pki/certificate-request-write.ts'
import { formatPem, parsePem } from '../../src/pki/pem.ts'
import type { RequestedNames } from '../../src/pki/requested-names.ts'
import { keyTypes } from '../../src/pki/subject-key.ts'
import { FakeCluster, type RawObject } from '../support/fake-cluster.ts'
import { createHubCa, dnsSuffixes, trustDomain, type HubCa } from '../support/hub-authority.ts'
import { memoryLedger, type MemoryLedger } from '../support/memory-ledger.ts'

export const plural = 'certificatesigningrequests'
export const noon: number = Date.UTC(2026, 10, 30, 12)
export const requester = { namespace: 'countersign-system', serviceAccount: 'countersign-signer' }
export const username = 'system:serviceaccount:countersign-system:countersign-signer'
export const podName = 'countersign-signer-0'

export const rules: IntermediateRules = {
  signerName: 'countersign.dev/intermediate',
  trustDomain,
  dnsSuffixes,
  requester,
  keyTypes,
  lifetimeSecondsMax: 90 * 86_400,
}

export function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}

export const extra: Readonly<Record<string, readonly string[]>> = {
  'authentication.kubernetes.io/pod-name': [podName],
  'authentication.kubernetes.io/pod-uid': ['uid-of-pod'],
}

/** A request of the other cluster's signer, as its API server stores it. */
export function storedRequest(
  changed: {
    readonly name?: string
    readonly key?: KeyObject
    readonly names?: RequestedCa | RequestedNames | undefined
    readonly spec?: object
  } = {},
): RawObject {
  const { name = 'csr-1', key = newKey(), names = { trustDomain }, spec = {} } = changed
  const pem = formatPem('CERTIFICATE REQUEST', writeCertificateRequest(key, names))
  return {
    metadata: { name, uid: `uid-of-${name}`, creationTimestamp: '2026-11-30T11:59:50Z' },
    spec: {
      signerName: rules.signerName,
      request: Buffer.from(pem).toString('base64'),
      usages: ['cert sign', 'crl sign'],
      expirationSeconds: 30 * 86_400,
      username,
      uid: 'uid-of-account',
      groups: ['system:serviceaccounts'],
      extra,
      ...spec,
    },
    status: {},
  }
}

export interface IntermediateWorld {
  readonly cluster: FakeCluster
  readonly ledger: MemoryLedger
  hub: HubCa
  now: number
  /** Why nothing may be signed. */
  unfit: string | undefined
  pace: number | undefined
  /** Happens after each record. */
  recorded: () => void
  answer(name?: string): Promise<Answered>
  /** All that was in memory is gone. */
  restart(): Promise<void>
  /** The CA that the request has. */
  issued(name?: string): CaCertificate | undefined
  conditions(name?: string): readonly string[]
  /** `verdict outcome` of each record. */
  records(): readonly string[]
  verdicts(): readonly AuthorityVerdict[]
}

/** A hub that answers one other cluster, whose API server is in memory. */
export function intermediateWorld(changed: Partial<IntermediateRules> = {}): IntermediateWorld {
  const cluster = new FakeCluster()
  const { namespace, serviceAccount } = requester
  cluster.put('serviceaccounts', {
    metadata: { name: serviceAccount, namespace, uid: 'uid-of-account' },
  })
  putPod(cluster)
  const ledger = memoryLedger()
  let begun: Pick<AnswerOptions, 'open' | 'keys'> = { open: new Map(), keys: new Map() }
  const verdicts = (): readonly AuthorityVerdict[] =>
    ledger.records.flatMap((record) => (record.kind === 'authority-verdict' ? [record] : []))
  const world: IntermediateWorld = {
    cluster,
    ledger,
    hub: createHubCa({ now: noon }),
    now: noon,
    unfit: undefined,
    pace: undefined,
    recorded: () => {},
    answer: (name = 'csr-1') =>
      answerRequest(
        {
          client: cluster,
          rules: { ...rules, ...changed },
          authority: () => world.hub.authority,
          unfit: () => world.unfit,
          ledger: {
            async append(record) {
              const placed = await ledger.append(record)
              world.recorded()
              return placed
            },
          },
          ...begun,
          pace: () => world.pace,
          replica: 'intermediates-0',
          now: () => world.now,
        },
        { name, uid: `uid-of-${name}` },
        AbortSignal.timeout(10_000),
      ),
    async restart() {
      begun = await readBegun(placed(ledger))
    },
    issued(name = 'csr-1') {
      const { certificate } = statusOf(cluster, name)
      if (certificate === undefined) return undefined
      const pem = Buffer.from(certificate, 'base64').toString('utf8')
      const what = { code: 'pki/authority', what: 'chain', charactersMax: 100_000 } as const
      const [first] = parsePem(pem, what)
      return first && parseCaCertificate(first.der, 'pki/authority')
    },
    conditions: (name = 'csr-1') =>
      (statusOf(cluster, name).conditions ?? []).map(({ type, reason }) => `${type} ${reason}`),
    records: () => verdicts().map(({ verdict, outcome }) => `${verdict} ${outcome}`),
    verdicts,
  }
  return world
}

export function putPod(cluster: FakeCluster, changed: object = {}, spec: object = {}): void {
  const { namespace, serviceAccount: serviceAccountName } = requester
  cluster.put('pods', {
    metadata: { name: podName, namespace, uid: 'uid-of-pod', ...changed },
    spec: { serviceAccountName, nodeName: 'node-a', ...spec },
    status: { phase: 'Running' },
  })
}

async function* placed(
  ledger: MemoryLedger,
): AsyncGenerator<{ readonly record: MemoryLedger['records'][number] }> {
  for (const record of ledger.records) yield { record }
}

function statusOf(
  cluster: FakeCluster,
  name: string,
): {
  readonly certificate?: string
  readonly conditions?: readonly { readonly type: string; readonly reason: string }[]
} {
  return cluster.get(plural, name)?.['status'] ?? {}
}
