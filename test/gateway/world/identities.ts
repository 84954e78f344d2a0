import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { emptyCeiling, parseToolScopes } from '../../../src/identity/ceiling.ts'
import type { Role } from '../../../src/identity/role.ts'
import { workloadSpiffeId } from '../../../src/identity/spiffe-id.ts'
import { parseTenant } from '../../../src/identity/tenant.ts'
import { parseTrustDomain, type TrustDomain } from '../../../src/identity/trust-domain.ts'
import type { WorkloadIdentity } from '../../../src/identity/workload-identity.ts'
import { parseBundle, type Bundle } from '../../../src/pki/bundle.ts'
import { parseCredentialBundle, type Credential } from '../../../src/pki/credential.ts'
import { encodeIdentityExtension } from '../../../src/pki/identity-extension.ts'
import { extensionOidDefault } from '../../../src/pki/x509-svid.ts'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

export const trustDomain: TrustDomain = parseTrustDomain('example.org')

/** What a test asks of a certificate; everything has a default. */
export interface Wanted {
  readonly serviceAccount?: string
  readonly namespace?: string
  readonly podUid?: string
  readonly role?: Role
  readonly tenant?: string
  readonly toolScopes?: string
  readonly notBefore?: Date
  readonly notAfter?: Date
  readonly withoutExtension?: boolean
  readonly issuanceId?: string
}

export interface Identities {
  readonly bundle: Bundle
  issue(wanted?: Wanted): Promise<Credential>
}

/** A throw-away authority of one trust domain, whose certificates are those of the product's profile. */
export async function createIdentities(): Promise<Identities> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const root = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: ['countersign test'] }],
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 86_400_000),
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      new SubjectAlternativeNameExtension([{ type: 'url', value: `spiffe://${trustDomain}` }]),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return {
    bundle: parseBundle(`${root.toString('pem')}\n`, trustDomain),
    async issue(wanted = {}) {
      const leaf = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
      const identity = identityOf(wanted)
      const extension = new Extension(extensionOidDefault, false, encodeIdentityExtension(identity))
      const certificate = await X509CertificateGenerator.create({
        issuer: root.subjectName,
        publicKey: leaf.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        notBefore: wanted.notBefore ?? new Date(Date.now() - 60_000),
        notAfter: wanted.notAfter ?? new Date(Date.now() + 3_600_000),
        extensions: [
          new BasicConstraintsExtension(false, undefined, true),
          new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
          new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
          new SubjectAlternativeNameExtension(
            [{ type: 'url', value: identity.spiffeId.uri }],
            true,
          ),
          await AuthorityKeyIdentifierExtension.create(keys.publicKey),
          ...(wanted.withoutExtension === true ? [] : [extension]),
        ],
      })
      const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', leaf.privateKey))
      return parseCredentialBundle(`${pem(key)}${certificate.toString('pem')}\n`)
    },
  }
}

function identityOf(wanted: Wanted): WorkloadIdentity {
  const { namespace = 'agents', serviceAccount = 'agent', podUid = crypto.randomUUID() } = wanted
  const { role = 'agent', tenant = 'acme', toolScopes = '' } = wanted
  const ceiling =
    toolScopes === '' ? emptyCeiling : { models: [], toolScopes: parseToolScopes(toolScopes) }
  return {
    spiffeId: workloadSpiffeId({ trustDomain, namespace, serviceAccount }),
    cluster: 'test',
    namespace: { name: namespace, uid: '00000000-0000-4000-8000-000000000001' },
    serviceAccount: { name: serviceAccount, uid: '00000000-0000-4000-8000-000000000002' },
    pod: { name: `${serviceAccount}-0`, uid: podUid },
    node: { name: 'node-1', uid: '00000000-0000-4000-8000-000000000003' },
    issuanceId:
      wanted.issuanceId ??
      Buffer.from(webcrypto.getRandomValues(new Uint8Array(16))).toString('hex'),
    evidenceDigest: 'e'.repeat(64),
    policyDigest: 'f'.repeat(64),
    role,
    ...(tenant === '' ? {} : { tenant: parseTenant(tenant) }),
    ceiling,
  }
}

function pem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return ['-----BEGIN PRIVATE KEY-----', ...lines, '-----END PRIVATE KEY-----', ''].join('\n')
}
