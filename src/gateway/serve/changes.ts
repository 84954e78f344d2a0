import { formatEvent } from '../../mcp/events.ts'
import { notInUris, uriCharactersMax } from '../catalogue/offer.ts'
import type { Soon } from '../soon.ts'
import type { Upstream } from '../upstream/upstream.ts'

/** What servers say that has changed, for one caller. */
export interface Changes {
  /** Whether it is of a change; a caller that may not see what has changed is not told. */
  take(upstream: Upstream, told: Told): boolean
  end(): void
}

interface Told {
  readonly method: string
  readonly params?: Readonly<Record<string, unknown>>
}

export interface ChangesOptions {
  /** Whether the caller may ask the server for this list. */
  readonly mayList: (upstream: Upstream, list: ChangedList) => Soon<boolean>
  /** Whether it may read this resource of the server. */
  readonly mayRead: (upstream: Upstream, uri: string) => Soon<boolean>
  /** Whether it has asked to be told of it. */
  readonly isSubscribed: (upstream: Upstream, uri: string) => boolean
  /** What the caller calls it. */
  readonly uriHere: (upstream: Upstream, uri: string) => string
  readonly write: (event: Buffer) => void
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Something went wrong on the way: nothing is told then. */
  readonly failed: (error: unknown) => void
}

export type ChangedList = 'tools/list' | 'prompts/list' | 'resources/list'

const lists: ReadonlyMap<string, ChangedList> = new Map([
  ['notifications/tools/list_changed', 'tools/list'],
  ['notifications/prompts/list_changed', 'prompts/list'],
  ['notifications/resources/list_changed', 'resources/list'],
])

/** What changes in several servers at once is told once; and so often at most, since each time policy is asked. */
const gatherMilliseconds = 50
const pauseMilliseconds = 1000

/** So many resources may have changed at a time; of more, none is told before the pause is over. */
const pendingMax = 64

export function createChanges(options: ChangesOptions): Changes {
  const { mayList, mayRead, isSubscribed, uriHere, write, now, failed } = options
  /** What has changed since it was last told, by what the caller would be told, with whom it may see it of. */
  const pending = new Map<string, (() => Soon<boolean>)[]>()
  let timer: NodeJS.Timeout | undefined
  let toldAt = Number.NEGATIVE_INFINITY
  let isOver = false

  async function tell(): Promise<void> {
    timer = undefined
    toldAt = now()
    const changed = [...pending]
    pending.clear()
    for (const [text, asking] of changed) {
      for (const may of asking) {
        if (!(await may())) continue
        if (!isOver) write(formatEvent(Buffer.from(text)))
        break
      }
    }
  }
  function note(text: string, may: () => Soon<boolean>): void {
    const known = pending.get(text)
    if (known === undefined && pending.size >= pendingMax) return
    if (known === undefined) pending.set(text, [may])
    else if (known.length < pendingMax) known.push(may)
    const sinceMilliseconds = now() - toldAt
    const pauseLeft = Math.min(pauseMilliseconds, pauseMilliseconds - sinceMilliseconds)
    const waitMilliseconds = Math.max(gatherMilliseconds, pauseLeft)
    timer ??= setTimeout(() => void tell().catch(failed), waitMilliseconds)
  }
  return {
    take(upstream, { method, params }) {
      if (isOver) return false
      const list = lists.get(method)
      if (list !== undefined) {
        note(JSON.stringify({ jsonrpc: '2.0', method }), () => mayList(upstream, list))
        return true
      }
      if (method !== 'notifications/resources/updated') return false
      const uri = params?.['uri']
      if (typeof uri !== 'string' || uri.length > uriCharactersMax || notInUris.test(uri))
        return true
      if (!isSubscribed(upstream, uri)) return true
      const here = { uri: uriHere(upstream, uri) }
      note(JSON.stringify({ jsonrpc: '2.0', method, params: here }), () => mayRead(upstream, uri))
      return true
    },
    end() {
      isOver = true
      clearTimeout(timer)
      pending.clear()
    },
  }
}
