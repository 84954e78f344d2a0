import { changingLists, isEmptyFilter, notificationOf } from '../../mcp/changes.ts'
import type { Caller } from '../caller/caller.ts'
import type { Guest } from '../seats.ts'
import type { ExchangeFailure } from '../upstream/exchange.ts'
import type { Ending } from '../upstream/hearing.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { Changes } from './changes.ts'
import type { Parts } from './serve.ts'
import type { Leg, LegEnd } from './stream-leg.ts'

export interface ModernLegOptions {
  readonly caller: Pick<Caller, 'account'>
  /** Of the caller's session. */
  readonly key: string
  readonly upstream: Upstream
  readonly changes: Pick<Changes, 'take'>
  /** The server tells of something, or will when something is subscribed to. */
  readonly begun: () => void
  /** Called once. */
  readonly over: (end: LegEnd) => void
  readonly parts: Pick<Parts, 'listenings' | 'subscriptions'>
}

/** What a client subscribes to one after the other is subscribed to at once. */
const gatherMilliseconds = 50

/**
 * What a modern server tells of changes, on its way to the stream of a legacy session: a subscription to its lists and to what the session has subscribed
 * to, and another one in its place when that is another set. The one before goes on until the next is acknowledged.
 */
export function openModernLeg(options: ModernLegOptions): Leg {
  const { caller, key, upstream, changes, parts } = options
  const { server } = upstream.config
  let leave = (): void => {}
  let gathering: NodeJS.Timeout | undefined
  let current = 0
  let isOver = false

  function finish(end: LegEnd): void {
    if (isOver) return
    isOver = true
    clearTimeout(gathering)
    forget()
    leave()
    upstream.streams.leave(guest)
    options.over(end)
  }
  function listen(): void {
    current += 1
    const number = current
    const before = leave
    const uris = parts.subscriptions.of({ key, server })
    let isIdle = false
    const leaveThis = parts.listenings.listen(
      upstream,
      { lists: changingLists, uris },
      {
        acknowledged(taken) {
          isIdle = isEmptyFilter(taken)
          before()
          if (number === current) options.begun()
        },
        changed: (change) => void changes.take(upstream, notificationOf(change)),
        ended(ending) {
          before()
          // What tells of nothing is over at once, and is asked again when something is subscribed to.
          if (number === current && !isIdle) finish(endOf(ending))
        },
      },
    )
    leave = () => {
      before()
      leaveThis()
    }
  }
  const forget = parts.subscriptions.onChange({ key, server }, () => {
    gathering ??= setTimeout(() => {
      gathering = undefined
      listen()
    }, gatherMilliseconds)
  })
  const guest: Guest = {
    account: caller.account,
    seated: listen,
    turnedAway: (full) =>
      finish({ failed: 'share used up', detail: `share of the ${full} is used up`, full }),
  }
  if (upstream.streams.take(guest)) listen()
  return { resume: () => {}, cancel: () => finish(cancelled) }
}

const cancelled: ExchangeFailure = { failed: 'cancelled', detail: 'cancelled' }

function endOf(ending: Ending): LegEnd {
  if (ending.kind === 'complete') return undefined
  return ending.kind === 'failed' ? ending.failure : { status: 405 }
}
