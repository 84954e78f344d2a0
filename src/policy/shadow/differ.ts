import type { Decision, Obligation, Reason } from '../decision.ts'
import type { IssuanceDecision } from '../issuance-policy.ts'
import { canonicalJson } from '../../canonical-json.ts'

/** How another policy decides otherwise. What is allowed under less than before is widened. */
export type Change = 'widened' | 'narrowed' | 'reasons' | 'obligations' | 'errors'

export interface Difference {
  readonly change: Change
  /** The rule that makes it, by its code: of what permits no longer, or denies now; or the code of what failed. */
  readonly rule: string
  /** By codes and types alone: nothing that a rule may have put together of arguments. */
  readonly from: string
  readonly to: string
}

/** What a policy has said, or the code of why it said nothing. */
export type Said<T> = { readonly value: T } | { readonly error: string }

/** Undefined: both decide alike. */
export function differOnCall(was: Said<Decision>, now: Said<Decision>): Difference | undefined {
  const failed = failedOf(was, now, tellDecision)
  if (failed !== 'none') return failed
  const [before, after] = [valueOf(was), valueOf(now)]
  const shown = { from: tellDecision(before), to: tellDecision(after) }
  if (before.allow !== after.allow) {
    const change = after.allow ? 'widened' : 'narrowed'
    return { change, rule: firstCode((after.allow ? before : after).reasons), ...shown }
  }
  const lost = missingOf(before.obligations, after.obligations, textOf)
  if (after.allow && lost !== undefined) return { change: 'widened', rule: lost.type, ...shown }
  const reason = otherCode(before.reasons, after.reasons)
  if (reason !== undefined) return { change: 'reasons', rule: reason, ...shown }
  const more = lost ?? missingOf(after.obligations, before.obligations, textOf)
  return more === undefined ? undefined : { change: 'obligations', rule: more.type, ...shown }
}

/** Of a list it is told how many are shown: which they are is in no report. */
export function differOnList(
  was: Said<readonly boolean[]>,
  now: Said<readonly boolean[]>,
): Difference | undefined {
  const failed = failedOf(was, now, tellList)
  if (failed !== 'none') return failed
  const [before, after] = [valueOf(was), valueOf(now)]
  const shown = { from: tellList(before), to: tellList(after), rule: 'list' }
  if (after.some((is, index) => is && before[index] !== true))
    return { change: 'widened', ...shown }
  if (before.some((is, index) => is && after[index] !== true)) {
    return { change: 'narrowed', ...shown }
  }
  return undefined
}

type Issuance = Omit<IssuanceDecision, 'policy'>

/** A certificate that lives longer is more than one that lives shorter. */
export function differOnIssuance(was: Said<Issuance>, now: Said<Issuance>): Difference | undefined {
  const failed = failedOf(was, now, tellIssuance)
  if (failed !== 'none') return failed
  const [before, after] = [valueOf(was), valueOf(now)]
  const shown = { from: tellIssuance(before), to: tellIssuance(after) }
  if (before.allow !== after.allow) {
    const change = after.allow ? 'widened' : 'narrowed'
    return { change, rule: firstCode((after.allow ? before : after).reasons), ...shown }
  }
  const lifetimes = [before, after].map(({ lifetimeSecondsMax = Infinity }) => lifetimeSecondsMax)
  const [then = 0, since = 0] = lifetimes
  if (after.allow && then !== since) {
    return { change: since > then ? 'widened' : 'narrowed', rule: 'lifetime', ...shown }
  }
  const reason = otherCode(before.reasons, after.reasons)
  return reason === undefined ? undefined : { change: 'reasons', rule: reason, ...shown }
}

/** Of two of which one has failed, or both: nothing is permitted by what fails. */
function failedOf<T>(
  was: Said<T>,
  now: Said<T>,
  tell: (value: T) => string,
): Difference | 'none' | undefined {
  if ('value' in was && 'value' in now) return 'none'
  if ('error' in was && 'error' in now) return undefined
  const told = (said: Said<T>): string =>
    'error' in said ? `error ${said.error}` : tell(said.value)
  const [from, to] = [told(was), told(now)]
  const rule = 'error' in now ? now.error : 'error' in was ? was.error : ''
  return { change: 'errors', rule, from, to }
}

function valueOf<T>(said: Said<T>): T {
  if ('value' in said) return said.value
  throw new TypeError('a policy that has failed has said nothing')
}

function codesOf(reasons: readonly Reason[]): readonly string[] {
  return [...new Set(reasons.map(({ code }) => code))].toSorted()
}

function firstCode(reasons: readonly Reason[]): string {
  return codesOf(reasons)[0] ?? 'none'
}

function otherCode(before: readonly Reason[], after: readonly Reason[]): string | undefined {
  const [was, is] = [codesOf(before), codesOf(after)]
  return is.find((code) => !was.includes(code)) ?? was.find((code) => !is.includes(code))
}

/** The first that the others lack. One that has changed is another one: only who wrote it knows which is stricter. */
export function missingOf<T>(
  obligations: readonly T[],
  others: readonly T[],
  textOf: (obligation: T) => string,
): T | undefined {
  const left = others.map(textOf)
  return obligations.find((obligation) => {
    const at = left.indexOf(textOf(obligation))
    if (at !== -1) left.splice(at, 1)
    return at === -1
  })
}

function textOf(obligation: Obligation): string {
  return canonicalJson(obligation, 'policy/replay')
}

function tellDecision({ allow, reasons, obligations }: Decision): string {
  if (!allow) return ['deny', ...codesOf(reasons)].join(' ')
  const types = obligations.map(({ type }) => type).toSorted()
  return types.length === 0 ? 'allow' : `allow under ${types.join(' ')}`
}

function tellList(shown: readonly boolean[]): string {
  return `${shown.filter(Boolean).length} of ${shown.length} shown`
}

function tellIssuance({ allow, reasons, lifetimeSecondsMax }: Issuance): string {
  if (!allow) return ['deny', ...codesOf(reasons)].join(' ')
  return lifetimeSecondsMax === undefined ? 'allow' : `allow for ${lifetimeSecondsMax} s`
}
