import type { ServerResponse } from 'node:http'
import {
  formatAcknowledged,
  formatChange,
  formatSubscriptionEnd,
  formatTaskNews,
  keyOfChange,
  type Change,
  type ChangeFilter,
} from '../../mcp/changes.ts'
import { formatEvent, keepAlive } from '../../mcp/events.ts'
import { endReply, streamHeaders, type Reply } from '../door/reply.ts'
import type { Refusal } from '../refusal.ts'

/** What is told of a task: the members of its params, as they may be told under this policy. */
export interface TaskNews {
  readonly kind: 'task'
  /** By its caller's own id. */
  readonly taskId: string
  readonly members: string
  /** The digest of the policy that says so. */
  readonly policy: string
}

export type News = Change | TaskNews

export interface ChangeStreamOptions {
  readonly reply: Reply
  readonly keepAliveSeconds: number
  /** The longest that it may live. */
  readonly secondsMax: number
  /** How long what was told may wait to be read. */
  readonly unsentSecondsMax: number
  /** Looks whether its caller may still be told; undefined where nothing has changed since it was looked at last. */
  readonly review: () => Promise<void> | undefined
  readonly mayTell: (news: News) => boolean
}

/**
 * One caller's stream of changes. Each is told once, however often it has happened while its caller did not read: what waits is no more
 * than what was asked for.
 */
export class ChangeStream {
  readonly #options: ChangeStreamOptions
  readonly #response: ServerResponse
  readonly #rawId: string
  #lists: readonly Change[] = []
  readonly #waiting = new Map<string, News>()
  readonly #ended = Promise.withResolvers<void>()
  #state: 'opening' | 'open' | 'busy' | 'over' = 'opening'
  #isQuiet = true
  /** It ends as soon as it has begun. */
  #isComplete = false
  #unread: NodeJS.Timeout | undefined
  #taken: PromiseWithResolvers<void> | undefined
  readonly #timers: NodeJS.Timeout[] = []

  constructor(options: ChangeStreamOptions) {
    this.#options = options
    this.#response = options.reply.response
    this.#rawId = options.reply.rawId ?? 'null'
  }

  /** Resolves when it is over. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  get isOver(): boolean {
    return this.#state === 'over'
  }

  /** Says what its caller will be told of. */
  begin(filter: ChangeFilter, meta: object): void {
    if (this.#state !== 'opening') return
    const { keepAliveSeconds, secondsMax } = this.#options
    this.#response.writeHead(200, { ...streamHeaders, 'cache-control': 'no-store' })
    this.#state = 'open'
    this.#lists = filter.lists.map((list) => ({ kind: 'list', list }))
    this.#timers.push(
      setInterval(() => this.#keepAlive(), keepAliveSeconds * 1000),
      setTimeout(() => this.complete(), secondsMax * 1000),
    )
    this.#write(formatAcknowledged(filter, this.#rawId, meta))
    this.#flush()
    if (this.#isComplete) this.complete()
  }

  push(news: News): void {
    if (this.#state === 'over') return
    this.#waiting.set(keyOf(news), news)
    this.#flush()
  }

  /** Resolves when its caller has taken all that it was told, or takes no more. */
  async taken(): Promise<void> {
    if (this.isOver || (this.#state === 'open' && this.#waiting.size === 0)) return
    this.#taken ??= Promise.withResolvers()
    await this.#taken.promise
  }

  /** Ends it in order: its caller may listen again. */
  complete(): void {
    this.#isComplete = true
    if (this.#state === 'over' || this.#state === 'opening') return
    this.#response.end(formatEvent(Buffer.from(formatSubscriptionEnd(this.#rawId))))
    this.over()
  }

  refuse(refusal: Refusal): void {
    if (this.#state === 'over') return
    endReply(this.#options.reply, refusal)
    this.over()
  }

  /** Nothing more is told. */
  over(): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#waiting.clear()
    clearTimeout(this.#unread)
    for (const timer of this.#timers) clearTimeout(timer)
    this.#taken?.resolve()
    this.#ended.resolve()
  }

  #flush(): void {
    if (this.#state !== 'open') return
    const reviewing = this.#options.review()
    if (reviewing !== undefined) {
      // The look may have ended it at once.
      if (!this.isOver) this.#state = 'busy'
      reviewing.then(
        () => {
          // What is listed depends on policy, too.
          if (!this.isOver)
            for (const each of this.#lists) this.#waiting.set(keyOfChange(each), each)
          this.#goOn()
        },
        () => this.#response.destroy(),
      )
      return
    }
    for (const [key, news] of this.#waiting) {
      this.#waiting.delete(key)
      if (this.#options.mayTell(news)) this.#write(formatNews(news, this.#rawId))
      if (this.#response.writableNeedDrain) {
        this.#awaitReading()
        return
      }
    }
    this.#taken?.resolve()
    this.#taken = undefined
  }

  #goOn(): void {
    if (this.#state !== 'busy') return
    this.#state = 'open'
    this.#flush()
  }

  /** Who does not read is hung up on after a while, as with any answer: its place is somebody else's. */
  #awaitReading(): void {
    this.#state = 'busy'
    const { socket } = this.#response.req
    this.#unread = setTimeout(() => socket.destroy(), this.#options.unsentSecondsMax * 1000)
    this.#response.once('drain', () => {
      clearTimeout(this.#unread)
      this.#goOn()
    })
  }

  #write(text: string): void {
    this.#isQuiet = false
    this.#response.write(formatEvent(Buffer.from(text)))
  }

  #keepAlive(): void {
    this.#flush()
    if (this.#state === 'open' && this.#isQuiet) this.#response.write(keepAlive)
    this.#isQuiet = true
  }
}

function keyOf(news: News): string {
  return news.kind === 'task' ? `task ${news.taskId}` : keyOfChange(news)
}

function formatNews(news: News, rawId: string): string {
  return news.kind === 'task' ? formatTaskNews(news.members, rawId) : formatChange(news, rawId)
}
