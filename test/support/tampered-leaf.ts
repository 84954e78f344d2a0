import { hash } from 'node:crypto'
import { parseAuthority } from '../../src/pki/authority.ts'
import { inspectCertificate } from '../../src/pki/inspect.ts'
import { formatCertificates } from '../../src/pki/pem.ts'
import { createProfile } from '../../src/pki/profile.ts'
import { parseSubjectKey } from '../../src/pki/subject-key.ts'
import {
  authorityKeyIdentifier,
  craftCa,
  craftCertificate,
  extension,
  hex,
  leafParts,
  seededKey,
  seededSpki,
  sequence,
  utcTime,
} from './craft-certificate.ts'
import type { CertificateParts } from './craft-certificate.ts'
import { identityExtensionValue, testIdentity } from './test-authority.ts'
import type { TestWorkload } from './test-authority.ts'

/** One change to a certificate that keeps every rule, or to what it is compared with. */
export interface Tampering {
  readonly parts?: Partial<CertificateParts>
  /** Replaced or added by name; an empty buffer leaves one out. */
  readonly extensions?: Readonly<Record<string, Buffer>>
  /** What the identity extension says instead. */
  readonly identity?: {
    readonly [Field in keyof TestWorkload]?: TestWorkload[Field] | undefined
  } & { readonly cluster?: string }
  readonly identityCritical?: boolean
  readonly trailing?: Buffer
  /** Milliseconds since 1970. */
  readonly now?: number
  /** Of beginRefreshAt, after notBefore. */
  readonly refreshSeconds?: number
}

const workload: TestWorkload = {
  role: 'agent',
  tenant: 'acme',
  models: 'claude',
  toolScopes: 'github:issues_*',
}
const wanted = { ...testIdentity(workload), issuanceId: '7c'.repeat(16) }
const spki = seededSpki(2)
const notBefore = new Date(Date.UTC(2026, 10, 22, 11, 58, 30))
const notAfter = new Date(Date.UTC(2026, 10, 22, 12, 58, 30))

/** What the inspection finds in a tampered certificate that the authority itself has signed. */
export function testLeafFindings(tampering: Tampering): readonly string[] {
  const now = tampering.now ?? Date.UTC(2026, 10, 22, 12, 0, 0)
  const { trustDomain } = wanted.spiffeId
  const authority = parseAuthority({
    certificatePem: formatCertificates([craftCa({ name: 'root', seed: 1 })]),
    privateKeyPem: seededKey(1).export({ format: 'pem', type: 'pkcs8' }).toString(),
    trustDomain,
    now: () => now,
  })
  const refresh = notBefore.getTime() + (tampering.refreshSeconds ?? 1800) * 1000
  return inspectCertificate(Buffer.concat([craftLeaf(tampering), tampering.trailing ?? hex('')]), {
    request: { identity: wanted, dnsNames: [], key: parseSubjectKey(spki), lifetimeSeconds: 3600 },
    serialNumber: `40${'00'.repeat(14)}01`,
    notBefore,
    notAfter,
    beginRefreshAt: new Date(refresh),
    profile: createProfile({ trustDomain, cluster: 'test', production: false }),
    authority,
    now,
  })
}

function craftLeaf(tampering: Tampering): Buffer {
  const good = leafParts()
  const said = {
    ...testIdentity({ ...workload, ...tampering.identity } as TestWorkload),
    issuanceId: wanted.issuanceId,
  }
  // The key's bits are the last 32 octets of an Ed25519 SubjectPublicKeyInfo.
  const keyIdentifier = hash('sha256', spki.subarray(-32), 'buffer').subarray(0, 20)
  return craftCertificate({
    ...good,
    validity: sequence(utcTime('261122115830Z'), utcTime('261122125830Z')),
    ...tampering.parts,
    extensions: {
      ...good.extensions,
      noRevAvail: extension('2.5.29.56', false, hex('0500')),
      authorityKeyIdentifier: authorityKeyIdentifier(1),
      subjectKeyIdentifier: extension(
        '2.5.29.14',
        false,
        Buffer.concat([hex('0414'), keyIdentifier]),
      ),
      identity: extension(
        '1.3.6.1.4.1.32473.1',
        tampering.identityCritical === true,
        identityExtensionValue(said),
      ),
      ...tampering.extensions,
    },
  })
}
