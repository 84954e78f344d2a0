import { createHash, randomBytes as systemRandomBytes } from 'node:crypto'
import type { Log } from '../log.ts'
import type { ApiClient } from './api-client.ts'
import type { Delay } from './backoff.ts'
import { leases } from './lease.ts'
import { resourcePath } from './resource.ts'

/** Annotations of the Lease: a member each, whose value changes as long as it lives. */
const prefix = 'members.countersign.dev/'

/** A Lease is written by few; whoever else writes annotations into it makes us look at no more. */
const membersMax = 64

/** A member that was silent for so many durations is taken out of the Lease. */
const durationsUntilRemoved = 4

export interface MembershipOptions {
  readonly client: ApiClient
  /** The Lease exists: it is not made here. */
  readonly namespace: string
  readonly name: string
  /** Who was silent for so long is no member any more. */
  readonly durationSeconds: number
  /** Looked at at each renewal: who cannot do the work takes no share of it. Always, unless told. */
  readonly canWork?: () => boolean
  /** Milliseconds of a clock that only goes forward: clocks of others are not trusted. */
  readonly clock: () => number
  readonly delay: Delay
  readonly randomBytes?: (length: number) => Buffer
  readonly log: Log
}

/** Processes that share work. Each sees who lives by one write, whose answer shows the others. */
export interface Membership extends AsyncDisposable {
  /** Resolves once the Lease was answered, or refused: nobody waits for it longer. */
  readonly joined: Promise<void>
  /** Members that live, with this one. */
  readonly living: number
  /**
   * How many members come before this one for a key: of all that see the same members one has 0. Without an answer of the API
   * server the others are silent, so that each takes everything: what is done twice must be harmless.
   */
  rank(key: string): number
  /** Called when members come or go. Returns how to stop it. */
  onChange(listener: () => void): () => void
}

export function startMembership(options: MembershipOptions): Membership {
  return new LeaseMembership(options)
}

interface Seen {
  readonly value: string
  /** When it was first seen. */
  readonly at: number
  /** It has changed under our eyes. What stood there before we came may be left by the dead, for whom nobody has to wait. */
  readonly renewed: boolean
}

class LeaseMembership implements Membership {
  readonly joined: Promise<void>
  readonly #options: MembershipOptions
  /** Nobody else's, also where two were given one name. */
  readonly #member: string
  /** The others: what each wrote last, and when that was first seen. */
  readonly #seen = new Map<string, Seen>()
  readonly #listeners = new Set<() => void>()
  readonly #closing = new AbortController()
  readonly #done: Promise<void>
  #living: readonly string[]
  #renewals = 0
  #refused = ''

  constructor(options: MembershipOptions) {
    this.#options = options
    const { randomBytes = systemRandomBytes } = options
    this.#member = `${prefix}${randomBytes(16).toString('hex')}`
    this.#living = [this.#member]
    const joined = Promise.withResolvers<void>()
    this.joined = joined.promise
    this.#done = this.#run(joined.resolve)
  }

  get living(): number {
    return this.#living.length
  }

  rank(key: string): number {
    if (this.#living.length === 1) return 0
    const own = weight(this.#member, key)
    return this.#living.filter((each) => weight(each, key) > own).length
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Leaves at once what is ours to the others. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return this.#done
    this.#closing.abort()
    await this.#done
    this.#listeners.clear()
    await this.#write({ [this.#member]: null }).catch(() => {})
  }

  async #run(joined: () => void): Promise<void> {
    const { signal } = this.#closing
    const { delay, durationSeconds } = this.#options
    while (!signal.aborted) {
      await this.#renew(signal)
      joined()
      await delay((durationSeconds * 1000) / 3, signal).catch(() => {})
    }
  }

  async #renew(signal: AbortSignal): Promise<void> {
    const { clock, log, durationSeconds, canWork = () => true } = this.#options
    this.#renewals += 1
    const removed = [...this.#seen].filter(([, { at }]) => {
      return clock() - at >= durationsUntilRemoved * durationSeconds * 1000
    })
    try {
      const annotations = await this.#write(
        {
          [this.#member]: canWork() ? String(this.#renewals) : null,
          ...Object.fromEntries(removed.map(([member]) => [member, null])),
        },
        signal,
      )
      this.#look(annotations)
      this.#refused = ''
    } catch (error) {
      if (signal.aborted) return
      const said = error instanceof Error ? error.message : String(error)
      if (said !== this.#refused) log.warn({ error }, 'other replicas are not seen')
      this.#refused = said
    }
    this.#settle()
  }

  #look(annotations: Readonly<Record<string, string>>): void {
    const now = this.#options.clock()
    const found = Object.entries(annotations)
      .filter(([key]) => key.startsWith(prefix) && key !== this.#member)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .slice(0, membersMax)
    const names = new Set(found.map(([key]) => key))
    for (const member of this.#seen.keys()) if (!names.has(member)) this.#seen.delete(member)
    for (const [member, value] of found) {
      const before = this.#seen.get(member)
      if (before?.value === value) continue
      this.#seen.set(member, { value, at: now, renewed: before !== undefined })
    }
  }

  #settle(): void {
    const { clock, durationSeconds, log } = this.#options
    const now = clock()
    const others = [...this.#seen].flatMap(([member, { at, renewed }]) =>
      renewed && now - at < durationSeconds * 1000 ? [member] : [],
    )
    const living = [this.#member, ...others].toSorted()
    if (living.join() === this.#living.join()) return
    this.#living = living
    log.info({ living: living.length }, 'replicas share the requests')
    for (const listener of this.#listeners) listener()
  }

  /** Gives the annotations as they are then. No version goes with it: each member writes what is its own. */
  async #write(
    annotations: Readonly<Record<string, string | null>>,
    signal?: AbortSignal,
  ): Promise<Readonly<Record<string, string>>> {
    const { client, namespace, name } = this.#options
    const answer = await client.request({
      method: 'PATCH',
      path: resourcePath(leases, { namespace, name }),
      contentType: 'application/merge-patch+json',
      body: { metadata: { annotations } },
      timeoutSeconds: 5,
      ...(signal === undefined ? {} : { signal }),
    })
    return leases.parse(answer).metadata.annotations
  }
}

/** Rendezvous hashing: where a member goes, only its own keys move. */
function weight(member: string, key: string): string {
  return createHash('sha256').update(`${member}\0${key}`).digest('hex')
}
