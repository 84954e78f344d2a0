import { isIPv4 } from 'node:net'
import { CountersignError, quoted } from '../errors.ts'
import type { TrustDomain } from '../identity/trust-domain.ts'
import { isOfTrustDomain } from './ca-certificate.ts'
import type { CaCertificate } from './ca-certificate.ts'
import { extendedKeyUsageOf, ipAddressTag, issuerReferenceOf } from './certificate-extensions.ts'
import { withCode } from './der-read.ts'
import { brokenNameConstraint, isEveryNamePermitted } from './name-constraints.ts'
import { formatObjectIdentifier, oids } from './oid.ts'
import { unreadableName } from './readable-name.ts'
import { verifySignature } from './signature.ts'

/** As many as our own path validation takes of a peer. */
const intermediatesMax = 4

/** Roots renewed with their key, and cross-signed ones, give a CA more than one path. */
const pathsMax = 32

/**
 * The CA and those above it, the root last: the first path that no rule refuses. Throws `pki/authority` with what is wrong with the first
 * path of all.
 */
export function findPath(
  certificate: CaCertificate,
  certificates: readonly CaCertificate[],
  rules: PathRules,
): readonly CaCertificate[] {
  let failure: CountersignError | undefined
  let tried = 0
  for (const path of pathsToRoot([certificate], issuersAmong(certificates))) {
    tried += 1
    if (tried > pathsMax) break
    try {
      checkPath(path, rules)
      return path
    } catch (error) {
      if (!(error instanceof CountersignError)) throw error
      failure ??= error
    }
  }
  throw (
    failure ??
    new CountersignError('pki/authority', 'authority is not self-signed and has no chain to a root')
  )
}

type IssuersOf = (ca: CaCertificate) => readonly CaCertificate[]

/** Each signature is verified once, however many paths it is on. */
function issuersAmong(certificates: readonly CaCertificate[]): IssuersOf {
  const known = new Map<CaCertificate, readonly CaCertificate[]>()
  return (ca) => {
    const { issuer, signed, signature, signatureAlgorithm } = ca.certificate
    const issuers =
      known.get(ca) ??
      certificates.filter(
        ({ subject, publicKey }) =>
          subject.equals(issuer) &&
          verifySignature(signatureAlgorithm, publicKey, { octets: signed, signature }),
      )
    known.set(ca, issuers)
    return issuers
  }
}

/** Each one signed the one before. */
function* pathsToRoot(
  path: readonly CaCertificate[],
  issuersOf: IssuersOf,
): Generator<readonly CaCertificate[], void, undefined> {
  const last = path.at(-1)
  if (last === undefined) return
  if (last.selfSigned) {
    yield path
    return
  }
  for (const above of issuersOf(last)) {
    if (!path.includes(above)) yield* pathsToRoot([...path, above], issuersOf)
  }
}

export interface PathRules {
  readonly trustDomain: TrustDomain
  /** Below which every DNS name is that its leaves have. */
  readonly dnsSuffixes: readonly string[]
  /** Milliseconds since 1970. */
  readonly now: number
}

/**
 * Every rule by which a verifier would refuse what this CA signs, of each CA up to the root: those of OpenSSL (as Node asks it, and strictly,
 * as Python does since 3.13), of Go's crypto/x509, and our own. A CA that one of them refuses is refused here, before pods wait for
 * certificates that nobody takes. Throws `pki/authority`.
 */
function checkPath(path: readonly CaCertificate[], rules: PathRules): void {
  const intermediates = path.filter((ca) => !ca.selfSigned).length
  if (intermediates > intermediatesMax) {
    throw new CountersignError(
      'pki/authority',
      `authority is too far below its root, want=..${intermediatesMax} intermediates got=${intermediates}`,
    )
  }
  for (const [casBelow, ca] of path.entries()) {
    const place = { below: path.slice(0, casBelow), above: path[casBelow + 1] ?? ca }
    const broken = withCode('pki/authority', () => brokenRule(ca, { ...rules, ...place }))
    if (broken === undefined) continue
    const who = casBelow === 0 ? 'authority' : `CA ${casBelow} above the authority`
    throw new CountersignError('pki/authority', `${who} ${broken}`)
  }
}

interface Place extends PathRules {
  readonly below: readonly CaCertificate[]
  /** What issued it: of a root, the root. */
  readonly above: CaCertificate
}

function brokenRule(ca: CaCertificate, place: Place): string | undefined {
  const { now, trustDomain, below } = place
  if (ca.pathLength !== undefined && ca.pathLength < below.length) {
    return `has a path that is too long, want=..${ca.pathLength} got=${below.length}`
  }
  if (!isOfTrustDomain(ca, trustDomain)) {
    const got = quoted(ca.names?.uris.join(' ') ?? '')
    return `is of another trust domain, want=spiffe://${trustDomain} got=${got}`
  }
  if (now < ca.notBefore.getTime()) return `has not begun, notBefore=${ca.notBefore.toISOString()}`
  if (now > ca.notAfter.getTime()) return `has ended, notAfter=${ca.notAfter.toISOString()}`
  return brokenKeyIdentifier(ca, place.above) ?? brokenUsage(ca) ?? brokenNames(ca, place)
}

