import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { setTimeout as after } from 'node:timers/promises'
import { CountersignError, quoted } from '../errors.ts'
import type { Log } from '../log.ts'

/** A file that lines are appended to, in order, without waiting. */
export interface EventFile extends AsyncDisposable {
  /** False while lines cannot be written, or come faster than they can. */
  readonly available: boolean
  /** Takes a line without its end. False: it was not taken, because too many wait already. */
  append(line: string): boolean
  /** Resolves when every line taken so far is on disk. Throws `policy/log`. */
  flush(): Promise<void>
}

/** What the file is written with: a fake of it can fail. */
export type EventFileHandle = Pick<FileHandle, 'write' | 'datasync' | 'close'>

const retryMilliseconds = 1000

/** Opens or makes the file, mode 0600, and ends a line that a crash has cut. Throws `policy/log`. */
export async function openEventFile(options: {
  readonly file: string
  /** The most octets that may wait in memory. */
  readonly bufferOctetsMax: number
  readonly log: Log
  readonly openHandle?: (file: string) => Promise<EventFileHandle>
  readonly delay?: (milliseconds: number) => Promise<unknown>
}): Promise<EventFile> {
  const { file, openHandle = openAppending } = options
  try {
    return createEventFile(await openHandle(file), options)
  } catch (cause) {
    throw failed(`decision log cannot be opened, got=${quoted(file, 200)}`, cause)
  }
}

async function openAppending(file: string): Promise<FileHandle> {
  // No symbolic link: whoever could place one would choose what is written to.
  const flags = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW
  const handle = await open(file, flags, 0o600)
  try {
    const status = await handle.stat()
    if (!status.isFile()) throw new TypeError('not a regular file')
    if ((status.mode & 0o077) !== 0) await handle.chmod(0o600)
    const last = Buffer.alloc(1)
    if (status.size > 0) await handle.read(last, 0, 1, status.size - 1)
    if (status.size > 0 && last[0] !== 0x0a) await handle.write('\n')
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}

function createEventFile(
  handle: EventFileHandle,
  options: {
    readonly file: string
    readonly bufferOctetsMax: number
    readonly log: Log
    readonly delay?: (milliseconds: number) => Promise<unknown>
  },
): EventFile {
  const { bufferOctetsMax, log } = options
  const { delay = (milliseconds: number) => after(milliseconds, undefined, { ref: false }) } =
    options
  // Lines that wait, oldest first; the first one may be the rest of a batch that was written in part.
  let waiting: Buffer[] = []
  let waitingOctets = 0
  let failure: unknown
  let writing: Promise<void> | undefined
  let closed = false

  async function writeWaiting(): Promise<void> {
    while (waiting.length > 0) {
      const batch = Buffer.concat(waiting)
      waiting = [batch]
      const { bytesWritten } = await handle.write(batch)
      waitingOctets -= bytesWritten
      waiting[0] = batch.subarray(bytesWritten)
      if (bytesWritten === batch.length) waiting.shift()
    }
  }

  function write(): Promise<void> {
    writing ??= writeWaiting()
      .then(
        () => {
          failure = undefined
        },
        (error: unknown) => {
          failure = error
          log.error({ error }, 'decision log cannot be written')
          void delay(retryMilliseconds).then(() => (closed ? undefined : write()))
        },
      )
      .finally(() => {
        writing = undefined
      })
    return writing
  }

  async function flush(): Promise<void> {
    while (waiting.length > 0) {
      await write()
      if (failure !== undefined) throw failed('decision log cannot be written', failure)
    }
    try {
      await handle.datasync()
    } catch (cause) {
      throw failed('decision log cannot be made durable', cause)
    }
  }

  return {
    get available() {
      // Half of the room is for those who ask now: what they were told to be available is still taken.
      return !closed && failure === undefined && waitingOctets <= bufferOctetsMax / 2
    },
    append(line) {
      const octets = Buffer.from(`${line}\n`)
      if (closed || waitingOctets + octets.length > bufferOctetsMax) return false
      waiting.push(octets)
      waitingOctets += octets.length
      if (writing === undefined && failure === undefined) queueMicrotask(() => void write())
      return true
    },
    flush,
    async [Symbol.asyncDispose]() {
      if (closed) return
      closed = true
      try {
        await flush()
      } finally {
        await handle.close()
      }
    },
  }
}

function failed(message: string, cause: unknown): CountersignError {
  return new CountersignError('policy/log', message, { cause })
}
