import { CountersignError } from '../errors.ts'
import {
  activeOf,
  authorityStates,
  checked,
  entriesMax,
  isTrusted,
  preparedOf,
} from './authority-journal.ts'
import type { AuthorityState, Journal, JournalEntry } from './authority-journal.ts'

/** No profile gives a certificate more. */
const leafSecondsMax = 86_400

/**
 * How long a replica signs on by a journal that it cannot read again. What is signed after a step that it has not seen is no older than
 * this, so an authority is trusted for as long after it has ceased to sign.
 */
export const journalSecondsMax = 300

/** Every replica has read a step by then: it looks every five seconds. */
const takenUpSeconds = 10

/** Clocks of replicas and readers may differ by so much. */
const skewSeconds = 300

/** Whatever a signer does by a step that it has not read is over by then. */
const lagSeconds = journalSecondsMax + skewSeconds

/** From the step by which an authority ceases to sign until the last certificate under it has ended. */
export const trustedSecondsAfter: number = leafSecondsMax + lagSeconds

/** The next authority: published at once, and signs nothing. */
export function prepare(journal: Journal, next: JournalEntry, now: number): Journal {
  if (activeOf(journal) === undefined) {
    throw outOfOrder('none is active yet', 'start a signer: it makes the first one')
  }
  const prepared = preparedOf(journal)
  if (prepared !== undefined) {
    const name = shortName(prepared.certificate.sha256)
    throw outOfOrder(
      `${name} is prepared already`,
      `activate it, or: countersign ca revoke ${name}`,
    )
  }
  const left = withRoom(journal, now)
  if (left.length >= entriesMax) {
    throw outOfOrder(
      `the journal is full, want=..${entriesMax}`,
      'one that was given up before it signed goes ten minutes later, another one a day after its last certificate: docs/OPERATING.md, Rotate the CA',
    )
  }
  return checked([...left, next])
}

/** Without those that have ended and, when another one would not fit, as many of those as need be that nobody has to remember. */
function withRoom(journal: Journal, now: number): Journal {
  // The active one stays until it has a successor, also when it has ended.
  const left = journal.filter(
    ({ state, notAfter }) => state === 'active' || notAfter.getTime() >= now,
  )
  const oldestFirst = left.toSorted((one, other) => one.since - other.since)
  // Those that never signed go first: nobody has a certificate of them.
  const spare = [
    ...oldestFirst.filter((entry) => entry.unused === true),
    ...oldestFirst.filter((entry) => entry.unused !== true),
  ].filter((entry) => isForgotten(entry, now))
  const going = new Set(spare.slice(0, Math.max(0, left.length + 1 - entriesMax)))
  return left.filter((entry) => !going.has(entry))
}

/** Whether no signer and no reader has it any more, whatever they lag. */
function isForgotten({ state, since, until, unused }: JournalEntry, now: number): boolean {
  if (state === 'revoked') {
    return now > since + (unused === true ? lagSeconds : trustedSecondsAfter) * 1000
  }
  return until !== undefined && now > until + trustedSecondsAfter * 1000
}

/**
 * The prepared one signs from now on, and the one before it never again. Whether readers have its anchor is for whoever calls this to
 * know. Where the key of the one before has leaked it is tainted in the same step.
 */
export function activate(journal: Journal, now: number, leaked = false): Journal {
  if (preparedOf(journal) === undefined) {
    throw outOfOrder('none is prepared', 'countersign ca prepare')
  }
  return journal.map((entry): JournalEntry => {
    if (entry.state === 'active') return ending(entry, leaked ? 'tainted' : 'old', now)
    if (entry.state === 'prepared')
      return { ...entry, state: 'active', since: now, delivered: true }
    return entry
  })
}

/** Its key is doubted, and certificates under it are to be replaced. How long it is trusted does not change. */
export function taint(journal: Journal, name: string): Journal {
  const chosen = find(journal, name)
  const { state, until } = chosen
  if (state === 'active')
    throw outOfOrder(`${shortName(chosen.certificate.sha256)} signs`, leakedHint)
  if (state !== 'old' || until === undefined) {
    throw outOfOrder(
      `${shortName(chosen.certificate.sha256)} is ${state}, want=old`,
      state === 'prepared'
        ? `countersign ca revoke ${shortName(chosen.certificate.sha256)}`
        : 'nothing is to be done',
    )
  }
  return journal.map((entry) => (entry === chosen ? { ...entry, state: 'tainted' } : entry))
}

