import { hash, randomBytes as systemRandomBytes } from 'node:crypto'
import { CountersignError, quoted } from '../errors.ts'
import { isDnsSubdomain } from '../identity/kubernetes-name.ts'
import { servingRoles } from '../identity/role.ts'
import { workloadSpiffeId } from '../identity/spiffe-id.ts'
import type { WorkloadIdentity } from '../identity/workload-identity.ts'
import type { Authority, AuthoritySource } from './authority.ts'
import { DerWriter } from './der-write.ts'
import { inspectCertificate } from './inspect.ts'
import { createLeafTemplate, writeCertificate, writeLeaf } from './leaf.ts'
import type { LeafTemplate } from './leaf.ts'
import { brokenNameConstraint } from './name-constraints.ts'
import { formatCertificates } from './pem.ts'
import { lifetimeSecondsMin } from './profile.ts'
import type { Profile } from './profile.ts'
import type { SubjectKey } from './subject-key.ts'

/** What was decided to be certified. */
export interface IssuanceRequest {
  readonly identity: WorkloadIdentity
  readonly dnsNames: readonly string[]
  readonly key: SubjectKey
  /** Already within the policy and within what the request asked for; 3600 at least. */
  readonly lifetimeSeconds: number
}

/** One certificate to be: everything a record of the intent needs. It is redeemed once, by the issuer that made it. */
export interface Prepared {
  /** Lower-case hex of 16 octets. */
  readonly serialNumber: string
  readonly notBefore: Date
  readonly notAfter: Date
  readonly beginRefreshAt: Date
  readonly spkiSha256: string
  /** SHA-256 of the CA certificate, hex. */
  readonly issuerSha256: string
  readonly profileDigest: string
}

export interface IssuedCertificate {
  readonly der: Buffer
  /** Leaf first, never a root. */
  readonly chainPem: string
  /** SHA-256 of the leaf's DER, hex. */
  readonly sha256: string
  /** SHA-256 of `chainPem`, hex. */
  readonly chainSha256: string
  readonly serialNumber: string
  readonly notBefore: Date
  readonly notAfter: Date
  readonly beginRefreshAt: Date
}

export interface Issuer {
  /** Draws the serial number and settles the times. Throws `pki/request`, `pki/issuer-expiring`, `pki/ceiling-too-large`, `pki/authority-unavailable`. */
  prepare(request: IssuanceRequest): Prepared
  /**
   * Signs and inspects, once: at once where the authority does. Throws `pki/prepared-used`, `pki/stale`, `pki/inspection`,
   * `pki/authority-unavailable`.
   */
  issue(prepared: Prepared): IssuedCertificate | Promise<IssuedCertificate>
}

/** The API server takes certificates that began less than 300 s ago; a minute is left for the write and its retry. */
const notBeforeAgeSecondsMax = 240

/** Names of Services that select one pod; more would crowd the certificate. */
const dnsNamesMax = 32

/** A serial number of 16 octets and two of jitter. */
const drawOctets = 18

/** A leaf of 4 KiB of extension and 32 DNS names, with room. */
const leafOctetsMax = 32 * 1024

interface Intent {
  readonly request: IssuanceRequest
  readonly authority: Authority
  readonly template: LeafTemplate
  readonly signed: Buffer
}

