import { lstat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { CountersignError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { moveAside } from '../rotate.ts'
import { firstLineOf, openToRead, readCursor, writeCursor, type Cursor } from './cursor.ts'

/**
 * The files of a decision log as what is still to be sent: no event is written twice. A file is written over only once it has been sent,
 * so that the log is full rather than short of something.
 */
export interface Spool extends AsyncDisposable {
  /**
   * The next lines in their order, without their ends, of about so many octets, one at least; undefined where all is sent. The same again
   * until they are marked as sent.
   */
  read(octetsMax: number): Promise<readonly Buffer[] | undefined>
  /** So many of the lines that were read last are done with, and so after a crash. */
  sent(lines: number): Promise<void>
  /** Octets that are to be sent. */
  unsentOctets(): Promise<number>
  /** As `moveAside` of a log. Throws `policy/upload` while the file that it would write over is not sent. */
  moveAside(file: string, files: number): Promise<void>
}

/** `decisionLog.files` may be 100, with the one that is written to. */
const filesMax = 100

/** A call may be six mebibytes, and its event has more than its input. */
const lineOctetsMax = 16 * 1024 * 1024

const lineEnd = 0x0a

/** The file that is read at this moment: held open, so that no other one has its number. */
interface Current {
  readonly handle: FileHandle
  readonly dev: number
  readonly ino: number
  /** Of the first octet that is not sent. */
  offset: number
}

interface Found {
  readonly path: string
  readonly dev: number
  readonly ino: number
  readonly size: number
}

/** Where the current file stands among the log's, and those of them that are newer. */
interface Seen {
  readonly at: number | undefined
  readonly newer: readonly Found[]
}

/** Opens the spool where it was left: before the log is, since what is behind that place is new. Throws `policy/upload`. */
export async function openSpool(options: {
  readonly file: string
  readonly log: Log
}): Promise<Spool> {
  const { file, log } = options
  const cursor = await readCursor(file)
  const current = cursor === undefined ? undefined : await findCurrent(file, cursor)
  if (cursor !== undefined && current === undefined) {
    log.warn({ file }, 'decision log is sent from its oldest event: what was sent last is gone')
  }
  return new FilesSpool(file, current)
}

class FilesSpool implements Spool {
  readonly #file: string
  #current: Current | undefined
  /** Where each of the lines ends that were read last. */
  #ends: readonly number[] = []
  /** Whoever looks for a file meets none that is just being renamed. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(file: string, current: Current | undefined) {
    this.#file = file
    this.#current = current
  }

  async read(octetsMax: number): Promise<readonly Buffer[] | undefined> {
    for (;;) {
      let lines = await this.#readLines(octetsMax)
      if (lines.length > 0) return lines
      const [next] = (await this.#look()).newer
      if (next === undefined) return undefined
      // Where the next one has lines, nothing is written to this one any more: now it is read to its end.
      lines = await this.#readLines(octetsMax)
      if (lines.length > 0) return lines
      await this.#goOn(next)
    }
  }

  async sent(lines: number): Promise<void> {
    const end = this.#ends[lines - 1]
    if (this.#current === undefined || end === undefined) return
    this.#current.offset = end
    this.#ends = []
    const first = await firstLineOf(this.#current.handle)
    if (first !== undefined) await writeCursor(this.#file, { first, offset: end })
  }

  async unsentOctets(): Promise<number> {
    const { newer } = await this.#look()
    const own = await this.#unsentOfCurrent()
    return newer.reduce((octets, { size }) => octets + size, own)
  }

  moveAside(file: string, files: number): Promise<void> {
    return this.#inTurn(async () => {
      const oldest = files - 1
      if ((await findFile(file, oldest)) !== undefined && !(await this.#isSent(oldest))) {
        throw new CountersignError('policy/upload', 'decision log is full of what is not sent')
      }
      await moveAside(file, files)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turn
    await this.#current?.handle.close()
    this.#current = undefined
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => {})
    return done
  }

  async #readLines(octetsMax: number): Promise<readonly Buffer[]> {
    this.#ends = []
    const current = this.#current
    if (current === undefined) return []
    await sizeOf(current)
    for (let octets = octetsMax; ; octets = Math.min(octets * 4, lineOctetsMax)) {
      const buffer = Buffer.allocUnsafe(octets)
      const { bytesRead } = await current.handle.read(buffer, 0, octets, current.offset)
      const { lines, ends } = splitLines(buffer.subarray(0, bytesRead), current.offset)
      this.#ends = ends
      if (lines.length > 0 || bytesRead < octets) return lines
      // None of ours is so long: it is passed, in parts that are no events.
      if (octets === lineOctetsMax) current.offset += bytesRead
    }
  }

  async #goOn({ path, dev, ino }: Found): Promise<void> {
    const handle = await openToRead(path)
    if (handle === undefined) return
    const status = await handle.stat()
    // It was renamed meanwhile: it is looked for anew.
    if (status.dev !== dev || status.ino !== ino) return handle.close()
    const old = this.#current
    this.#current = { handle, dev, ino, offset: 0 }
    await old?.handle.close()
  }

  async #isSent(oldest: number): Promise<boolean> {
    const { at } = await this.#lookNow()
    if (at === undefined || at > oldest) return false
    return at < oldest || (await this.#unsentOfCurrent()) === 0
  }

  async #unsentOfCurrent(): Promise<number> {
    if (this.#current === undefined) return 0
    const size = await sizeOf(this.#current)
    return size - this.#current.offset
  }

  #look(): Promise<Seen> {
    return this.#inTurn(() => this.#lookNow())
  }

  /** Where the current file is, and those with lines that are newer, oldest first: all there are where it is gone, so some twice. */
  async #lookNow(): Promise<Seen> {
    const newer: Found[] = []
    for (let at = 0; at < filesMax; at += 1) {
      const found = await findFile(this.#file, at)
      if (found === undefined) continue
      if (found.ino === this.#current?.ino && found.dev === this.#current.dev) return { at, newer }
      if (found.size > 0) newer.unshift(found)
    }
    return { at: undefined, newer }
  }
}

/** Whoever looks sees whether the file was cut short in its place: then it has begun anew. */
async function sizeOf(current: Current): Promise<number> {
  const { size } = await current.handle.stat()
  if (size < current.offset) current.offset = 0
  return size
}

/** The whole lines of what was read, which begins at an offset of its file. */
function splitLines(
  octets: Buffer,
  offset: number,
): { readonly lines: readonly Buffer[]; readonly ends: readonly number[] } {
  const lines: Buffer[] = []
  const ends: number[] = []
  let begin = 0
  for (;;) {
    const end = octets.indexOf(lineEnd, begin)
    if (end === -1) return { lines, ends }
    lines.push(octets.subarray(begin, end))
    begin = end + 1
    ends.push(offset + begin)
  }
}

/** The file that begins as it did; read from its begin where it is not as it was left. */
async function findCurrent(file: string, { first, offset }: Cursor): Promise<Current | undefined> {
  for (let at = 0; at < filesMax; at += 1) {
    const handle = await openToRead(pathOf(file, at))
    if (handle === undefined) continue
    if ((await firstLineOf(handle)) !== first) {
      await handle.close()
      continue
    }
    const { dev, ino } = await handle.stat()
    const before = Buffer.alloc(1)
    const { bytesRead } = await handle.read(before, 0, 1, offset - 1)
    const isEnd = bytesRead === 1 && before[0] === lineEnd
    return { handle, dev, ino, offset: isEnd ? offset : 0 }
  }
  return undefined
}

async function findFile(file: string, at: number): Promise<Found | undefined> {
  const path = pathOf(file, at)
  try {
    const status = await lstat(path)
    if (!status.isFile()) return undefined
    return { path, dev: status.dev, ino: status.ino, size: status.size }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function pathOf(file: string, at: number): string {
  return at === 0 ? file : `${file}.${at}`
}
