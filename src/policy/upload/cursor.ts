import { hash } from 'node:crypto'
import { constants } from 'node:fs'
import { open, rename, rm, type FileHandle } from 'node:fs/promises'
import { readBoundedFile } from '../../bounded-file.ts'
import { CountersignError } from '../../errors.ts'
import { writeSynced } from '../synced-file.ts'

/** How far a log has been sent: a file by what it begins with, whatever it is called by now, and the octets of it that are done with. */
export interface Cursor {
  /** SHA-256 of its first line, hex. */
  readonly first: string
  readonly offset: number
}

const cursorOctetsMax = 1024

/** Of the first line: label, number, path and time of an event are within it. */
const firstOctetsMax = 4096

/** Undefined where nothing was sent yet, and where what stands there is none: then all is sent again. Throws `policy/upload`. */
export async function readCursor(file: string): Promise<Cursor | undefined> {
  try {
    const found = await readBoundedFile(cursorOf(file), cursorOctetsMax, constants.O_NOFOLLOW)
    return found === undefined ? undefined : parseCursor(found.content.toString())
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new CountersignError('policy/upload', 'what was sent of the decision log is not known', {
      cause,
    })
  }
}

/** All of it or nothing: after a crash the one before may stand there, and what was sent since is sent again. */
export async function writeCursor(file: string, { first, offset }: Cursor): Promise<void> {
  const path = cursorOf(file)
  const beside = `${path}.part`
  // One process sends a log; what stands here is what its crash has left.
  await rm(beside, { force: true })
  await writeSynced(beside, `${JSON.stringify({ first, offset })}\n`)
  await rename(beside, path)
}

/** Undefined where the file has no whole line yet. */
export async function firstLineOf(handle: FileHandle): Promise<string | undefined> {
  const octets = Buffer.alloc(firstOctetsMax)
  const { bytesRead } = await handle.read(octets, 0, octets.length, 0)
  const end = octets.subarray(0, bytesRead).indexOf(0x0a)
  if (end === -1 && bytesRead < octets.length) return undefined
  return hash('sha256', end === -1 ? octets : octets.subarray(0, end), 'hex')
}

/** Undefined where there is none. */
export async function openToRead(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function parseCursor(text: string): Cursor | undefined {
  const match = /^\{"first":"([0-9a-f]{64})","offset":([1-9]\d{0,15})\}\n$/.exec(text)
  if (match === null) return undefined
  const [, first = '', offset] = match
  return { first, offset: Number(offset) }
}

function cursorOf(file: string): string {
  return `${file}.sent`
}