/** Makes an issuer of certificates by one profile. */
export function createIssuer(options: {
  readonly profile: Profile
  readonly authorities: AuthoritySource
  readonly now: () => number
  readonly randomBytes?: (octets: number) => Buffer
}): Issuer {
  const { profile, authorities, now, randomBytes = systemRandomBytes } = options
  const writer = new DerWriter(leafOctetsMax)
  const intents = new WeakMap<Prepared, Intent>()
  let encoded: { readonly authority: Authority; readonly template: LeafTemplate } | undefined

  const draw = createDraw(randomBytes)
  const templateOf = (authority: Authority): LeafTemplate => {
    if (encoded?.authority !== authority) {
      encoded = { authority, template: createLeafTemplate(authority, profile) }
    }
    return encoded.template
  }

  return {
    prepare(request) {
      const authority = authorities.current()
      checkRequest(request, profile, authority)
      const random = draw()
      const serialNumber = random.subarray(0, 16)
      // Top bit 0 and first octet not 0: positive, minimal, of one length (RFC 5280 §4.1.2.2).
      serialNumber[0] = ((serialNumber[0] ?? 0) & 0x3f) | 0x40
      const times = settleTimes(request, {
        nowSeconds: Math.floor(now() / 1000),
        backdateSeconds: profile.backdateSeconds,
        authority,
        jitter: random.readUInt16BE(16) / 0x10000,
      })
      const template = templateOf(authority)
      const { identity, dnsNames, key } = request
      const fields = { identity, dnsNames, key, serialNumber, ...times }
      const prepared: Prepared = {
        serialNumber: serialNumber.toString('hex'),
        ...times,
        spkiSha256: key.sha256,
        issuerSha256: authority.certificate.sha256,
        profileDigest: profile.digest,
      }
      const signed = writeLeaf(writer, template, fields)
      intents.set(prepared, { request, authority, template, signed })
      return prepared
    },

    issue(prepared) {
      const intent = intents.get(prepared)
      if (intent === undefined || !intents.delete(prepared)) {
        throw new CountersignError('pki/prepared-used', 'prepared certificate was redeemed before')
      }
      const { authority, signed } = intent
      const finish = (signature: Buffer): IssuedCertificate =>
        redeem(prepared, { ...intent, signature }, { writer, profile, now: now() })
      const fresh = (): void =>
        checkFresh(prepared, { authority, current: authorities.current(), now: now() })
      fresh()
      const signature = authority.sign(signed)
      if (Buffer.isBuffer(signature)) return finish(signature)
      return signature.then((made) => {
        // A key elsewhere takes its time, in which the authority may have been replaced.
        fresh()
        return finish(made)
      })
    },
  }
}

/** Puts the certificate together, and gives it out only when the inspection finds nothing. */
function redeem(
  prepared: Prepared,
  intent: Intent & { readonly signature: Buffer },
  tools: { readonly writer: DerWriter; readonly profile: Profile; readonly now: number },
): IssuedCertificate {
  const { request, authority, template, signed, signature } = intent
  const { writer, profile, now } = tools
  const der = writeCertificate(writer, template, { octets: signed, signature })
  const findings = inspectCertificate(der, { ...prepared, request, profile, authority, now })
  if (findings.length > 0) {
    throw new CountersignError(
      'pki/inspection',
      `certificate just signed breaks rules: ${findings.join('; ')}`,
    )
  }
  const chainPem = formatCertificates([der, ...authority.chain])
  return {
    der,
    chainPem,
    sha256: hash('sha256', der, 'hex'),
    chainSha256: hash('sha256', chainPem, 'hex'),
    serialNumber: prepared.serialNumber,
    notBefore: prepared.notBefore,
    notAfter: prepared.notAfter,
    beginRefreshAt: prepared.beginRefreshAt,
  }
}

/** One draw from the system serves many certificates; no octet of it is given twice. */
function createDraw(randomBytes: (octets: number) => Buffer): () => Buffer {
  let pool: Buffer = Buffer.alloc(0)
  return () => {
    if (pool.length < drawOctets) pool = randomBytes(64 * drawOctets)
    const drawn = pool.subarray(0, drawOctets)
    pool = pool.subarray(drawOctets)
    return drawn
  }
}

/** What the evaluation before should have made true: broken, it is a defect and never a reason to sign. */
function checkRequest(request: IssuanceRequest, profile: Profile, authority: Authority): void {
  const { identity, dnsNames, key, lifetimeSeconds } = request
  const { trustDomain } = profile
  if (authority.trustDomain !== trustDomain) {
    throw refused(
      `authority is of another trust domain, want=${trustDomain} got=${authority.trustDomain}`,
    )
  }
  if (!profile.keyTypes.includes(key.keyType)) {
    throw refused(
      `key type is not in the profile, want=${profile.keyTypes.join('|')} got=${key.keyType}`,
    )
  }
  const { lifetimeSecondsMax } = profile
  const whole = Number.isInteger(lifetimeSeconds)
  if (!whole || lifetimeSeconds < lifetimeSecondsMin || lifetimeSeconds > lifetimeSecondsMax) {
    throw refused(
      `lifetime is out of bounds, want=${lifetimeSecondsMin}..${lifetimeSecondsMax} got=${lifetimeSeconds}`,
    )
  }
  if (identity.cluster !== profile.cluster) {
    throw refused(`cluster is another one, want=${profile.cluster} got=${quoted(identity.cluster)}`)
  }
  const { uri } = workloadSpiffeId({
    trustDomain,
    namespace: identity.namespace.name,
    serviceAccount: identity.serviceAccount.name,
  })
  if (identity.spiffeId.uri !== uri) {
    throw refused(`SPIFFE ID is another one, want=${uri} got=${quoted(identity.spiffeId.uri)}`)
  }
  checkDnsNames(identity, dnsNames, authority)
}

