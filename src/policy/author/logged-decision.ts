import { canonicalJson } from '../../canonical-json.ts'
import { entrypoints } from '../engine.ts'
import { isObject } from '../plan/values.ts'
import type { Plain, Value } from '../plan/values.ts'

/** A decision as its event tells of it. */
export interface LoggedDecision {
  readonly id: string
  readonly path: string
  /** Of the rules that decided. */
  readonly revision: string
  /** Of rules and data together. */
  readonly digest: string
  readonly input: Value
  /** JSON pointers to what the event does not show, or not as it was. */
  readonly hidden: readonly string[]
  /** Undefined where the evaluation gave none. */
  readonly result: Result | undefined
  /** Pointers to what the event does not show of the answer as it was given. */
  readonly hiddenResult: readonly string[]
}

/** What rules have answered to one call, or of one certificate. */
export interface Result {
  readonly allow: boolean
  /** By their codes. */
  readonly reasons: readonly string[]
  /** Each as canonical JSON, in order, as the one in which rules name them means nothing. */
  readonly obligations: readonly string[]
  /** The longest life of a certificate, where it is shortened. */
  readonly lifetimeSecondsMax?: number
}

/** Why an event is no decision that rules could be asked about again. */
export type NotAsked = 'without-policy' | 'list' | 'minimal' | 'tenant'

type Json = Readonly<Record<string, unknown>>

/** Reads one event. Undefined: it is no event of a decision log. */
export function parseLoggedDecision(event: unknown): LoggedDecision | NotAsked | undefined {
  const { decision_id: id, path, input, result, error, bundles } = recordOf(event)
  if (typeof id !== 'string' || typeof path !== 'string') return undefined
  if (path === entrypoints.list) return 'list'
  if (path !== entrypoints.decision && path !== entrypoints.issuance) return 'without-policy'
  if (recordOf(error)['mask'] !== undefined || !isObject(input as Value)) return 'minimal'
  // A tenant's own bundle is asked about what these rules permit.
  const isOfTenant = Object.keys(recordOf(bundles)).some((name) => name.startsWith('tenants/'))
  if (isOfTenant && recordOf(result)['allow'] !== true) return 'tenant'
  const { masked, erased } = recordOf(event)
  const hidden = [...textsIn(masked), ...textsIn(erased)]
  const { countersign, data } = recordOf(bundles)
  return {
    id,
    path,
    revision: String(recordOf(countersign)['revision']),
    digest: String(recordOf(data)['revision']),
    input: input as Value,
    hidden: hidden.filter((pointer) => pointer.startsWith('/input')),
    result: parseResult(result),
    hiddenResult: hidden.filter((pointer) => pointer.startsWith('/result')),
  }
}

/** How many events were lost, or dropped by rules, where this one stands: 0 where it stands for itself. */
export function lostAt(event: unknown): number {
  const { path, lost, dropped } = recordOf(event)
  if (path !== 'countersign/log/lost' && path !== 'countersign/log/dropped') return 0
  const { events } = recordOf(lost ?? dropped)
  return typeof events === 'number' && events > 1 ? events : 1
}

/** What a decision is, of an event and of an engine alike; undefined of anything else, which allows nothing. */
export function parseResult(value: unknown): Result | undefined {
  const { allow, reasons, obligations, lifetime_seconds_max: lifetime } = recordOf(value)
  if (typeof allow !== 'boolean') return undefined
  // A signer takes no other for a life, and waits.
  if (lifetime !== undefined && !isLifetime(lifetime)) return undefined
  // One code may be said twice, to the caller and to an operator.
  const codes = new Set(Array.isArray(reasons) ? reasons.map((each) => codeOf(each)) : [])
  const all = [obligations ?? []].flat() as readonly unknown[]
  return {
    allow,
    reasons: [...codes].toSorted(),
    obligations: all.map((each) => canonicalJson(each, 'policy/replay')).toSorted(),
    ...(lifetime === undefined ? {} : { lifetimeSecondsMax: lifetime }),
  }
}

function isLifetime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1
}

/** What a reason is known by. */
export function codeOf(reason: unknown): string {
  const { code } = recordOf(reason)
  return typeof code === 'string' ? code : JSON.stringify(reason)
}

/** Who asked for what, as reports name it. */
export function nameOf({ input }: LoggedDecision): {
  readonly subject: string
  readonly resource: string
} {
  const { subject, resource } = recordOf(input)
  const { id, properties } = recordOf(resource)
  const { server } = recordOf(properties)
  const what = typeof server === 'string' ? `${server}:${String(id)}` : String(id)
  return { subject: String(recordOf(subject)['id']), resource: what }
}

/** The members of an object, none of anything else. */
export function recordOf(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {}
}

/** The texts of a list, none of anything else. */
export function textsIn(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : []
}

/** A rule has read what the event does not show. */
export class HiddenRead extends Error {
  override readonly name = 'HiddenRead'
  readonly pointer: string

  constructor(pointer: string) {
    super(`rules read what the event does not show, got=${pointer}`)
    this.pointer = pointer
  }
}

/**
 * The input of a decision, of which nobody can read what the event does not show: whoever tries ends with `HiddenRead`, so that nothing
 * is ever concluded from what stands in its place.
 */
export function guardedInput({ input, hidden }: LoggedDecision): Value {
  return hidden.reduce(
    (guarded, pointer) => guard(guarded, segmentsOf(pointer).slice(1), pointer),
    input,
  )
}

function guard(value: Value, path: readonly string[], pointer: string): Value {
  const [name, ...rest] = path
  // What is in lists is not told apart, and neither is what stands in nothing.
  if (name === undefined || !isObject(value)) throw new HiddenRead(pointer)
  // What comes out of JSON has no members but its own.
  const members = value as Plain
  const inner = rest.length === 0 ? undefined : members[name]
  if (inner === undefined) return new Proxy(members, new Guard(name, pointer))
  return { ...members, [name]: guard(inner, rest, pointer) }
}

/** Every way to a member of an object, and to all of its members. */
class Guard implements ProxyHandler<Plain> {
  readonly #name: string
  readonly #pointer: string

  constructor(name: string, pointer: string) {
    this.#name = name
    this.#pointer = pointer
  }

  get(target: Plain, key: string | symbol): unknown {
    this.#look(key)
    return Reflect.get(target, key)
  }

  has(target: Plain, key: string | symbol): boolean {
    this.#look(key)
    return Reflect.has(target, key)
  }

  getOwnPropertyDescriptor(target: Plain, key: string | symbol): PropertyDescriptor | undefined {
    this.#look(key)
    return Reflect.getOwnPropertyDescriptor(target, key)
  }

  ownKeys(): never {
    throw new HiddenRead(this.#pointer)
  }

  #look(key: string | symbol): void {
    if (key === this.#name) throw new HiddenRead(this.#pointer)
  }
}

/** RFC 6901. */
function segmentsOf(pointer: string): readonly string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'))
}
