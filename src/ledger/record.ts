import { CountersignError, quoted } from '../errors.ts'
import type { Named } from '../identity/workload-identity.ts'

/** What every record begins with. */
interface RecordHead {
  /** RFC 3339 with milliseconds. */
  readonly time: string
  /** The signing replica; no certificate request names it. */
  readonly replica: string
  /** 32 hex digits, the same in all records of one issuance. */
  readonly issuanceId: string
  /** The request, which the API server forgets after a quarter of an hour. */
  readonly request: {
    readonly uid: string
    readonly namespace: string
    readonly name: string
    readonly signerName: string
    /** A PodCertificateRequest unless told. */
    readonly kind?: 'CertificateSigningRequest'
  }
}

/** What is about to be signed; durable before the key is used. */
export interface IssuanceIntent extends RecordHead {
  readonly kind: 'issuance-intent'
  readonly pod: Named
  readonly serviceAccount: Named
  readonly node: Named
  readonly namespace: Named
  /**
   * Whether the request could be shown to come from kubelet; `pod`: the API server states that the pod itself asked; `agent`: that the
   * configured agent did, and `pod` is the IssuedCertificate that it asked for.
   */
  readonly requester: 'shown' | 'not-shown' | 'pod' | 'agent'
  readonly keyType: string
  readonly spkiSha256: string
  readonly maxExpirationSeconds: number
  readonly lifetimeSeconds: number
  /** As asked. */
  readonly annotations: Readonly<Record<string, string>>
  readonly projectedPaths: readonly string[]
  readonly spiffeId: string
  readonly role?: string
  readonly tenant?: string
  /** Whom the pod was given to, where it came of a pool. */
  readonly claim?: Named
  readonly models: readonly string[]
  readonly toolScopes: readonly string[]
  readonly dnsNames: readonly string[]
  readonly serialNumber: string
  readonly notBefore: string
  readonly notAfter: string
  readonly beginRefreshAt: string
  readonly evidenceDigest: string
  readonly profileDigest: string
  readonly policyRevision: string
  readonly policyDigest: string
  /** What would have been denied, had the namespace been enforced; nothing of it is in the certificate. */
  readonly wouldDeny?: {
    readonly reason: string
    readonly fields: IssuanceRefusal['fields']
  }
  /** What proved each field. */
  readonly evidence: readonly {
    readonly check: string
    readonly field: string
    readonly reason: string
  }[]
}

/** What was approved for another to sign, who proves it once more; durable before it is written. */
export interface IssuanceApproval extends RecordHead, Omit<IssuanceIntent, 'kind' | OfSigners> {
  readonly kind: 'issuance-approval'
  /** Of the condition. */
  readonly message: string
  /** `unknown` until the API server has taken it, or has not. */
  readonly outcome: 'published' | 'unpublished' | 'unknown'
  readonly latencySeconds: number
}

type OfSigners = 'serialNumber' | 'notBefore' | 'notAfter' | 'beginRefreshAt' | 'profileDigest'

/** What became of an intent. A certificate that was signed counts as issued until its notAfter, published or not. */
export interface IssuanceResult extends RecordHead {
  readonly kind: 'issuance-result'
  readonly outcome: 'published' | 'unpublished' | 'unknown'
  readonly detail: string
  readonly certificateSha256?: string
  readonly chainSha256?: string
  readonly apiStatus?: number
  readonly latencySeconds: number
  /** Where the intent stands in this ledger. */
  readonly intentIndex: number
}

/** A request that was refused, with what it asked for. */
export interface IssuanceRefusal extends RecordHead {
  readonly kind: 'issuance-refusal'
  readonly reason: string
  readonly message: string
  readonly fields: readonly {
    readonly field: string
    readonly asked: string
    readonly proved: string
  }[]
  readonly pod: Named
  readonly serviceAccount: Named
  readonly node: Named
  readonly annotations: Readonly<Record<string, string>>
  readonly outcome: 'published' | 'unpublished' | 'unknown'
  readonly latencySeconds: number
}

/** What an approver said of a request for a certificate of a node, which another signer signs. */
export interface NodeVerdict extends RecordHead {
  readonly kind: 'node-verdict'
  readonly verdict: 'approved' | 'denied'
  /** Of the condition, with its message. */
  readonly reason: string
  readonly message: string
  /** As the API server states it. */
  readonly requester: { readonly username: string; readonly uid: string }
  readonly node: Named
  readonly usages: readonly string[]
  /** 0: none was asked for. */
  readonly expirationSeconds: number
  /** Of the key, where there is one that can be read. */
  readonly spkiSha256?: string
  /** What proved each field. */
  readonly evidence: readonly {
    readonly field: string
    readonly value: string
    readonly by: string
  }[]
  /** `unknown` until the API server has taken it, or has not. */
  readonly outcome: 'published' | 'unpublished' | 'unknown'
  readonly latencySeconds: number
}

