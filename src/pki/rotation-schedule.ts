import { activeOf, preparedOf } from './authority-journal.ts'
import type { Journal, JournalEntry } from './authority-journal.ts'
import { shortName, trustedSecondsAfter } from './authority-steps.ts'

/** When a self-signed CA is replaced without anybody asking for it. */
export interface RotationSchedule {
  /** For so long a CA signs. */
  readonly everySeconds: number
  /** So long before its successor signs, readers have that one's anchor. */
  readonly prepareBeforeSeconds: number
}

/**
 * A journal remembers a CA that was replaced for two days and twenty minutes, and holds sixteen: those of a schedule that is no faster
 * than this fit in it.
 */
export const everySecondsMin = 14_400

/** Of a schedule that says nothing else: a quarter of it, a week at most. */
export function prepareBeforeSecondsOf(everySeconds: number): number {
  return Math.min(Math.floor(everySeconds / 4), 7 * 86_400)
}

export interface ScheduledStep {
  /** `revoke`: of a prepared one, which would end before it could sign for as long as it has to. */
  readonly kind: 'prepare' | 'activate' | 'revoke'
  /** Milliseconds since the epoch from when it is to be done. */
  readonly at: number
  /** The one that is activated or revoked, as commands call it. */
  readonly name?: string
}

/**
 * What is to be done next by a schedule. It follows from the journal alone, so that every replica, and whoever starts anew after a crash,
 * gives the same. Undefined while none is active.
 */
export function nextStep(journal: Journal, schedule: RotationSchedule): ScheduledStep | undefined {
  const active = activeOf(journal)
  if (active === undefined) return undefined
  const due = replacedAt(active, schedule)
  const prepared = preparedOf(journal)
  const lead = schedule.prepareBeforeSeconds * 1000
  if (prepared === undefined) return { kind: 'prepare', at: due - lead }
  const name = shortName(prepared.certificate.sha256)
  // Who was prepared late has the whole time all the same, unless the active one would end meanwhile.
  const at = Math.max(due, Math.min(prepared.since + lead, lastSignature(active)))
  if (lastSignature(prepared) <= at) return { kind: 'revoke', at: due - lead, name }
  return { kind: 'activate', at, name }
}

/** When the active one has signed for long enough, and not so late that it cuts the life of a certificate short. */
function replacedAt(active: JournalEntry, { everySeconds }: RotationSchedule): number {
  const due = Math.min(active.since + everySeconds * 1000, lastSignature(active))
  return due - Math.floor(shareOf(active) * Math.min(everySeconds / 20, 86_400)) * 1000
}

/** Whatever it signs later would outlive it, or be cut short. */
function lastSignature({ notAfter }: JournalEntry): number {
  return notAfter.getTime() - trustedSecondsAfter * 1000
}

/**
 * From 0 to 1, of a CA always the same: clusters that were installed in one minute do not rotate in one minute, and every replica of one
 * of them knows when.
 */
function shareOf({ certificate: { sha256 } }: JournalEntry): number {
  return Number.parseInt(sha256.slice(0, 8), 16) / 0xffff_ffff
}

/** Why a schedule fits neither its CAs nor its readers, by the field that is wrong; undefined when it does. */
export function scheduleProblem(
  schedule: RotationSchedule,
  beside: {
    /** Of a CA. */
    readonly lifetimeSeconds: number
    /** Of a certificate, at most. */
    readonly leafSecondsMax: number
    readonly propagationSeconds: number
  },
): { readonly field: keyof RotationSchedule; readonly message: string } | undefined {
  const { everySeconds, prepareBeforeSeconds } = schedule
  const { lifetimeSeconds, leafSecondsMax, propagationSeconds } = beside
  const everyMin = Math.max(everySecondsMin, leafSecondsMax)
  const everyMax = lifetimeSeconds - trustedSecondsAfter
  if (everySeconds < everyMin || everySeconds > everyMax) {
    const why = `no shorter than a certificate's life, and a day and ten minutes less than lifetimeSeconds`
    const message = `want=${everyMin}..${everyMax} got=${everySeconds}: ${why}`
    return { field: 'everySeconds', message }
  }
  const leadMin = propagationSeconds + 60
  const leadMax = Math.floor(everySeconds / 2)
  if (prepareBeforeSeconds >= leadMin && prepareBeforeSeconds <= leadMax) return undefined
  const why = 'longer than trustBundle.propagationSeconds, and at most half of everySeconds'
  const message = `want=${leadMin}..${leadMax} got=${prepareBeforeSeconds}: ${why}`
  return { field: 'prepareBeforeSeconds', message }
}