function checkDnsNames(
  identity: WorkloadIdentity,
  dnsNames: readonly string[],
  authority: Authority,
): void {
  if (dnsNames.length === 0) return
  if (identity.role === undefined || !servingRoles.includes(identity.role)) {
    throw refused('DNS names are for roles that serve')
  }
  if (dnsNames.length > dnsNamesMax) {
    throw refused(`DNS names are too many, want=..${dnsNamesMax} got=${dnsNames.length}`)
  }
  if (new Set(dnsNames).size !== dnsNames.length) throw refused('DNS names have a duplicate')
  const odd = dnsNames.find((name) => !isDnsSubdomain(name))
  if (odd !== undefined) throw refused(`DNS name is malformed, got=${quoted(odd)}`)
  const names = { uris: [], dnsNames, otherTags: [] }
  for (const { nameConstraints } of authority.path) {
    const broken = nameConstraints && brokenNameConstraint(nameConstraints, names)
    if (broken !== undefined) throw refused(`CA is not allowed to issue this name, got=${broken}`)
  }
}

interface TimeRules {
  readonly nowSeconds: number
  readonly backdateSeconds: number
  readonly authority: Authority
  /** 0 to 1. */
  readonly jitter: number
}

/** Whole seconds everywhere: the API server compares the status with the certificate to the second. */
function settleTimes(
  request: IssuanceRequest,
  rules: TimeRules,
): { readonly notBefore: Date; readonly notAfter: Date; readonly beginRefreshAt: Date } {
  const { nowSeconds, backdateSeconds, authority, jitter } = rules
  const { certificate } = authority
  const begin = Math.max(nowSeconds - backdateSeconds, certificate.notBefore.getTime() / 1000)
  // A leaf that outlives its issuer, or one above it, is valid on paper and refused by everybody (linkerd2#3880, istio#59768).
  const end = Math.min(begin + request.lifetimeSeconds, authority.notAfter.getTime() / 1000)
  const lifetimeSeconds = end - begin
  if (lifetimeSeconds < lifetimeSecondsMin) {
    throw new CountersignError(
      'pki/issuer-expiring',
      `issuer ends too soon, want=${lifetimeSecondsMin}s got=${lifetimeSeconds}s notAfter=${authority.notAfter.toISOString()}`,
    )
  }
  // Half of the life less up to a tenth, so that pods that started together do not renew together.
  const refresh = begin + Math.floor(lifetimeSeconds * (0.5 - 0.1 * jitter))
  return {
    notBefore: new Date(begin * 1000),
    notAfter: new Date(end * 1000),
    beginRefreshAt: new Date(refresh * 1000),
  }
}

function checkFresh(
  prepared: Prepared,
  rules: { readonly authority: Authority; readonly current: Authority; readonly now: number },
): void {
  const ageSeconds = (rules.now - prepared.notBefore.getTime()) / 1000
  if (ageSeconds > notBeforeAgeSecondsMax) {
    throw new CountersignError(
      'pki/stale',
      `prepared certificate began too long ago, want=..${notBeforeAgeSecondsMax}s got=${ageSeconds}s`,
    )
  }
  // An authority that was replaced may have been replaced for a reason.
  if (rules.authority !== rules.current) {
    throw new CountersignError(
      'pki/stale',
      'authority has changed since the certificate was prepared',
    )
  }
}

function refused(message: string): CountersignError {
  return new CountersignError('pki/request', message)
}
