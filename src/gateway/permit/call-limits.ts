import type { Call } from '../call.ts'
import type { Full } from '../../shares.ts'
import type { ConcurrencyLimit, Duties, Party, RateLimit } from './obligations.ts'
import { createWindows, type Window, type WindowsOptions } from '../windows.ts'

/** Why a call may not be made now. */
export type Exceeded =
  | {
      readonly limit: RateLimit | ConcurrencyLimit
      /** Until the window is over; of open calls nobody knows. */
      readonly retrySeconds: number
    }
  /** There is no room to count it in, and what is not counted is not allowed. */
  | { readonly full: Full }

/** Counts what policy wants counted. */
export interface CallLimits {
  /** Undefined: the call is counted under each of its limits, and what it has open is given back when its stay ends. Else under none. */
  take(call: Call, duties: Duties): Exceeded | undefined
  /** How much is counted at this moment: windows, and what has open calls. */
  readonly size: { readonly windows: number; readonly open: number }
}

export interface CallLimitsOptions extends Omit<WindowsOptions, 'windowsMax'> {
  /** Windows of all callers together. */
  readonly limitWindowsMax: number
  /** Processes that count beside each other, of which each allows its part. Default 1. */
  readonly workers?: number | undefined
}

/** Windows and open calls, by what each limit counts for. */
export function createCallLimits(options: CallLimitsOptions): CallLimits {
  const { workers = 1, now } = options
  const windows = createWindows({ ...options, windowsMax: options.limitWindowsMax })
  const open = new Map<string, number>()
  /** A call that goes on with another one, of the same answer, is open once. */
  const heldBy = new WeakMap<Call['stay'], Set<string>>()

  function partOf(count: number): number {
    return Math.max(1, Math.floor(count / workers))
  }
  function windowOf(call: Call, limit: RateLimit): Window | Exceeded {
    const { calls, seconds } = limit
    const window = windows.find(keyOf(call, limit), seconds, call.caller.account)
    if ('full' in window || window.count < partOf(calls)) return window
    const left = window.startedAt + seconds * 1000 - now()
    return { limit, retrySeconds: Math.max(1, Math.ceil(left / 1000)) }
  }
  function hold(key: string, stay: Call['stay']): void {
    open.set(key, (open.get(key) ?? 0) + 1)
    heldBy.set(stay, (heldBy.get(stay) ?? new Set()).add(key))
    stay.atEnd(() => {
      const left = (open.get(key) ?? 1) - 1
      if (left > 0) open.set(key, left)
      else open.delete(key)
    })
  }
  return {
    take(call, { rates, concurrencies }) {
      const held = concurrencies
        .map((limit) => ({ limit, key: keyOf(call, limit) }))
        .filter(({ key }) => heldBy.get(call.stay)?.has(key) !== true)
      for (const { limit, key } of held) {
        if ((open.get(key) ?? 0) >= partOf(limit.concurrent)) return { limit, retrySeconds: 1 }
      }
      const counted: Window[] = []
      for (const limit of rates) {
        const window = windowOf(call, limit)
        if (!('startedAt' in window)) return window
        counted.push(window)
      }
      // Only now that none is exceeded: a call that is not made counts nowhere.
      for (const window of counted) window.count += 1
      for (const { key } of held) hold(key, call.stay)
      return undefined
    },
    get size() {
      return { windows: windows.size, open: open.size }
    },
  }
}

/** Texts of which none can be made to look like two: no part of a key is read as another. */
function keyOf(call: Call, { id, per }: RateLimit | ConcurrencyLimit): string {
  return JSON.stringify([id, ...per.map((party) => [party, partyOf(call, party)])])
}

/** From the certificate and the address, whatever the message says of itself. */
function partyOf({ caller, target }: Call, party: Party): string {
  const [tenant, namespace, identity] = caller.account
  if (party === 'tenant') return tenant
  if (party === 'namespace') return namespace
  if (party === 'identity') return identity
  const server = target.upstream?.config.server ?? ''
  if (party === 'server' || target.kind === 'server') return server
  return `${server} ${target.kind} ${target.kind === 'tool' ? target.tool : target.name}`
}
