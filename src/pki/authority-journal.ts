import { CountersignError, quoted } from '../errors.ts'
import type { TrustDomain } from '../identity/trust-domain.ts'
import { isOfTrustDomain, parseCaCertificate } from './ca-certificate.ts'
import type { CaCertificate } from './ca-certificate.ts'
import { parsePem } from './pem.ts'

/**
 * What becomes of each CA that a signer has had. Which one signs, and which anchors are published, follow from this alone, and a step is
 * one new journal: whoever reads it after a crash reads the one before the step or the one after it.
 *
 * | state    | signs | anchor is published                                      |
 * | -------- | ----- | -------------------------------------------------------- |
 * | prepared | no    | yes, so that readers have it before it signs             |
 * | active   | yes   | yes                                                      |
 * | old      | no    | until `until`, when the last certificate under it has ended |
 * | tainted  | no    | as of old; its key is doubted                            |
 * | revoked  | no    | no                                                       |
 */
export const authorityStates = ['prepared', 'active', 'old', 'tainted', 'revoked'] as const
export type AuthorityState = (typeof authorityStates)[number]

/** Whose CAs a journal has: roots of its own, or CAs that were requested of one above them, each with its path to a root. */
export type AuthorityKind = 'selfSigned' | 'requested'

export interface JournalEntry {
  readonly state: AuthorityState
  /** Milliseconds since the epoch at which it came into this state, by the clock of whoever did that. */
  readonly since: number
  /** Of `old` and `tainted`: when nothing that it has signed is valid any more. */
  readonly until?: number
  /** Of `active`: a step put it there, after readers had its anchor or where nobody could wait for them. */
  readonly delivered?: true
  /** Of `revoked`: it was given up before it signed anything. */
  readonly unused?: true
  /** The CA, and of a requested one those above it in their order. */
  readonly certificatePem: string
  readonly certificate: CaCertificate
  /** What readers verify it by: of a root, the root itself. */
  readonly anchor: CaCertificate
  /** The earliest end on the path: nothing that it signs is valid for longer. */
  readonly notAfter: Date
}

/** At most one is active, at most one prepared, and no certificate is in it twice. */
export type Journal = readonly JournalEntry[]

/**
 * For the next one those are dropped that have ended, and, when it is full, revoked ones that never signed and those whose last certificate
 * ended long ago. Before that each is kept: it is what takes an anchor out again that somebody puts back.
 */
export const entriesMax = 16

/** A Secret holds 1 MiB, in base64 and beside the keys. Sixteen certificates of RSA-4096 are 40 KiB. */
const charactersMax = 512 * 1024

/** Of one CA with those above it: sixteen of them fit in a journal. */
export const pathCharactersMax: number = 24 * 1024

/** The CA, three between, and the root. */
const pathCertificatesMax = 5

const members = new Set(['state', 'since', 'until', 'delivered', 'unused', 'certificate'])

/** Throws `pki/authority` on whatever does not say one thing only: nothing is signed on a guess. */
export function parseJournal(
  text: string,
  trustDomain: TrustDomain,
  kind: AuthorityKind = 'selfSigned',
): Journal {
  if (text.length > charactersMax) {
    throw refused(`journal is too long, want=..${charactersMax} got=${text.length}`)
  }
  const document = readJson(text)
  if (!isFields(document) || document['version'] !== 1 || !Array.isArray(document['authorities'])) {
    throw refused('journal is not of a version that this release knows, want=1')
  }
  const authorities: readonly unknown[] = document['authorities']
  if (authorities.length > entriesMax) {
    throw refused(`journal has too many entries, want=..${entriesMax} got=${authorities.length}`)
  }
  return checked(authorities.map((entry) => readEntry(entry, trustDomain, kind)))
}

export function formatJournal(journal: Journal): string {
  const authorities = journal.map(({ state, since, until, delivered, unused, certificatePem }) => ({
    state,
    since: new Date(since).toISOString(),
    ...(until === undefined ? {} : { until: new Date(until).toISOString() }),
    ...(delivered === undefined ? {} : { delivered }),
    ...(unused === undefined ? {} : { unused }),
    certificate: certificatePem,
  }))
  return `${JSON.stringify({ version: 1, authorities }, null, 2)}\n`
}

