import type { Decision, Obligation, Reason } from '../../policy/decision.ts'
import { approvalSecondsMax, type Approval } from '../approval/approval.ts'

/** Whom or what a limit counts for. */
export const parties = ['identity', 'namespace', 'tenant', 'server', 'tool'] as const

export type Party = (typeof parties)[number]

/** So many calls in so many seconds, for each combination of these parties. */
export interface RateLimit {
  readonly id: string
  readonly per: readonly Party[]
  readonly calls: number
  readonly seconds: number
}

/** So many open calls at a time, for each combination of these parties. */
export interface ConcurrencyLimit {
  readonly id: string
  readonly per: readonly Party[]
  readonly concurrent: number
}

/** Somebody has to say yes: whoever all of these rules name. */
export interface ApprovalDuty {
  readonly rules: readonly string[]
  readonly seconds: number
}

/** What is due before a call. */
export interface Duties {
  readonly rates: readonly RateLimit[]
  readonly concurrencies: readonly ConcurrencyLimit[]
  readonly approval?: ApprovalDuty | undefined
}

/** What a permit stands under, as far as it is known how to carry it out: some of it is due when there is a result. */
export interface PermitDuties extends Duties {
  readonly results: ResultLimits
  /** Whose approval has been used for it. */
  readonly approved?: Approval
}

/** What a call may bring back. */
export interface ResultLimits {
  readonly octetsMax: number
  /** Of resources, embedded or linked, only such as the caller may read. */
  readonly readableOnly: boolean
}

/** What most permits stand under. */
export const noDuties: PermitDuties = {
  rates: [],
  concurrencies: [],
  results: { octetsMax: Number.POSITIVE_INFINITY, readableOnly: false },
}

/** The first obligation that nobody here can carry out (AuthZEN obligations profile: the permit is none then). */
export interface Unmet {
  readonly unmet: { readonly type: string; readonly reason: Reason }
}

const read = new WeakMap<readonly Obligation[], PermitDuties | Unmet>()

/** What is to be done for a permit. Decisions that come again are one value, which is read once. */
export function dutiesOf({ obligations }: Decision): PermitDuties | Unmet {
  const known = read.get(obligations)
  if (known !== undefined) return known
  const duties = readDuties(obligations)
  read.set(obligations, duties)
  return duties
}

/**
 * Why nobody may be told anything under a permit outside of a call, if so. What limits calls limits no word of a change, which is no call;
 * what a person has to see first is seen by nobody there.
 */
export function whyUntold(decision: Decision): Reason | undefined {
  const duties = dutiesOf(decision)
  if ('unmet' in duties) return duties.unmet.reason
  return duties.approval === undefined ? undefined : obligationUnknown
}

function readDuties(obligations: readonly Obligation[]): PermitDuties | Unmet {
  const rates: RateLimit[] = []
  const concurrencies: ConcurrencyLimit[] = []
  let approval: ApprovalDuty | undefined
  let { results } = noDuties
  for (const { id, type, properties } of obligations) {
    if (type === 'rate-limit') {
      const rate = readRate(properties)
      if (rate === undefined || !isName(id)) return unmet(type, obligationInvalid)
      rates.push({ id, ...rate })
    } else if (type === 'concurrency-limit') {
      const concurrency = readConcurrency(properties)
      if (concurrency === undefined || !isName(id)) return unmet(type, obligationInvalid)
      concurrencies.push({ id, ...concurrency })
    } else if (type === 'approval') {
      const seconds = readApproval(properties)
      if (seconds === undefined || !isName(id)) return unmet(type, obligationInvalid)
      const { rules = [], seconds: most = seconds } = approval ?? {}
      approval = { rules: [...rules, id], seconds: Math.min(most, seconds) }
    } else if (type === 'result-octets' || type === 'result-resources') {
      const narrowed = readResult(type, properties, results)
      if (narrowed === undefined) return unmet(type, obligationInvalid)
      results = narrowed
    } else return unmet(type, obligationUnknown)
  }
  const duties = { rates, concurrencies, results }
  return approval === undefined ? duties : { ...duties, approval }
}

function unmet(type: string, reason: Reason): Unmet {
  return { unmet: { type, reason } }
}

type Properties = Obligation['properties']

function readRate(properties: Properties): Omit<RateLimit, 'id'> | undefined {
  const { per, calls, seconds, ...more } = properties
  return hasNone(more) && isPer(per) && isCount(calls, 1e9) && isCount(seconds, secondsMax)
    ? { per, calls, seconds }
    : undefined
}

function readConcurrency(properties: Properties): Omit<ConcurrencyLimit, 'id'> | undefined {
  const { per, concurrent, ...more } = properties
  return hasNone(more) && isPer(per) && isCount(concurrent, 1e6) ? { per, concurrent } : undefined
}

function readApproval({ seconds, ...more }: Properties): number | undefined {
  return hasNone(more) && isCount(seconds, approvalSecondsMax) ? seconds : undefined
}

/** Of several limits the narrowest counts. */
function readResult(
  type: 'result-octets' | 'result-resources',
  { value, ...more }: Properties,
  { octetsMax, readableOnly }: ResultLimits,
): ResultLimits | undefined {
  if (!hasNone(more)) return undefined
  if (type === 'result-resources') {
    return value === 'readable' ? { octetsMax, readableOnly: true } : undefined
  }
  return isCount(value, Number.MAX_SAFE_INTEGER)
    ? { octetsMax: Math.min(octetsMax, value), readableOnly }
    : undefined
}

/** A window is counted in memory: a longer one would mostly tell how long a process has lived. */
const secondsMax = 86_400

/** It stands in metrics, too. */
function isName(id: string): boolean {
  return /^[a-z0-9][a-z0-9-]{0,62}$/.test(id)
}

/** A member that is not understood may be one that narrows the others. */
function hasNone(more: object): boolean {
  return Object.keys(more).length === 0
}

function isPer(value: unknown): value is readonly Party[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((each: unknown) => (parties as readonly unknown[]).includes(each))
  )
}

function isCount(value: unknown, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= max
}

export const obligationUnknown: Reason = {
  code: 'obligation-unknown',
  message: 'an obligation of the permission cannot be met',
  audience: 'agent',
}

const obligationInvalid: Reason = {
  code: 'obligation-invalid',
  message: 'an obligation of the permission cannot be read',
  audience: 'agent',
}