/** RFC 5280 §4.2.1.1-2, as OpenSSL checks it: errors 30, 31, 85 and 86, and criticality. */
function brokenKeyIdentifier(ca: CaCertificate, above: CaCertificate): string | undefined {
  if (ca.subjectKeyIdentifier === undefined) {
    return 'has no subject key identifier: verifiers that are strict refuse what it signs'
  }
  const { extensions } = ca.certificate
  for (const [oid, name] of identifiers) {
    if (extensions.get(oid)?.critical === true) return `has a critical ${name}`
  }
  const reference = issuerReferenceOf(ca.certificate)
  if (!ca.selfSigned && reference?.keyIdentifier === undefined) {
    return 'has no authority key identifier: verifiers that are strict refuse what it signs'
  }
  if (reference === undefined) return undefined
  const { keyIdentifier, directoryName, serialNumber } = reference
  const issuer = above.certificate
  const differs = (got: Buffer | undefined, want: Buffer | undefined): boolean =>
    got !== undefined && want !== undefined && !got.equals(want)
  const isOther =
    differs(keyIdentifier, above.subjectKeyIdentifier) ||
    differs(serialNumber, issuer.serialNumber) ||
    differs(directoryName, issuer.issuer)
  return isOther ? 'has an authority key identifier of another CA than the one above it' : undefined
}

const identifiers: readonly (readonly [oid: string, name: string])[] = [
  [oids.subjectKeyIdentifier, 'subject key identifier'],
  [oids.authorityKeyIdentifier, 'authority key identifier'],
]

function brokenUsage({ certificate }: CaCertificate): string | undefined {
  // Go and OpenSSL read the usages of a CA as a bound on its leaves; OpenSSL takes anyExtendedKeyUsage for none of them.
  const purposes = extendedKeyUsageOf(certificate)
  if (purposes !== undefined) {
    const missing = [oids.serverAuth, oids.clientAuth].some((oid) => !purposes.includes(oid))
    const got = purposes.map((oid) => formatObjectIdentifier(oid)).join(' ')
    if (missing) {
      return `has extended key usages that do not fit, want=none|serverAuth and clientAuth got=${quoted(got)}`
    }
  }
  // Our leaves name no policy, which Go refuses below a CA that demands one.
  if (certificate.extensions.has(oids.policyConstraints)) return 'has policy constraints'
  // RFC 9608 §2
  if (certificate.extensions.has(oids.noRevAvail)) return 'has noRevAvail, which is for leaves'
  return undefined
}

function brokenNames(ca: CaCertificate, place: Place): string | undefined {
  const unreadable = unreadableName(ca.subject)
  if (unreadable !== undefined) return `has a subject that Go does not read, got=${unreadable}`
  const { nameConstraints: constraints } = ca
  if (constraints === undefined) return undefined
  const { trustDomain, dnsSuffixes, below } = place
  const { permitted, excluded } = constraints
  const subtrees = [permitted, excluded].flatMap((each) => [
    ...each.uris,
    ...each.dnsNames,
    ...each.otherTags,
  ])
  // RFC 5280 §4.2.1.10: at least one, or Go does not read the certificate.
  if (subtrees.length === 0) return 'has name constraints without a name'
  // Go refuses a CA with a constraint of a kind that it does not know; those on mail addresses bind subjects, which nobody judges here.
  const odd = [...permitted.otherTags, ...excluded.otherTags].find((tag) => tag !== ipAddressTag)
  if (odd !== undefined) {
    return `has name constraints of a kind that is not judged, want=URI|DNS|IP got=tag ${odd & 0x1f}`
  }
  const uris = [...permitted.uris, ...excluded.uris]
  const dnsNames = [...permitted.dnsNames, ...excluded.dnsNames]
  const unreadConstraint =
    uris.find((host) => !isHostConstraint(host) || isIPv4(host)) ??
    dnsNames.find((name) => name !== '' && !isHostConstraint(name))
  if (unreadConstraint !== undefined) {
    return `has a name constraint that is no name, got=${quoted(unreadConstraint)}`
  }
  const workload = { uris: [`spiffe://${trustDomain}/ns`], dnsNames: [], otherTags: [] }
  if (brokenNameConstraint(constraints, workload) !== undefined) {
    return `is constrained to other trust domains, want=${trustDomain}`
  }
  const suffix = dnsSuffixes.find((each) => !isEveryNamePermitted(constraints, each))
  if (suffix !== undefined) {
    return `has name constraints that do not permit every DNS name of Services, want=permitted DNS:${suffix}`
  }
  for (const { names } of below) {
    const broken = names && brokenNameConstraint(constraints, names)
    if (broken !== undefined) return `does not permit a name of a CA below it, got=${broken}`
  }
  return undefined
}

/** As Go reads a constraint: perhaps a dot before, then labels of 1 to 63 visible characters, 253 in all. */
function isHostConstraint(text: string): boolean {
  const labels = text.replace(/^\./, '').split('.')
  return text.length <= 253 && labels.every((label) => /^[!-~]{1,63}$/.test(label))
}
