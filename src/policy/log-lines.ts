import type { FileHandle } from 'node:fs/promises'
import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { CountersignError, quoted } from '../errors.ts'

/** A call may be six mebibytes, and its event has more than its input. */
const lineOctetsMax = 16 * 1024 * 1024

const lineEnd = 0x0a
const chunkOctets = 262_144

/** Gives the whole lines of a decision log without their ends, and returns what comes after the last one. Throws `policy/replay`. */
export async function* readLines(
  octets: AsyncIterable<Buffer>,
  name: string,
): AsyncGenerator<Buffer, Buffer> {
  let parts: Buffer[] = []
  let waiting = 0
  for await (const chunk of octets) {
    let from = 0
    for (let at = chunk.indexOf(lineEnd); at !== -1; at = chunk.indexOf(lineEnd, from)) {
      const rest = chunk.subarray(from, at)
      yield parts.length === 0 ? rest : Buffer.concat([...parts, rest])
      parts = []
      waiting = 0
      from = at + 1
    }
    parts.push(chunk.subarray(from))
    waiting += chunk.length - from
    if (waiting > lineOctetsMax) {
      const message = `line of a decision log is too long, want=..${lineOctetsMax} octets`
      throw new CountersignError('policy/replay', `${message} got=${quoted(name, 200)}`)
    }
  }
  return Buffer.concat(parts)
}

/** What an open file holds from its begin, unpacked where others have packed it with gzip. */
export async function octetsOf(handle: FileHandle): Promise<AsyncIterable<Buffer>> {
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(2), 0, 2, 0)
  const isPacked = bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b
  if (!isPacked) return readChunks(handle)
  const unpacked = createGunzip()
  pipeline(Readable.from(readChunks(handle)), unpacked, () => {})
  return unpacked as AsyncIterable<Buffer>
}

async function* readChunks(handle: FileHandle): AsyncGenerator<Buffer, void> {
  for (let position = 0; ;) {
    const chunk = Buffer.allocUnsafe(chunkOctets)
    const { bytesRead } = await handle.read(chunk, 0, chunkOctets, position)
    if (bytesRead === 0) return
    position += bytesRead
    yield chunk.subarray(0, bytesRead)
  }
}