/**
 * A CA below ours, for a signer of another cluster: `unknown` is durable before our key is used, and how it ended after. Its issuance id is
 * the serial number of the certificate. What is below it is in the ledgers of that cluster.
 */
export interface AuthorityVerdict extends RecordHead {
  readonly kind: 'authority-verdict'
  readonly verdict: 'issued' | 'denied'
  readonly reason: string
  readonly message: string
  /** As the API server states it, and the pod that it was proved to be. */
  readonly requester: { readonly username: string; readonly uid: string; readonly pod?: Named }
  /** Of the key, where there is one that can be read. */
  readonly spkiSha256?: string
  /** Of what is issued. */
  readonly authority?: {
    readonly trustDomain: string
    readonly dnsSuffixes: readonly string[]
    readonly notBefore: string
    readonly notAfter: string
    /** Of the CA above it. */
    readonly issuerSha256: string
  }
  /** Of the last record of one that was published. */
  readonly certificateSha256?: string
  readonly outcome: 'published' | 'unpublished' | 'unknown'
  readonly latencySeconds: number
}

/** What is appended. */
export type LedgerRecord =
  | IssuanceIntent
  | IssuanceApproval
  | IssuanceResult
  | IssuanceRefusal
  | NodeVerdict
  | AuthorityVerdict

/** The first record of every segment but the first: what it stands on, so that nothing before it has to be read to go on. */
export interface SegmentHead {
  readonly kind: 'ledger-segment'
  readonly time: string
  /** Its own index, which is how many records stand before it. */
  readonly firstIndex: number
  /** The compact range of the tree before it: the roots of its perfect subtrees, largest first, in hex. */
  readonly subtrees: readonly string[]
  /** The file before it, whole. */
  readonly previous: {
    readonly firstIndex: number
    readonly octets: number
    readonly sha256: string
  }
  /** Intents before it that have no result yet, by their index. */
  readonly unsettled: readonly number[]
  /** The latest end of a certificate that the segment before speaks of; null where it speaks of none. */
  readonly heldUntil: string | null
  /** So many records from the first were removed by retention. */
  readonly removedBefore: number
}

/** What is removed: on the record, and published, before anything is. */
export interface Retention {
  readonly kind: 'ledger-retention'
  readonly time: string
  /** The records before this index: whole segments. */
  readonly removedBefore: number
  /** They were sealed before this time, and what they speak of had ended. */
  readonly olderThan: string
}

/** What stands in a ledger. */
export type LoggedRecord = LedgerRecord | SegmentHead | Retention

type Test = (value: unknown) => boolean
type Shape = Readonly<Record<string, Test>>

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const text: Test = (value) => typeof value === 'string'
const wholeNumber: Test = (value) => Number.isSafeInteger(value) && (value as number) >= 0
const seconds: Test = (value) => Number.isFinite(value) && (value as number) >= 0
const oneOf =
  (...texts: readonly string[]): Test =>
  (value) =>
    texts.includes(value as string)
const matching =
  (pattern: RegExp): Test =>
  (value) =>
    typeof value === 'string' && pattern.test(value)
const listOf =
  (test: Test): Test =>
  (value) =>
    Array.isArray(value) && value.every(test)
const mapOf =
  (test: Test): Test =>
  (value) =>
    isObject(value) && Object.values(value).every(test)
const optional =
  (test: Test): Test =>
  (value) =>
    value === undefined || test(value)
const shaped =
  (shape: Shape): Test =>
  (value) =>
    isObject(value) && misfit(value, shape) === undefined

const time = matching(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?Z$/)
const sha256 = matching(/^[0-9a-f]{64}$/)
const named = shaped({ name: text, uid: text })
const refusedFields = listOf(shaped({ field: text, asked: text, proved: text }))
const outcome = oneOf('published', 'unpublished', 'unknown')

const head: Shape = {
  kind: text,
  time,
  replica: text,
  issuanceId: matching(/^[0-9a-f]{32}$/),
  request: shaped({
    uid: text,
    namespace: text,
    name: text,
    signerName: text,
    kind: optional(oneOf('CertificateSigningRequest')),
  }),
}

