import { Bag } from '../../bag.ts'
import {
  formatChangeFilter,
  isEmptyFilter,
  isPartOf,
  keyOfChange,
  type Change,
  type ChangeFilter,
  type ChangingList,
} from '../../mcp/changes.ts'
import type { ExchangeFailure } from './exchange.ts'
import type { Ending, Hearing, Listener } from './hearing.ts'
import { hearLegacy } from './hear-legacy.ts'
import { hearModern } from './hear-modern.ts'
import type { Upstream } from './upstream.ts'

/**
 * What upstreams tell of changes. To an upstream all callers are the gateway, so those that ask for the same share one subscription: it
 * is opened for the first and ended with the last. What is shared is what has changed, and no octet of anybody.
 */
export interface Listenings {
  /** Listens, and gives how to leave. */
  listen(at: Place, filter: ChangeFilter, listener: Listener): () => void
}

type Place = Pick<Hearing, 'upstream' | 'account' | 'inNameOf'>

export interface ListeningsOptions {
  /** Of one message of an upstream. */
  readonly octetsMax: number
  /** An upstream has said so. */
  readonly listChanged: (upstream: Upstream, list: ChangingList) => void
}

/** So long after a change the same one is told no second time, but at its end: what an upstream says without pause costs no more. */
const paceMilliseconds = 250

/** So many are told in one turn of the loop. */
const toldInTurn = 64

export function createListenings(options: ListeningsOptions): Listenings {
  const open = new WeakMap<Upstream, Map<string, Listening>>()
  return {
    listen(at, filter, listener) {
      const { upstream } = at
      const ofUpstream = open.get(upstream) ?? new Map<string, Listening>()
      open.set(upstream, ofUpstream)
      const key = keyOf(at, filter)
      const known = ofUpstream.get(key)
      const listening =
        known ??
        new Listening({
          ...options,
          ...at,
          filter,
          over: () => {
            if (ofUpstream.get(key) === listening) ofUpstream.delete(key)
          },
        })
      if (known === undefined) ofUpstream.set(key, listening)
      listening.add(listener)
      if (known === undefined) listening.open()
      return () => listening.leave(listener)
    },
  }
}

/**
 * A resource of a legacy server is subscribed to as somebody (MCP 2025-11-25 resources, subscriptions): what is done in the name of one pod is of no
 * other, and ends with that.
 */
function keyOf({ upstream, inNameOf }: Place, filter: ChangeFilter): string {
  const isOfAll = upstream.config.eras.includes('modern') || filter.uris.length === 0
  return `${isOfAll ? '' : (inNameOf?.owner ?? '')} ${formatChangeFilter(filter)}`
}

interface ListeningOptions extends ListeningsOptions, Place {
  readonly filter: ChangeFilter
  readonly over: () => void
}

/** One subscription at one upstream. */
class Listening {
  readonly #options: ListeningOptions
  readonly #listeners = new Bag<Listener>()
  /** What was told a moment ago, and whether it has changed since. */
  readonly #told = new Map<string, { again: boolean; readonly timer: NodeJS.Timeout }>()
  #isOpened = false
  #acknowledged: ChangeFilter | undefined
  #late: NodeJS.Timeout | undefined
  #cancel: (() => void) | undefined
  #isOver = false

  constructor(options: ListeningOptions) {
    this.#options = options
  }

  add(listener: Listener): void {
    this.#listeners.add(listener)
    if (this.#isOpened) listener.opened?.()
    if (this.#acknowledged !== undefined) listener.acknowledged(this.#acknowledged)
  }

  leave(listener: Listener): void {
    this.#listeners.delete(listener)
    if (this.#listeners.size === 0) this.#end(undefined)
  }

  open(): void {
    const { upstream, account, filter, inNameOf, octetsMax } = this.#options
    this.#late = setTimeout(() => this.#fail(unacknowledged), upstream.timeoutMilliseconds)
    const hear = upstream.config.eras.includes('modern') ? hearModern : hearLegacy
    this.#cancel = hear(
      { upstream, account, filter, inNameOf, octetsMax },
      {
        opened: () => this.#open(),
        acknowledged: (said) => this.#acknowledge(said),
        changed: (change) => this.#take(change),
        ended: (ending) => this.#end(ending),
      },
    )
    if (this.#isOver) this.#cancel()
  }

  #open(): void {
    if (this.#isOver) return
    this.#isOpened = true
    for (const listener of this.#listeners.members()) listener.opened?.()
  }

  /** No more than was asked for, whatever the upstream says; and once. */
  #acknowledge(said: ChangeFilter): void {
    if (this.#acknowledged !== undefined || this.#isOver) return
    clearTimeout(this.#late)
    const { filter } = this.#options
    const taken = {
      lists: filter.lists.filter((list) => said.lists.includes(list)),
      uris: filter.uris.filter((uri) => said.uris.includes(uri)),
    }
    this.#acknowledged = taken
    for (const listener of this.#listeners.members()) listener.acknowledged(taken)
    if (isEmptyFilter(taken)) this.#end({ kind: 'complete' })
  }

  #take(change: Change): void {
    if (this.#isOver) return
    const asked = this.#askedOf(change)
    if (asked === undefined) return
    if (asked.kind === 'list') {
      this.#options.listChanged(this.#options.upstream, asked.list)
    }
    this.#tell(asked)
  }

  /**
   * What was asked for of which this is a change; undefined where nothing was. An upstream may name a part of what was subscribed to (MCP
   * 2026-07-28 resources): the whole of it has changed then, and nobody is told of anything that was not asked for.
   */
  #askedOf(change: Change): Change | undefined {
    const taken = this.#acknowledged
    if (taken === undefined) return undefined
    if (change.kind === 'list') return taken.lists.includes(change.list) ? change : undefined
    const uri = taken.uris.includes(change.uri)
      ? change.uri
      : taken.uris.find((each) => isPartOf(change.uri, each))
    return uri === undefined ? undefined : { kind: 'resource', uri }
  }

  #tell(change: Change): void {
    const key = keyOfChange(change)
    const before = this.#told.get(key)
    if (before !== undefined) {
      before.again = true
      return
    }
    const timer = setTimeout(() => {
      const again = this.#told.get(key)?.again === true
      this.#told.delete(key)
      if (again) this.#tell(change)
    }, paceMilliseconds)
    this.#told.set(key, { again: false, timer })
    tellInTurns(this.#listeners.members(), change)
  }

  #fail(failure: ExchangeFailure): void {
    this.#end({ kind: 'failed', failure })
  }

  #end(ending: Ending | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#late)
    for (const { timer } of this.#told.values()) clearTimeout(timer)
    this.#told.clear()
    this.#options.over()
    this.#cancel?.()
    if (ending === undefined) return
    for (const listener of this.#listeners.members()) listener.ended(ending)
  }
}

const unacknowledged: ExchangeFailure = {
  failed: 'time-out',
  detail: 'subscription is not acknowledged in time',
}

/** Many may listen, and others wait meanwhile. Who has left is told nothing it minds. */
function tellInTurns(listeners: readonly Listener[], change: Change, from = 0): void {
  for (const listener of listeners.slice(from, from + toldInTurn)) listener.changed(change)
  const next = from + toldInTurn
  if (next < listeners.length) setImmediate(tellInTurns, listeners, change, next)
}