/** Its anchor goes at once: whoever holds a certificate under it is refused from then on. */
export function revoke(journal: Journal, name: string, now: number): Journal {
  const chosen = find(journal, name)
  const { state, certificate } = chosen
  if (state === 'active')
    throw outOfOrder(`${shortName(chosen.certificate.sha256)} signs`, leakedHint)
  if (state === 'revoked') {
    throw outOfOrder(
      `${shortName(chosen.certificate.sha256)} is revoked already`,
      'nothing is to be done',
    )
  }
  const left = Math.ceil(takenUpSeconds - (now - chosen.since) / 1000)
  if (state !== 'prepared' && left > 0) {
    throw outOfOrder(
      `a signer may sign with ${shortName(certificate.sha256)} still, and what it signs nobody would trust`,
      `try again in ${left} s, when every signer has read the step before`,
    )
  }
  const unused = state === 'prepared' ? { unused: true as const } : {}
  const revoked = { ...partsOf(chosen), state: 'revoked', since: now, ...unused } as const
  return journal.map((entry) => (entry === chosen ? revoked : entry))
}

/**
 * A journal goes forward only. One in which an authority is in an earlier state, or is not there any more although it is trusted, is a
 * copy from before a step: by it a revoked authority would sign again. Throws `pki/authority`.
 */
export function checkForward(before: Journal, next: Journal, now: number): void {
  for (const entry of before) {
    const { sha256 } = entry.certificate
    const found = next.find(({ certificate }) => certificate.sha256 === sha256)
    const mayGo = entry.state === 'prepared' || (entry.state !== 'active' && !isTrusted(entry, now))
    const rank = (state: AuthorityState): number => authorityStates.indexOf(state)
    const forward = found === undefined ? mayGo : rank(found.state) >= rank(entry.state)
    if (forward) continue
    const got = found === undefined ? 'nothing' : found.state
    throw new CountersignError(
      'pki/authority',
      `authority ${shortName(sha256)} was ${entry.state} before, want=no earlier state got=${got}`,
      {
        hint: 'an earlier copy of the Secret was put back: docs/OPERATING.md, Rotate the CA',
      },
    )
  }
}

/**
 * Anchors of those that signers no longer trust by their state, hex SHA-256: what is published of them goes, unless it is the anchor of
 * another one that is trusted.
 */
export function withdrawn(journal: Journal, now: number): readonly string[] {
  const kept = new Set(
    journal.filter((entry) => isTrusted(entry, now)).map(({ anchor }) => anchor.sha256),
  )
  const gone = journal.filter(({ anchor }) => !kept.has(anchor.sha256))
  return [...new Set(gone.map(({ anchor }) => anchor.sha256))]
}

/** How an authority is called by commands: enough of its SHA-256 to be the only one. */
export function shortName(sha256: string): string {
  return sha256.slice(0, 12)
}

function find(journal: Journal, name: string): JournalEntry {
  const found = /^[0-9a-f]{8,64}$/.test(name)
    ? journal.filter(({ certificate }) => certificate.sha256.startsWith(name))
    : []
  const [chosen] = found
  if (chosen !== undefined && found.length === 1) return chosen
  throw outOfOrder(
    'no authority has that name, want=8 or more characters of its SHA-256',
    'countersign ca status',
  )
}

function ending(entry: JournalEntry, state: 'old' | 'tainted', now: number): JournalEntry {
  return { ...partsOf(entry), state, since: now, until: now + trustedSecondsAfter * 1000 }
}

/** What stays of it whatever its state is. */
function partsOf({
  certificatePem,
  certificate,
  anchor,
  notAfter,
}: JournalEntry): Omit<JournalEntry, 'state' | 'since' | 'until' | 'delivered' | 'unused'> {
  return { certificatePem, certificate, anchor, notAfter }
}

const leakedHint =
  'give it a successor first: countersign ca prepare, then countersign ca activate, with --leaked-key when its key has leaked'

function outOfOrder(message: string, hint: string): CountersignError {
  return new CountersignError('pki/authority-step', `authority: ${message}`, { hint })
}
