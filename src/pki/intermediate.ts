import { CountersignError } from '../errors.ts'
import { parseAuthorityPath, type Authority } from './authority.ts'
import { parseCaCertificate, type CaCertificate } from './ca-certificate.ts'
import { caExtensions, caName } from './ca-write.ts'
import { certificateToSign, signedCertificate } from './certificate-write.ts'
import { formatCertificates } from './pem.ts'
import { signatureAlgorithmFor } from './signature.ts'
import type { SubjectKey } from './subject-key.ts'

/** A CA that ends sooner is replaced more often than it is worth: readers and people have to follow. */
export const intermediateSecondsMin = 86_400

/** As a CA of our own begins: for clocks that are behind. */
const backdateMilliseconds = 120_000

/** What is signed, known before the key of the CA above is used. */
export interface Intermediate {
  readonly key: SubjectKey
  /** 16 octets. */
  readonly serial: Buffer
  readonly dnsSuffixes: readonly string[]
  readonly notBefore: Date
  readonly notAfter: Date
}

/** Why this CA can have none below it; undefined where it can. */
export function unfitAbove({ path }: Pick<Authority, 'path'>): string | undefined {
  for (const [casBelow, { pathLength }] of path.entries()) {
    if (pathLength === undefined || pathLength > casBelow) continue
    return `authority may have no CA below it, want=pathLen ${casBelow + 1} or none got=${pathLength}`
  }
  return undefined
}

/**
 * A CA below another one, with a life within that one's. What is asked for counts in whole seconds from now. Throws
 * `pki/authority-unavailable` where too little is left above it.
 */
export function prepareIntermediate(
  authority: Authority,
  asked: {
    readonly key: SubjectKey
    readonly serial: Buffer
    readonly dnsSuffixes: readonly string[]
    readonly lifetimeSeconds: number
    readonly now: number
  },
): Intermediate {
  const { key, serial, dnsSuffixes, lifetimeSeconds, now } = asked
  const begin = Math.floor(now / 1000) * 1000
  const notAfter = Math.min(begin + lifetimeSeconds * 1000, authority.notAfter.getTime())
  const seconds = Math.floor((notAfter - begin) / 1000)
  if (seconds < intermediateSecondsMin) {
    throw new CountersignError(
      'pki/authority-unavailable',
      `authority has too little life left for a CA below it, want=${intermediateSecondsMin}s got=${seconds}s`,
    )
  }
  const notBefore = Math.max(
    begin - backdateMilliseconds,
    ...authority.path.map((ca) => ca.notBefore.getTime()),
  )
  return {
    key,
    serial,
    dnsSuffixes,
    notBefore: new Date(notBefore),
    notAfter: new Date(notAfter),
  }
}

/**
 * Signs it: path length 0, and constrained to the trust domain and the DNS names of one cluster, critically. Nothing of it but the key comes
 * from whoever asks. What was signed is read again and held to every rule of a CA, so what a verifier would refuse does not leave. Throws
 * `pki/authority` and `pki/authority-unavailable`.
 */
export async function signIntermediate(
  authority: Authority,
  { key, serial, dnsSuffixes, notBefore, notAfter }: Intermediate,
  now: () => number,
): Promise<CaCertificate> {
  const { trustDomain, certificate: above, signatureAlgorithm: algorithm } = authority
  const unfit = unfitAbove(authority)
  if (unfit !== undefined) throw new CountersignError('pki/authority', unfit)
  const { subjectKeyIdentifier: issuerKeyIdentifier } = above
  if (issuerKeyIdentifier === undefined || signatureAlgorithmFor(key.publicKey) === undefined) {
    throw new CountersignError('pki/authority', 'a key of this type signs no certificates')
  }
  const { keyIdentifier, spki } = key
  const fields = {
    issuer: above.subject,
    subject: caName(keyIdentifier),
    notBefore,
    notAfter,
    spki,
    extensions: caExtensions({
      trustDomain,
      dnsSuffixes,
      constrainUris: true,
      keyIdentifier,
      issuerKeyIdentifier,
    }),
  }
  const signed = certificateToSign(fields, { serial, algorithm })
  const signature = await authority.sign(signed)
  const ca = parseCaCertificate(signedCertificate(signed, algorithm, signature), 'pki/authority')
  const [read] = parseAuthorityPath({
    certificatePem: formatCertificates([ca.der, ...authority.path.map(({ der }) => der)]),
    trustDomain,
    dnsSuffixes,
    now,
  })
  return read
}
