import { randomUUID } from 'node:crypto'
import { setTimeout as after } from 'node:timers/promises'
import { CountersignError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { sizeOf } from './asked.ts'
import type { Evaluated } from './authorizer.ts'
import type { PolicyEngine, PolicyName } from './engine.ts'
import { formatDropped, formatEvent, formatLost, formatMinimalEvent, formatNote } from './event.ts'
import type { ListDetail, TakenEvent } from './event.ts'
import { createSharedMembers } from './shared-members.ts'
import { openEventFile } from './event-file.ts'
import type { EventFile } from './event-file.ts'
import { createSignedLines } from './checkpoints/signed-lines.ts'
import type { CheckpointOptions, SignedLines } from './checkpoints/signed-lines.ts'
import { headPath } from './checkpoints/segment-head.ts'
import { createDropped } from './dropped.ts'
import { createRoom } from './room.ts'
import type { Room } from './room.ts'
import type { moveAside, Rotation } from './rotate.ts'

/** One decision, as it was taken. */
export interface DecisionEvent {
  readonly decisionId: string
  /** The entrypoint, or `countersign/gateway/<check>` for a decision without policy. */
  readonly path: string
  readonly evaluated: Evaluated<unknown>
  /** SPIFFE ID of the caller. */
  readonly requestedBy: string
}

/** What happens to decisions that cannot be recorded: they are not taken, or they are, and counted as lost. */
export type WhenFull = 'block' | 'shed-and-count'

/** Whether the policy's `system.log.drop` is asked what need not be kept. */
export type Drops = 'forbid' | 'by-policy'

/** Keeps every decision: OPA's event format, one JSON object a line, masked by the policy's own rules. */
export interface DecisionLog extends AsyncDisposable {
  /** False: events cannot be kept now, so nothing may be decided. */
  readonly available: boolean
  /** Whether events are written as they come. Where they may be lost, they are while this is false. */
  readonly keeping: boolean
  /** Resolves to whether it is available, for which it waits for a bounded time. */
  whenAvailable(): Promise<boolean>
  /**
   * Never throws. Takes the event at once; what it holds must not change afterwards. False: it is lost, and nothing may follow from the
   * decision. Where events may be lost it is never false.
   */
  record(event: DecisionEvent): boolean
  /** Resolves when everything recorded so far is on disk. Throws `policy/log`. */
  flush(): Promise<void>
}

/** A log of a file, which takes what is no decision, too. */
export interface DecisionLogFile extends DecisionLog {
  /** Never throws. An event of another path, with members that need no mask; where there is no room it is left out. */
  note(path: string, members: object): void
}

/** Eight mebibytes: some ten thousand calls. */
const bufferOctetsDefault = 8 * 1024 * 1024

/** Long enough for a disk that hesitates, short enough for who waits. */
const waitMillisecondsDefault = 500

/** How long an event may wait for others: a process that is killed loses these as it loses what is being written. */
const gatherMilliseconds = 5

/**
 * Events of one turn: masked one after the other while the module is warm, and no longer than others can wait. The module takes up to
 * 4 ms for 100 KiB, where they are many small values.
 */
const turnEventsMax = 64
const turnOctetsMax = 128 * 1024

/** What an event has besides its input. */
const frameOctets = 768

/** How often it is tried to tell what was lost. */
const tellMilliseconds = 1000

/** How often what waits is looked at while there is any. */
const showMilliseconds = 1000

interface LogOptions {
  readonly engine: PolicyEngine
  /** Asked for with the first event: who writes may not be known at the start. */
  readonly labels: () => Readonly<Record<string, string>>
  /** Milliseconds since the epoch; a fraction is kept. */
  readonly now: () => number
  readonly log: Log
  readonly metrics: Metrics
  /** Default `block`. */
  readonly whenFull?: WhenFull
  /** Default `digest`. */
  readonly lists?: ListDetail
  /** Whether rules of the policy may leave events out. Default `forbid`. */
  readonly drops?: Drops
  /** The most octets that may wait in memory, about. */
  readonly bufferOctetsMax?: number
  readonly waitMilliseconds?: number
  /** Milliseconds of a monotonic clock. */
  readonly elapsed?: () => number
  readonly delay?: (milliseconds: number) => Promise<unknown>
}

/** Opens the log. Throws `policy/log`. */
export async function openDecisionLog(
  options: LogOptions & {
    readonly file: string
    readonly rotation?: Rotation
    readonly moveAside?: typeof moveAside
    /** Signs what the files hold, which needs a rotation; not at all when absent. */
    readonly checkpoints?: CheckpointOptions | undefined
  },
): Promise<DecisionLogFile> {
  const { bufferOctetsMax = bufferOctetsDefault } = options
  const signed = signedLinesOf(options)
  return createDecisionLog(await openEventFile({ ...options, bufferOctetsMax, signed }), options)
}

function signedLinesOf({
  checkpoints,
  rotation,
  engine,
  labels,
  now,
  ...options
}: Parameters<typeof openDecisionLog>[0]): SignedLines | undefined {
  if (checkpoints === undefined || rotation === undefined) return undefined
  const shared = createSharedMembers(labels)
  return createSignedLines({
    ...options,
    ...checkpoints,
    files: rotation.files,
    formatHead: (segment) => {
      const note = { decisionId: randomUUID(), at: now(), number: 0, constant: shared(engine) }
      return formatNote(headPath, { segment }, note)
    },
  })
}

/** A decision log over any file of events. */
export function createDecisionLog(file: EventFile, options: LogOptions): DecisionLogFile {
  return new GatheringLog(file, options)
}

/** A wait keeps no process alive. */
function unhurried(milliseconds: number): Promise<unknown> {
  return after(milliseconds, undefined, { ref: false })
}

/** Takes events as they come, and masks, formats and appends them together. */
class GatheringLog implements DecisionLogFile {
  readonly #file: EventFile
  readonly #options: LogOptions
  readonly #octetsMax: number
  readonly #format: Parameters<typeof formatEvent>[1]
  readonly #dropped = createDropped()
  readonly #sheds: boolean
  readonly #delay: (milliseconds: number) => Promise<unknown>
  readonly #room: Room
  readonly #shared: (policy: PolicyName) => string
  /** Oldest first. */
  #pending: { readonly event: TakenEvent; readonly octets: number }[] = []
  #pendingOctets = 0
  #number = 0
  #lost: { events: number; readonly from: number; until: number } | undefined
  /** Whether a turn is due within a moment, at once, and when what was lost is to be told. */
  #soon = false
  #now = false
  #later = false
  #showing = false
  #closed = false

  constructor(file: EventFile, options: LogOptions) {
    this.#file = file
    this.#options = options
    this.#octetsMax = options.bufferOctetsMax ?? bufferOctetsDefault
    const { engine, lists = 'digest', drops = 'forbid' } = options
    this.#format = { engine, lists, mayDrop: drops === 'by-policy' }
    this.#sheds = options.whenFull === 'shed-and-count'
    this.#delay = options.delay ?? unhurried
    this.#shared = createSharedMembers(options.labels)
    this.#room = createRoom({
      isThere: () => this.available,
      waitMilliseconds: options.waitMilliseconds ?? waitMillisecondsDefault,
      elapsed: options.elapsed ?? (() => performance.now()),
      delay: this.#delay,
    })
  }

  get available(): boolean {
    return !this.#closed && (this.#sheds || this.#hasRoom)
  }

  get keeping(): boolean {
    return !this.#closed && this.#hasRoom && this.#lost === undefined
  }

  /** Half of the room is kept for those who asked just now: what they were told is available is still taken. */
  get #hasRoom(): boolean {
    return this.#file.available && this.#octets <= this.#octetsMax / 2
  }

  /** What waits, masked or not. */
  get #octets(): number {
    return this.#pendingOctets + this.#file.waitingOctets
  }

  whenAvailable(): Promise<boolean> {
    return this.#room.wait()
  }

  record(event: DecisionEvent): boolean {
    this.#number += 1
    const octets = sizeOf(event.evaluated.asked) + frameOctets
    if (this.#closed || this.#octets + octets > this.#octetsMax) {
      this.#lose(event.decisionId)
      return this.#sheds
    }
    const at = this.#options.now()
    const taken = {
      ...event,
      at,
      number: this.#number,
      constant: this.#members(event.evaluated.policy),
    }
    this.#pending.push({ event: taken, octets })
    this.#pendingOctets += octets
    const isFull = this.#pending.length >= turnEventsMax || this.#pendingOctets >= turnOctetsMax
    if (isFull) this.#turnNow()
    else this.#turnSoon()
    return true
  }

  note(path: string, members: object): void {
    if (this.#closed || !this.#hasRoom) return
    this.#file.append(formatNote(path, members, this.#newNote()))
  }

  flush(): Promise<void> {
    this.#drain()
    return this.#file.flush()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return
    this.#drain()
    this.#closed = true
    this.#room.close()
    if (this.#lost !== undefined) {
      this.#options.log.error({ events: this.#lost.events }, 'decision log ends with lost events')
    }
    if (!this.#dropped.isEmpty) {
      this.#options.log.error({}, 'decision log ends and does not tell what rules have dropped')
    }
    await this.#file[Symbol.asyncDispose]()
  }

  /** What is in force by now may be another policy than what decided. */
  #members(policy: PolicyName = this.#options.engine): string {
    return this.#shared(policy)
  }

  #newNote(): Parameters<typeof formatNote>[2] {
    this.#number += 1
    const constant = this.#members()
    return { decisionId: randomUUID(), at: this.#options.now(), number: this.#number, constant }
  }

  #turnSoon(): void {
    if (this.#soon) return
    this.#soon = true
    void this.#delay(gatherMilliseconds).then(() => {
      this.#soon = false
      this.#turn()
    })
  }

  #tellLater(): void {
    if (this.#later) return
    this.#later = true
    void this.#delay(tellMilliseconds).then(() => {
      this.#later = false
      if (this.#closed) return
      this.#tellLost()
      this.#tellDropped()
      if (this.#lost !== undefined || !this.#dropped.isEmpty) this.#tellLater()
    })
  }

  #turnNow(): void {
    if (this.#now) return
    this.#now = true
    setImmediate(() => {
      this.#now = false
      this.#turn()
    })
  }

  /** Writes what one turn of the loop may; what is left has the next one. */
  #turn(): void {
    if (this.#closed) return
    this.#tellLost()
    let octets = 0
    let count = 0
    for (const { octets: more } of this.#pending) {
      if (count === turnEventsMax || (count > 0 && octets + more > turnOctetsMax)) break
      octets += more
      count += 1
    }
    for (const { event } of this.#pending.splice(0, count)) this.#write(event)
    this.#pendingOctets -= octets
    if (this.#pending.length > 0) this.#turnNow()
    this.#showWaiting()
  }

  /** Shown until it is nothing: who looks at an idle gateway sees no rest of the last turn. */
  #showWaiting(): void {
    const octets = this.#octets
    this.#options.metrics.set('countersign_decision_log_waiting_octets', octets)
    if (octets === 0 || this.#showing) return
    this.#showing = true
    void this.#delay(showMilliseconds).then(() => {
      this.#showing = false
      if (!this.#closed) this.#showWaiting()
    })
  }

  #drain(): void {
    const pending = this.#pending
    this.#pending = []
    this.#pendingOctets = 0
    for (const { event } of pending) this.#write(event)
    this.#tellLost()
    this.#tellDropped()
  }

  /** Whatever breaks here breaks nobody's call: the event is lost, which is counted and told. */
  #write(event: TakenEvent): void {
    try {
      const line = this.#lineOf(event)
      if (line === undefined) return this.#drop(event)
      if (this.#file.append(line)) return
    } catch (error) {
      this.#options.log.error({ error, decision: event.decisionId }, 'event cannot be written')
    }
    this.#lose(event.decisionId)
  }

  #lineOf(event: TakenEvent): string | undefined {
    try {
      return formatEvent(event, this.#format)
    } catch (failure) {
      const code = failure instanceof CountersignError ? failure.code : 'unknown'
      this.#options.metrics.count('countersign_policy_errors_total', { code })
      const { decisionId: decision } = event
      this.#options.log.error({ decision, code }, 'decision log keeps a minimal event')
      return formatMinimalEvent(event, code)
    }
  }

  /** How many there were is told, as what is lost is: a log that says nothing of it would look whole. */
  #drop({ at }: TakenEvent): void {
    this.#options.metrics.count('countersign_decision_log_dropped_total')
    this.#dropped.add(this.#options.engine.revision, at)
    this.#tellLater()
  }

  #tellDropped(): void {
    if (!this.#hasRoom) return
    this.#dropped.tell((members) => this.#file.append(formatDropped(members, this.#newNote())))
  }

  /** Counts what the log does not hold. It is said once, and how many there were when there is room to write that down. */
  #lose(decision: string): void {
    this.#options.metrics.count('countersign_decision_log_lost_total')
    const at = this.#options.now()
    if (this.#lost === undefined) {
      this.#lost = { events: 0, from: at, until: at }
      this.#options.log.error({ decision }, 'decision log is full and events are lost')
    }
    this.#lost.events += 1
    this.#lost.until = at
    this.#tellLater()
  }

  #tellLost(): void {
    if (this.#lost === undefined || !this.#hasRoom) return
    const lost = this.#lost
    if (!this.#file.append(formatLost(lost, this.#newNote()))) return
    this.#lost = undefined
    this.#options.log.warn({ events: lost.events }, 'decision log has room again')
  }
}
