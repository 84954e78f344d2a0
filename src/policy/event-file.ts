import type { FileHandle } from 'node:fs/promises'
import { setTimeout as after } from 'node:timers/promises'
import { CountersignError, quoted } from '../errors.ts'
import type { Log } from '../log.ts'
import type { SignedLines } from './checkpoints/signed-lines.ts'
import type { Fault } from './checkpoints/segment-head.ts'
import { hasMoved, openAppending } from './open-appending.ts'
import { moveAside, type Rotation } from './rotate.ts'

/** A file that lines are appended to, in order, without waiting. */
export interface EventFile extends AsyncDisposable {
  /** False while lines cannot be written, or come faster than they can. */
  readonly available: boolean
  /** What is taken and not written yet. */
  readonly waitingOctets: number
  /** Takes a line without its end. False: it was not taken, because too many wait already. */
  append(line: string): boolean
  /** Resolves when every line taken so far is on disk. Throws `policy/log`. */
  flush(): Promise<void>
}

/** What the file is written with: a fake of it can fail. */
export type EventFileHandle = Pick<FileHandle, 'write' | 'datasync' | 'close' | 'stat'>

const retryMilliseconds = 1000

/** How often it is looked whether the file is still where it was opened. */
const lookMilliseconds = 1000

/** Opens or makes the file, mode 0600, and ends a line that a crash has cut. Throws `policy/log`. */
export async function openEventFile(options: {
  readonly file: string
  /** The most octets that may wait in memory. */
  readonly bufferOctetsMax: number
  /** Without it the file grows without bound. */
  readonly rotation?: Rotation
  /** Puts full files aside. Where it throws, the log takes as little as where the disk is full. */
  readonly moveAside?: typeof moveAside
  /** Signs what the files hold, which are rotated then. */
  readonly signed?: SignedLines | undefined
  readonly log: Log
  readonly openHandle?: (file: string) => Promise<EventFileHandle>
  /** Whether another file, or none, stands where the one that is written to was opened. */
  readonly isMoved?: (file: string, handle: EventFileHandle) => Promise<boolean>
  /** Milliseconds since the epoch. */
  readonly now?: () => number
  /** Milliseconds of a monotonic clock. */
  readonly elapsed?: () => number
  readonly delay?: (milliseconds: number) => Promise<unknown>
  /** Resolves when it is time to look at the path, whether lines come or not. */
  readonly looking?: (milliseconds: number) => Promise<unknown>
}): Promise<EventFile> {
  const { file, openHandle = openAppending, isMoved = hasMoved, delay = unhurried } = options
  const { elapsed = () => performance.now(), looking = unhurried, now = Date.now } = options
  const { moveAside: putAside = moveAside } = options
  let handle: EventFileHandle | undefined
  try {
    handle = await openHandle(file)
    const { size, birthtimeMs } = options.rotation === undefined ? none : await handle.stat()
    const goesOn = (await options.signed?.resume()) ?? true
    const isStrange = !goesOn && size > 0
    const ageMilliseconds = size === 0 ? 0 : Math.max(0, now() - birthtimeMs)
    const parts = {
      size,
      isStrange,
      ageMilliseconds,
      moveAside: putAside,
      openHandle,
      isMoved,
      elapsed,
      delay,
    }
    const appending = new AppendingFile(handle, { ...options, ...parts })
    void appending.look(looking)
    return appending
  } catch (cause) {
    await handle?.close().catch(() => {})
    if (cause instanceof CountersignError) throw cause
    throw failed(`decision log cannot be opened, got=${quoted(file, 200)}`, cause)
  }
}

/** A retry that waits keeps no process alive. */
function unhurried(milliseconds: number): Promise<unknown> {
  return after(milliseconds, undefined, { ref: false })
}

interface AppendingOptions {
  readonly file: string
  readonly bufferOctetsMax: number
  readonly rotation?: Rotation
  readonly moveAside: typeof moveAside
  readonly signed?: SignedLines | undefined
  /** What the file holds already. */
  readonly size: number
  /** Whether that is none of the log that is signed. */
  readonly isStrange: boolean
  /** How long ago it was begun. */
  readonly ageMilliseconds: number
  readonly log: Log
  readonly openHandle: (file: string) => Promise<EventFileHandle>
  readonly isMoved: (file: string, handle: EventFileHandle) => Promise<boolean>
  readonly elapsed: () => number
  readonly delay: (milliseconds: number) => Promise<unknown>
}