/** A CA as it stands in a journal: one that is its own root, or one with its path to a root. Throws `pki/authority`. */
export function entryOf(
  certificatePem: string,
  place: Pick<JournalEntry, 'state' | 'since' | 'until' | 'delivered' | 'unused'>,
  kind: AuthorityKind = 'selfSigned',
): JournalEntry {
  const what = 'authority of the journal'
  const bounds = { code: 'pki/authority', what, charactersMax: pathCharactersMax } as const
  const blocks = parsePem(certificatePem, bounds)
  const certificatesMax = kind === 'selfSigned' ? 1 : pathCertificatesMax
  if (blocks.length > certificatesMax || blocks.some(({ label }) => label !== 'CERTIFICATE')) {
    throw refused(
      kind === 'selfSigned'
        ? 'journal has an entry that is not one certificate'
        : `journal has an entry that is no path, want=..${certificatesMax} certificates`,
    )
  }
  const path = blocks.map(({ der }) => parseCaCertificate(der, 'pki/authority'))
  const [certificate] = path
  const anchor = path.at(-1)
  if (certificate === undefined || anchor === undefined) {
    throw refused('journal has an entry that is not one certificate')
  }
  if (!anchor.selfSigned) throw refused('journal has a certificate that is no root')
  if (kind === 'requested' && certificate.selfSigned) {
    throw refused('journal has a root, want=a CA that one above it has issued')
  }
  const notAfter = new Date(Math.min(...path.map((ca) => ca.notAfter.getTime())))
  return { ...place, certificatePem, certificate, anchor, notAfter }
}

/** Whether readers are to have its anchor now. One that has ended vouches for nothing. */
export function isTrusted(entry: JournalEntry, now: number): boolean {
  if (entry.state === 'revoked' || entry.notAfter.getTime() < now) return false
  return entry.until === undefined || now <= entry.until
}

export function activeOf(journal: Journal): JournalEntry | undefined {
  return journal.find(({ state }) => state === 'active')
}

export function preparedOf(journal: Journal): JournalEntry | undefined {
  return journal.find(({ state }) => state === 'prepared')
}

/** Throws `pki/authority` when it is no journal. */
export function checked(journal: Journal): Journal {
  for (const state of ['active', 'prepared'] as const) {
    const count = journal.filter((entry) => entry.state === state).length
    if (count > 1) throw refused(`journal has ${count} entries that are ${state}, want=..1`)
  }
  if (new Set(journal.map(({ certificate }) => certificate.sha256)).size < journal.length) {
    throw refused('journal has a certificate twice')
  }
  return journal
}

function readEntry(raw: unknown, trustDomain: TrustDomain, kind: AuthorityKind): JournalEntry {
  if (!isFields(raw)) throw refused('journal has an entry that is no object')
  const odd = Object.keys(raw).find((name) => !members.has(name))
  if (odd !== undefined) throw refused(`journal has an entry with an unknown ${quoted(odd)}`)
  const { state, since, until, delivered, unused, certificate } = raw
  const known = authorityStates.find((name) => name === state)
  if (known === undefined) {
    throw refused(`journal has an unknown state, want=${authorityStates.join('|')}`)
  }
  if (typeof certificate !== 'string') throw refused('journal has an entry without certificate')
  const ends = known === 'old' || known === 'tainted'
  if (ends !== (until !== undefined)) {
    throw refused(`journal says of ${known} until when it is trusted, want=${ends} got=${!ends}`)
  }
  if (delivered !== undefined && (delivered !== true || known !== 'active')) {
    throw refused(`journal says of ${known} that it is delivered, want=active with true`)
  }
  if (unused !== undefined && (unused !== true || known !== 'revoked')) {
    throw refused(`journal says of ${known} that it is unused, want=revoked with true`)
  }
  const place = {
    state: known,
    since: readTime(since),
    ...(delivered === undefined ? {} : { delivered: true as const }),
    ...(unused === undefined ? {} : { unused: true as const }),
  }
  const entry = entryOf(certificate, ends ? { ...place, until: readTime(until) } : place, kind)
  if (!isOfTrustDomain(entry.certificate, trustDomain)) {
    throw refused('journal has a certificate of another trust domain')
  }
  return entry
}

function readTime(value: unknown): number {
  const time = typeof value === 'string' && value.length <= 24 ? Date.parse(value) : NaN
  if (Number.isNaN(time)) throw refused('journal has a time that is none, want=RFC 3339')
  return time
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw refused('journal is not JSON')
  }
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function refused(message: string): CountersignError {
  return new CountersignError('pki/authority', `authority ${message}`, {
    hint: 'docs/OPERATING.md, Rotate the CA',
  })
}
