import type { Decision, Obligation, Reason } from '../../policy/decision.ts'

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

/** What a permit stands under, as far as it is known how to carry it out. */
export interface Duties {
  readonly rates: readonly RateLimit[]
  readonly concurrencies: readonly ConcurrencyLimit[]
  readonly approval?: ApprovalDuty | undefined
}

/** The first obligation that nobody here can carry out (AuthZEN obligations profile: the permit is none then). */
export interface Unmet {
  readonly unmet: { readonly type: string; readonly reason: Reason }
}

const read = new WeakMap<readonly Obligation[], Duties | Unmet>()

/** What is to be done for a permit. Decisions that come again are one value, which is read once. */
export function dutiesOf({ obligations }: Decision): Duties | Unmet {
  const known = read.get(obligations)
  if (known !== undefined) return known
  const duties = readDuties(obligations)
  read.set(obligations, duties)
  return duties
}

function readDuties(obligations: readonly Obligation[]): Duties | Unmet {
  const rates: RateLimit[] = []
  const concurrencies: ConcurrencyLimit[] = []
  let approval: ApprovalDuty | undefined
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
    } else return unmet(type, obligationUnknown)
  }
  return approval === undefined ? { rates, concurrencies } : { rates, concurrencies, approval }
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
  return hasNone(more) && isCount(seconds, secondsMax) ? seconds : undefined
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