class AppendingFile implements EventFile {
  readonly #options: AppendingOptions
  readonly #bufferOctetsMax: number
  readonly #log: Log
  readonly #delay: (milliseconds: number) => Promise<unknown>
  #handle: EventFileHandle
  #size: number
  /** Whether the last write ended within a batch, and so perhaps within a line. */
  #torn = false
  /** The full file has been moved, and a new one could not be opened: moving again would push out what is kept. */
  #movedAside = false
  /** Oldest first; the first one may be the rest of a batch that was written in part. */
  #waiting: Buffer[] = []
  #waitingOctets = 0
  #isStrange: boolean
  /** The rest of the head of a file that begins. */
  #head: Buffer | undefined
  /** What was written of a batch whose end was not. */
  #begun: Buffer[] = []
  /** Of the last attempt; undefined when that went well. */
  #failure: unknown
  #writing: Promise<void> | undefined
  /** Whether a write is due already. */
  #soon = false
  #retrying = false
  #closed = false
  /** When the path was last looked at. */
  #lookedAt: number
  /** When the file was begun, or it was last tried to put it aside for its age. */
  #begunAt: number

  constructor(handle: EventFileHandle, options: AppendingOptions) {
    this.#options = options
    this.#handle = handle
    this.#size = options.size
    this.#isStrange = options.isStrange
    this.#bufferOctetsMax = options.bufferOctetsMax
    this.#log = options.log
    this.#delay = options.delay
    this.#lookedAt = options.elapsed()
    this.#begunAt = this.#lookedAt - options.ageMilliseconds
  }

  /** Half of the room is kept for those who asked just now: what they were told is available is still taken. */
  get available(): boolean {
    const relaxed = this.#waitingOctets <= this.#bufferOctetsMax / 2
    return !this.#closed && this.#failure === undefined && relaxed
  }

  get waitingOctets(): number {
    return this.#waitingOctets
  }

