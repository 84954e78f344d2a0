import { changingLists, isEmptyFilter, notificationOf } from '../../mcp/changes.ts'
import type { Caller } from '../caller/caller.ts'
import type { Guest } from '../seats.ts'
import type { ExchangeFailure } from '../upstream/exchange.ts'
import type { Leg, LegEnd } from '../upstream/hear-session.ts'
import type { Ending } from '../upstream/hearing.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { Changes } from './changes.ts'
import type { Parts } from './serve.ts'

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
  readonly parts: Pick<Parts, 'listenings' | 'subscriptions' | 'now'>
}

/** What a client subscribes to one after the other is subscribed to at once. */
const gatherMilliseconds = 50
/** A server is asked no oftener than this, whatever a session subscribes to and leaves again. */
const paceMilliseconds = 1000

/**
 * What a modern server tells of changes, on its way to the stream of a legacy session: a subscription to its lists and to what the session has subscribed
 * to, and another one in its place when that is another set. The one before goes on until the next is acknowledged, and until then no third is
 * asked for.
 */
export function openModernLeg(options: ModernLegOptions): Leg {
  const { caller, key, upstream, changes, parts } = options
  const { server } = upstream.config
  // Of the leg, and not of each subscription: one that held the one before would hold them all.
  let leave = nothing
  let leaveBefore = nothing
  let current = 0
  let isOver = false
  const pace = createPace(listen, parts.now)

  function finish(end: LegEnd): void {
    if (isOver) return
    isOver = true
    pace.end()
    forget()
    leaveBefore()
    leave()
    upstream.streams.leave(guest)
    options.over(end)
  }
  function settle(): void {
    const before = leaveBefore
    leaveBefore = nothing
    before()
    pace.answered()
  }
  function listen(): void {
    current += 1
    const number = current
    pace.asked()
    ;[leaveBefore, leave] = [leave, nothing]
    let isIdle = false
    const leaveThis = parts.listenings.listen(
      { upstream, account: caller.account },
      { lists: changingLists, uris: parts.subscriptions.of({ key, server }) },
      {
        acknowledged(taken) {
          isIdle = isEmptyFilter(taken)
          if (number !== current || isOver) return
          settle()
          options.begun()
        },
        changed: (change) => void changes.take(upstream, notificationOf(change)),
        ended(ending) {
          if (number !== current || isOver) return
          settle()
          // What tells of nothing is over at once, and is asked again when something is subscribed to.
          if (!isIdle) finish(endOf(ending))
        },
      },
    )
    if (isOver) leaveThis()
    else leave = leaveThis
  }
  const forget = parts.subscriptions.onChange({ key, server }, () => pace.ask())
  const guest: Guest = {
    account: caller.account,
    seated: listen,
    turnedAway: (full) =>
      finish({ failed: 'share used up', detail: `share of the ${full} is used up`, full }),
  }
  if (upstream.streams.take(guest)) listen()
  return { resume: () => {}, cancel: () => finish(cancelled) }
}

function nothing(): void {}

interface Pace {
  /** In its time. */
  ask(): void
  asked(): void
  answered(): void
  end(): void
}

/** Of asking: what is wanted while an answer is awaited, as at first, is asked after it. */
function createPace(ask: () => void, now: () => number): Pace {
  let gathering: NodeJS.Timeout | undefined
  let askedAt = 0
  let isAwaited = true
  let isWanted = false
  const pace: Pace = {
    ask() {
      isWanted = true
      if (isAwaited) return
      const rest = askedAt + paceMilliseconds - now()
      const delay = Math.min(Math.max(rest, gatherMilliseconds), paceMilliseconds)
      gathering ??= setTimeout(ask, delay)
    },
    asked() {
      ;[gathering, askedAt, isAwaited, isWanted] = [undefined, now(), true, false]
    },
    answered() {
      isAwaited = false
      if (isWanted) pace.ask()
    },
    end() {
      clearTimeout(gathering)
      isAwaited = true
    },
  }
  return pace
}

const cancelled: ExchangeFailure = { failed: 'cancelled', detail: 'cancelled' }

function endOf(ending: Ending): LegEnd {
  if (ending.kind === 'complete') return undefined
  return ending.kind === 'failed' ? ending.failure : { status: 405 }
}
