import { constants, type Stats } from 'node:fs'
import { open } from 'node:fs/promises'

export interface BoundedFile {
  readonly content: Buffer
  readonly status: Stats
}

/**
 * Reads a file of at most so many octets; undefined where it has more. A pipe in its place would wait for ever, and a device never end: both
 * are refused as what they are.
 */
export async function readBoundedFile(
  file: string,
  octetsMax: number,
  flags = 0,
): Promise<BoundedFile | undefined> {
  await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK | flags)
  const status = await handle.stat()
  if (!status.isFile()) throw new TypeError('not a regular file')
  if (status.size > octetsMax) return undefined
  // It may grow while it is read, and some files say no size at all.
  const chunks: Buffer[] = []
  let octets = 0
  while (octets <= octetsMax) {
    const chunk = Buffer.alloc(Math.min(chunkOctets, octetsMax + 1 - octets))
    const { bytesRead } = await handle.read(chunk, 0, chunk.length)
    if (bytesRead === 0) return { content: Buffer.concat(chunks, octets), status }
    chunks.push(chunk.subarray(0, bytesRead))
    octets += bytesRead
  }
  return undefined
}

const chunkOctets = 256 * 1024
