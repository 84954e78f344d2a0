import { CountersignError, quoted } from '../errors.ts'
import type { Bundle } from './bundle.ts'
import { isOfTrustDomain, parseCaCertificate } from './ca-certificate.ts'
import type { CaCertificate } from './ca-certificate.ts'
import { authorityKeyIdentifierOf } from './certificate-extensions.ts'
import type { AlternativeNames } from './certificate-extensions.ts'
import type { Certificate } from './certificate.ts'
import { withCode } from './der-read.ts'
import { brokenNameConstraint } from './name-constraints.ts'
import { verifySignature } from './signature.ts'

/** What a peer may send between its leaf and an anchor: bounds the signatures that it can make us verify. */
const intermediatesMax = 4

/** DER of CAs between a leaf and an anchor, or what gives it: that is asked where no anchor has issued the leaf itself. */
export type Intermediates = readonly Buffer[] | (() => readonly Buffer[])

/**
 * RFC 5280 §6 from a leaf to an anchor of one trust domain, at `now` (milliseconds); the leaf itself was judged before. Gives the CAs between
 * the two. Throws `pki/svid-untrusted`, `pki/svid-expired`, `pki/svid-not-yet-valid`.
 */
export function validatePath(
  leaf: { readonly certificate: Certificate; readonly names: AlternativeNames },
  options: {
    readonly bundle: Bundle
    readonly intermediates: Intermediates
    readonly now: number
  },
): readonly CaCertificate[] {
  const { bundle, intermediates, now } = options
  const given = (): readonly CaCertificate[] =>
    parseIntermediates(typeof intermediates === 'function' ? intermediates() : intermediates)
  const subject = { certificate: leaf.certificate, names: [leaf.names] }
  const found = findPath(subject, { bundle, given, now, casBelow: 0 })
  if (found instanceof CountersignError) throw found
  return found
}

function parseIntermediates(ders: readonly Buffer[]): readonly CaCertificate[] {
  if (ders.length > intermediatesMax) {
    throw untrusted(
      `SVID has too many intermediates, want=..${intermediatesMax} got=${ders.length}`,
    )
  }
  return ders.map((der) => parseCaCertificate(der, 'pki/svid-untrusted'))
}

interface Subject {
  readonly certificate: Certificate
  /** The names of the leaf and of the CAs below: every CA above constrains all of them. */
  readonly names: readonly AlternativeNames[]
}

interface Search {
  readonly bundle: Bundle
  /** Intermediates that are not in the path yet: none serves twice. */
  readonly given: () => readonly CaCertificate[]
  readonly now: number
  /** CAs in the path already: all of them below the next one. */
  readonly casBelow: number
}

const noneBetween: readonly CaCertificate[] = []

/** The CAs of the first path that reaches an anchor, else why the most promising one did not. */
function findPath(subject: Subject, search: Search): readonly CaCertificate[] | CountersignError {
  let failure = untrusted(
    `no anchor of trust domain ${quoted(search.bundle.trustDomain)} issued the SVID`,
  )
  for (const issuer of search.bundle.anchors) {
    if (!isNamedIssuer(issuer, subject.certificate)) continue
    const refused = judgeIssuer(issuer, subject, search)
    if (refused === undefined) return noneBetween
    failure = refused
  }
  const given = search.given()
  for (const issuer of given) {
    if (!isNamedIssuer(issuer, subject.certificate)) continue
    const found =
      judgeIssuer(issuer, subject, search) ??
      findPath(
        {
          certificate: issuer.certificate,
          names: issuer.names === undefined ? subject.names : [...subject.names, issuer.names],
        },
        {
          ...search,
          given: () => given.filter((other) => other !== issuer),
          casBelow: search.casBelow + 1,
        },
      )
    if (!(found instanceof CountersignError)) return [issuer, ...found]
    failure = found
  }
  return failure
}

/** Names are compared octet for octet; key identifiers tell apart CAs of one name (RFC 5280 §4.2.1.1). */
function isNamedIssuer(issuer: CaCertificate, certificate: Certificate): boolean {
  if (!issuer.subject.equals(certificate.issuer)) return false
  const wanted = withCode('pki/svid-untrusted', () => authorityKeyIdentifierOf(certificate))
  const got = issuer.subjectKeyIdentifier
  return wanted === undefined || got === undefined || wanted.equals(got)
}

function judgeIssuer(
  issuer: CaCertificate,
  subject: Subject,
  search: Search,
): CountersignError | undefined {
  const { certificate } = subject
  const { pathLength, nameConstraints } = issuer
  if (pathLength !== undefined && pathLength < search.casBelow) {
    return untrusted(`path below a CA is too long, want=..${pathLength} got=${search.casBelow}`)
  }
  if (!isOfTrustDomain(issuer, search.bundle.trustDomain)) {
    return untrusted(`CA is of another trust domain, want=${search.bundle.trustDomain}`)
  }
  if (nameConstraints !== undefined) {
    for (const names of subject.names) {
      const broken = brokenNameConstraint(nameConstraints, names)
      if (broken !== undefined)
        return untrusted(`CA is not allowed to issue this name, got=${broken}`)
    }
  }
  const signed = { octets: certificate.signed, signature: certificate.signature }
  if (!verifySignature(certificate.signatureAlgorithm, issuer.publicKey, signed)) {
    return untrusted('signature is not of the CA that the certificate names')
  }
  try {
    checkTimes('CA of the SVID', issuer, search.now)
    return undefined
  } catch (error) {
    if (error instanceof CountersignError) return error
    throw error
  }
}

/** RFC 5280 §4.1.2.5: both ends are part of the validity. */
export function checkTimes(
  what: string,
  validity: { readonly notBefore: Date; readonly notAfter: Date },
  now: number,
): void {
  if (now < validity.notBefore.getTime()) {
    throw new CountersignError(
      'pki/svid-not-yet-valid',
      `${what} has not begun, notBefore=${validity.notBefore.toISOString()}`,
    )
  }
  if (now > validity.notAfter.getTime()) {
    throw new CountersignError(
      'pki/svid-expired',
      `${what} has ended, notAfter=${validity.notAfter.toISOString()}`,
    )
  }
}

function untrusted(message: string): CountersignError {
  return new CountersignError('pki/svid-untrusted', message)
}
