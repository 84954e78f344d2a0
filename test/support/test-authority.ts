import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { emptyCeiling, parseModels, parseToolScopes } from '../../src/identity/ceiling.ts'
import type { Role } from '../../src/identity/role.ts'
import { workloadSpiffeId } from '../../src/identity/spiffe-id.ts'
import { parseTenant } from '../../src/identity/tenant.ts'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import type { TrustDomain } from '../../src/identity/trust-domain.ts'
import type { WorkloadIdentity } from '../../src/identity/workload-identity.ts'
import {
  createSelfSignedAuthority,
  parseAuthority,
  staticAuthoritySource,
} from '../../src/pki/authority.ts'
import type { Authority, AuthoritySource } from '../../src/pki/authority.ts'
import { parseBundle } from '../../src/pki/bundle.ts'
import type { Bundle } from '../../src/pki/bundle.ts'
import { parseCredentialBundle } from '../../src/pki/credential.ts'
import type { Credential } from '../../src/pki/credential.ts'
import { DerWriter } from '../../src/pki/der-write.ts'
import { writeIdentityExtension } from '../../src/pki/identity-extension.ts'
import { createIssuer } from '../../src/pki/issue.ts'
import type { IssuedCertificate } from '../../src/pki/issue.ts'
import { craftCa, extension, hex, seededKey } from './craft-certificate.ts'
import { formatCertificates } from '../../src/pki/pem.ts'
import { createProfile } from '../../src/pki/profile.ts'
import type { Profile } from '../../src/pki/profile.ts'
import { parseSubjectKey } from '../../src/pki/subject-key.ts'
import type { KeyType } from '../../src/pki/subject-key.ts'
import { atOnce } from './at-once.ts'

/** What a test says about a workload; all else has a default. */
export interface TestWorkload {
  readonly namespace?: string
  readonly namespaceUid?: string
  readonly serviceAccount?: string
  readonly pod?: string
  readonly podUid?: string
  readonly role?: Role
  readonly tenant?: string
  /** The UID of the claim `claim-0`. */
  readonly claimUid?: string
  /** Comma-separated, as in the annotations. */
  readonly models?: string
  readonly toolScopes?: string
  readonly dnsNames?: readonly string[]
  readonly keyType?: KeyType
  readonly lifetimeSeconds?: number
  /** Milliseconds since 1970; the authority's clock by default. */
  readonly now?: number
}

export interface TestLeaf {
  readonly identity: WorkloadIdentity
  readonly issued: IssuedCertificate
  readonly credential: Credential
  /** Kubelet's one-file bundle: key, leaf, intermediates. */
  readonly credentialPem: string
}

export interface TestAuthority {
  readonly trustDomain: TrustDomain
  readonly profile: Profile
  readonly authority: Authority
  readonly source: AuthoritySource
  readonly certificatePem: string
  readonly privateKeyPem: string
  readonly bundle: Bundle
  readonly bundlePem: string
  /** Issues to a new key by the product's own issuer. */
  issue(workload?: TestWorkload): TestLeaf
}

/** A CA with its profile, for tests of everything that meets certificates. */
export function createTestAuthority(
  options: {
    readonly trustDomain?: string
    readonly cluster?: string
    readonly keyType?: KeyType
    readonly lifetimeSeconds?: number
    readonly lifetimeSecondsMax?: number
    readonly dnsSuffixes?: readonly string[]
    readonly constrainUris?: boolean
    /** It is no root itself: one stands above it, and leaves bring it along. The seed of its key. */
    readonly underRoot?: number | undefined
    readonly now?: () => number
  } = {},
): TestAuthority {
  const { cluster = 'test', keyType = 'ECDSAP256', now = Date.now } = options
  const {
    lifetimeSeconds = 86_400,
    lifetimeSecondsMax = 3600,
    dnsSuffixes,
    constrainUris,
  } = options
  const trustDomain = parseTrustDomain(options.trustDomain ?? 'test.example')
  const profile = createProfile({ trustDomain, cluster, lifetimeSecondsMax, production: false })
  const selfSigned = (): AuthorityPems =>
    createSelfSignedAuthority({
      trustDomain,
      keyType,
      lifetimeSeconds,
      now,
      ...(dnsSuffixes === undefined ? {} : { dnsSuffixes }),
      ...(constrainUris === undefined ? {} : { constrainUris }),
    })
  const pems =
    options.underRoot === undefined ? selfSigned() : authorityUnderRoot(options.underRoot)
  const suffixes = dnsSuffixes === undefined ? {} : { dnsSuffixes }
  const authority = parseAuthority({ ...pems, trustDomain, now, ...suffixes })
  const bundlePem = formatCertificates(authority.anchors)
  const source = staticAuthoritySource(authority)
  return {
    trustDomain,
    profile,
    authority,
    source,
    ...pems,
    bundle: parseBundle(bundlePem, trustDomain),
    bundlePem,
    issue(workload = {}) {
      const clock = (): number => workload.now ?? now()
      const issuer = createIssuer({ profile, authorities: source, now: clock })
      const { publicKey, privateKey } = generateTestKey(workload.keyType ?? 'ECDSAP256')
      const identity = testIdentity({ ...workload, trustDomain, cluster })
      const prepared = issuer.prepare({
        identity,
        dnsNames: workload.dnsNames ?? [],
        key: parseSubjectKey(publicKey.export({ format: 'der', type: 'spki' })),
        lifetimeSeconds: workload.lifetimeSeconds ?? 3600,
      })
      const issued = atOnce(issuer.issue(prepared))
      const keyPem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
      const credentialPem = keyPem + issued.chainPem
      return { identity, issued, credential: parseCredentialBundle(credentialPem), credentialPem }
    },
  }
}