const proved: Shape = {
  ...head,
  pod: named,
  serviceAccount: named,
  node: named,
  namespace: named,
  requester: oneOf('shown', 'not-shown', 'pod', 'agent'),
  keyType: text,
  spkiSha256: sha256,
  maxExpirationSeconds: wholeNumber,
  lifetimeSeconds: wholeNumber,
  annotations: mapOf(text),
  projectedPaths: listOf(text),
  spiffeId: text,
  role: optional(text),
  tenant: optional(text),
  claim: optional(named),
  models: listOf(text),
  toolScopes: listOf(text),
  dnsNames: listOf(text),
  evidenceDigest: sha256,
  policyRevision: text,
  policyDigest: sha256,
  wouldDeny: optional(shaped({ reason: text, fields: refusedFields })),
  evidence: listOf(shaped({ check: text, field: text, reason: text })),
}

const shapes: Readonly<Record<LoggedRecord['kind'], Shape>> = {
  'ledger-segment': {
    kind: text,
    time,
    firstIndex: wholeNumber,
    subtrees: listOf(sha256),
    previous: shaped({ firstIndex: wholeNumber, octets: wholeNumber, sha256 }),
    unsettled: listOf(wholeNumber),
    heldUntil: (value) => value === null || time(value),
    removedBefore: wholeNumber,
  },
  'ledger-retention': {
    kind: text,
    time,
    removedBefore: wholeNumber,
    olderThan: time,
  },
  'issuance-intent': {
    ...proved,
    serialNumber: matching(/^[0-9a-f]{1,40}$/i),
    notBefore: time,
    notAfter: time,
    beginRefreshAt: time,
    profileDigest: sha256,
  },
  'issuance-approval': { ...proved, message: text, outcome, latencySeconds: seconds },
  'issuance-result': {
    ...head,
    outcome,
    detail: text,
    certificateSha256: optional(sha256),
    chainSha256: optional(sha256),
    apiStatus: optional(wholeNumber),
    latencySeconds: seconds,
    intentIndex: wholeNumber,
  },
  'issuance-refusal': {
    ...head,
    reason: text,
    message: text,
    fields: refusedFields,
    pod: named,
    serviceAccount: named,
    node: named,
    annotations: mapOf(text),
    outcome,
    latencySeconds: seconds,
  },
  'node-verdict': {
    ...head,
    verdict: oneOf('approved', 'denied'),
    reason: text,
    message: text,
    requester: shaped({ username: text, uid: text }),
    node: named,
    usages: listOf(text),
    expirationSeconds: wholeNumber,
    spkiSha256: optional(sha256),
    evidence: listOf(shaped({ field: text, value: text, by: text })),
    outcome,
    latencySeconds: seconds,
  },
  'authority-verdict': {
    ...head,
    verdict: oneOf('issued', 'denied'),
    reason: text,
    message: text,
    requester: shaped({ username: text, uid: text, pod: optional(named) }),
    spkiSha256: optional(sha256),
    authority: optional(
      shaped({
        trustDomain: text,
        dnsSuffixes: listOf(text),
        notBefore: time,
        notAfter: time,
        issuerSha256: sha256,
      }),
    ),
    certificateSha256: optional(sha256),
    outcome,
    latencySeconds: seconds,
  },
}

/** The first member that is unknown, missing or of another form. */
function misfit(value: Readonly<Record<string, unknown>>, shape: Shape): string | undefined {
  for (const [member, test] of Object.entries(shape)) {
    if (!test(Object.hasOwn(value, member) ? value[member] : undefined)) return member
  }
  return Object.keys(value).find((member) => !Object.hasOwn(shape, member))
}

/** A record that a ledger may hold. Throws 'ledger/record', naming the field: what is not understood is not passed on. */
export function parseLedgerRecord(value: unknown): LoggedRecord {
  if (!isObject(value)) throw new CountersignError('ledger/record', 'record is not an object')
  const kind = value['kind']
  if (typeof kind !== 'string' || !Object.hasOwn(shapes, kind)) {
    throw new CountersignError('ledger/record', `record of unknown kind: got=${shown(kind)}`)
  }
  const member = misfit(value, shapes[kind as LoggedRecord['kind']])
  if (member === undefined) return value as unknown as LoggedRecord
  const rule = `${kind} with an unfit member: field=${quoted(member)} got=${shown(value[member])}`
  throw new CountersignError('ledger/record', rule)
}

function shown(value: unknown): string {
  return value === undefined ? 'none' : quoted(JSON.stringify(value) ?? typeof value)
}