  append(line: string): boolean {
    const octets = Buffer.from(`${line}\n`)
    if (this.#closed || this.#waitingOctets + octets.length > this.#bufferOctetsMax) return false
    this.#waiting.push(octets)
    this.#waitingOctets += octets.length
    this.#writeSoon()
    return true
  }

  /** Until it is closed. A path where nothing stands any more has its file again before the next line comes. */
  async look(looking: (milliseconds: number) => Promise<unknown>): Promise<void> {
    for (;;) {
      await looking(lookMilliseconds)
      if (this.#closed) return
      if (this.#failure === undefined) await this.#write()
    }
  }

  async flush(): Promise<void> {
    // It may be looking at the path, and about to change the file that is to be durable.
    await this.#writing
    while (this.#waiting.length > 0) {
      await this.#write()
      if (this.#failure !== undefined) throw failed(unwritable, this.#failure)
    }
    try {
      await this.#handle.datasync()
    } catch (cause) {
      throw failed('decision log cannot be made durable', cause)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    try {
      await this.flush()
      await this.#signLast()
    } finally {
      await this.#handle.close()
    }
  }

  /** Lines that come in one turn go out in one write: handing it to another thread costs more than a line. */
  #writeSoon(): void {
    if (this.#soon || this.#failure !== undefined) return
    this.#soon = true
    setImmediate(() => {
      this.#soon = false
      if (!this.#closed && this.#failure === undefined) void this.#write()
    })
  }

  /** One writer at a time. Never rejects: a failure is kept, and tried again later. */
  #write(): Promise<void> {
    this.#writing ??= this.#writeWaiting()
      .then(
        () => (this.#failure = undefined),
        (error: unknown) => this.#fail(error),
      )
      .then(() => {
        this.#writing = undefined
        // A line may have come after the last look, and found a writer that was about to leave.
        if (this.#waiting.length > 0 && this.#failure === undefined) void this.#write()
      })
    return this.#writing
  }

  async #writeWaiting(): Promise<void> {
    await this.#followPath()
    await this.#signDue()
    await this.#rotateOld()
    while (this.#waiting.length > 0) {
      const batch = Buffer.concat(this.#waiting)
      this.#waiting = [batch]
      await this.#followPath()
      await this.#rotateBefore(batch.length)
      await this.#writeHead()
      const { bytesWritten } = await this.#handle.write(batch)
      this.#tellWritten(batch, bytesWritten)
      this.#size += bytesWritten
      this.#torn = bytesWritten < batch.length
      this.#waitingOctets -= bytesWritten
      this.#waiting[0] = batch.subarray(bytesWritten)
      if (bytesWritten === batch.length) this.#waiting.shift()
    }
  }

  /** A file of a log that is signed begins with what it stands on: another one that stands there is put aside. */
  async #writeHead(): Promise<void> {
    const { signed, file, rotation, moveAside: putAside } = this.#options
    if (signed === undefined || rotation === undefined) return
    while (this.#isStrange) {
      this.#log.warn({ file }, 'decision log begins a new file: the one there is not signed')
      await putAside(file, rotation.files)
      await this.#openAnew()
    }
    if (this.#size === 0) this.#head ??= Buffer.from(`${signed.head()}\n`)
    while (this.#head !== undefined) {
      const head = this.#head
      const { bytesWritten } = await this.#handle.write(head)
      this.#size += bytesWritten
      this.#torn = bytesWritten < head.length
      this.#head = this.#torn ? head.subarray(bytesWritten) : undefined
      this.#tellWritten(head, bytesWritten)
    }
  }

  /** Of lines that are there to their ends alone. */
  #tellWritten(octets: Buffer, count: number): void {
    const { signed } = this.#options
    if (signed === undefined) return
    this.#begun.push(octets.subarray(0, count))
    if (count < octets.length) return
    const [first = octets, ...more] = this.#begun
    this.#begun = []
    signed.written(more.length === 0 ? first : Buffer.concat([first, ...more]))
  }

  async #signDue(): Promise<void> {
    const { signed } = this.#options
    if (signed?.isDue !== true || this.#torn || (await this.#isFaulty())) return
    await this.#handle.datasync()
    signed.publishSoon()
  }

  /** What was written to the last file is signed before another one stands on it. */
  async #signWritten(): Promise<void> {
    await this.#handle.datasync()
    await this.#options.signed?.publish()
  }

  async #signLast(): Promise<void> {
    const { signed, file } = this.#options
    if (signed === undefined || this.#torn) return
    try {
      const reason = await this.#faultOf()
      if (reason === undefined) return await this.#signWritten()
      this.#log.error({ file, reason }, 'decision log ends otherwise than it was written')
    } catch (error) {
      this.#log.error({ error }, 'decision log ends with lines that are not signed')
    }
  }

  /** One that was renamed is as it was written, wherever it is by now. */
  async #faultOf(): Promise<Fault | undefined> {
    if (this.#options.signed === undefined) return undefined
    const { nlink, size } = await this.#handle.stat()
    if (nlink === 0) return 'removed'
    if (size === this.#size) return undefined
    return size < this.#size ? 'cut' : 'written-to'
  }

  /** True: the file was another than was written, and now one begins that says so. */
  async #isFaulty(): Promise<boolean> {
    const { signed, file, rotation, isMoved, moveAside: putAside } = this.#options
    const reason = await this.#faultOf()
    if (reason === undefined || signed === undefined || rotation === undefined) return false
    this.#log.error({ file, reason }, 'decision log is not as it was written')
    await signed.giveUp(reason)
    if (!(await isMoved(file, this.#handle))) await putAside(file, rotation.files)
    await this.#openAnew()
    return true
  }

  /** Lines go to the file that stands at the path: what was renamed or removed is looked for every second. */
  async #followPath(): Promise<void> {
    const { file, isMoved, elapsed } = this.#options
    if (this.#torn || elapsed() - this.#lookedAt < lookMilliseconds) return
    if (!(await this.#isFaulty()) && (await isMoved(file, this.#handle))) {
      this.#log.info({ file }, 'decision log was moved away and is opened anew')
      await this.#signWritten()
      await this.#openAnew()
    }
    this.#lookedAt = elapsed()
  }

  async #openAnew(): Promise<void> {
    const old = this.#handle
    this.#handle = await this.#options.openHandle(this.#options.file)
    this.#size = (await this.#handle.stat()).size
    this.#isStrange = this.#size > 0
    this.#begunAt = this.#options.elapsed()
    this.#head = undefined
    await old
      .close()
      .catch((error: unknown) => this.#log.warn({ error }, 'old decision log is not closed'))
  }

  /** A new file where these octets would not fit any more; a line is never in two. What was written is durable before it goes aside. */
  async #rotateBefore(octets: number): Promise<void> {
    const { file, rotation, moveAside: putAside } = this.#options
    if (rotation === undefined || this.#torn || this.#size === 0) return
    if (this.#size + octets <= rotation.fileBytesMax) return
    if (!this.#movedAside) {
      if (await this.#isFaulty()) return
      await this.#signWritten()
      await putAside(file, rotation.files)
      this.#movedAside = true
    }
    await this.#openAnew()
    this.#movedAside = false
  }

  /** Where it cannot go because it has not been sent it goes on, as long as there is room. */
  async #rotateOld(): Promise<void> {
    const { rotation, elapsed } = this.#options
    const { fileSecondsMax = Infinity } = rotation ?? {}
    if (elapsed() - this.#begunAt < fileSecondsMax * 1000) return
    try {
      await this.#rotateBefore(Infinity)
    } catch (error) {
      if (!(error instanceof CountersignError) || error.code !== 'policy/upload') throw error
      this.#begunAt += lookMilliseconds
    }
  }

  #fail(error: unknown): void {
    this.#failure = error ?? new Error(unwritable)
    this.#log.error({ error }, unwritable)
    if (this.#retrying || this.#closed) return
    this.#retrying = true
    void this.#delay(retryMilliseconds).then(() => {
      this.#retrying = false
      return this.#closed ? undefined : this.#write()
    })
  }
}

/** Of a log that is not rotated nobody asks. */
const none = { size: 0, birthtimeMs: 0 }

const unwritable = 'decision log cannot be written'

function failed(message: string, cause: unknown): CountersignError {
  return new CountersignError('policy/log', message, { cause })
}