interface AuthorityPems {
  readonly certificatePem: string
  readonly privateKeyPem: string
  readonly chainPem?: string
}

function authorityUnderRoot(seed: number): AuthorityPems {
  const issuer = { name: 'root', seed: 1 }
  const subjectKeyIdentifier = extension('2.5.29.14', false, hex(`0404 0102030${seed}`))
  const middle = craftCa({
    name: `middle ${seed}`,
    seed,
    issuer,
    extensions: { subjectKeyIdentifier },
    parts: { serialNumber: hex(`0210${'4a'.repeat(15)}0${seed}`) },
  })
  return {
    certificatePem: formatCertificates([middle]),
    chainPem: formatCertificates([craftCa(issuer)]),
    privateKeyPem: seededKey(seed).export({ format: 'pem', type: 'pkcs8' }).toString(),
  }
}

/** A complete identity with defaults for what the test does not say. */
export function testIdentity(
  options: TestWorkload & { readonly trustDomain?: string; readonly cluster?: string } = {},
): WorkloadIdentity {
  const { namespace = 'shop', serviceAccount = 'agent', pod = 'agent-0' } = options
  const trustDomain = parseTrustDomain(options.trustDomain ?? 'test.example')
  return {
    spiffeId: workloadSpiffeId({ trustDomain, namespace, serviceAccount }),
    cluster: options.cluster ?? 'test',
    namespace: {
      name: namespace,
      uid: options.namespaceUid ?? '6a1f4c5e-0001-4000-8000-000000000001',
    },
    serviceAccount: { name: serviceAccount, uid: '6a1f4c5e-0002-4000-8000-000000000002' },
    pod: { name: pod, uid: options.podUid ?? '6a1f4c5e-0003-4000-8000-000000000003' },
    node: { name: 'node-a.test', uid: '6a1f4c5e-0004-4000-8000-000000000004' },
    issuanceId: randomBytes(16).toString('hex'),
    evidenceDigest: 'e1'.repeat(32),
    policyDigest: 'b2'.repeat(32),
    ...(options.role === undefined ? {} : { role: options.role }),
    ...(options.tenant === undefined ? {} : { tenant: parseTenant(options.tenant) }),
    ceiling: {
      models: options.models === undefined ? emptyCeiling.models : parseModels(options.models),
      toolScopes:
        options.toolScopes === undefined
          ? emptyCeiling.toolScopes
          : parseToolScopes(options.toolScopes),
    },
    ...(options.claimUid === undefined
      ? {}
      : { claim: { name: 'claim-0', uid: options.claimUid } }),
  }
}

/** The value of the identity extension that says this. */
export function identityExtensionValue(identity: WorkloadIdentity): Buffer {
  const writer = new DerWriter(16 * 1024)
  writeIdentityExtension(writer, identity)
  return writer.take()
}

/** A key pair of a type that kubelet makes. */
export function generateTestKey(keyType: KeyType): {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
} {
  if (keyType === 'ED25519') return generateKeyPairSync('ed25519')
  if (keyType.startsWith('RSA')) {
    return generateKeyPairSync('rsa', { modulusLength: Number(keyType.slice(3)) })
  }
  return generateKeyPairSync('ec', { namedCurve: `P-${keyType.slice(6)}` })
}

/** The SubjectPublicKeyInfo of a key. */
export function spkiOf(key: KeyObject): Buffer {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key
  return publicKey.export({ format: 'der', type: 'spki' })
}
