import type { IncomingMessage } from 'node:http'
import { readableId } from '../../mcp/readable-id.ts'
import { createSkeleton } from '../../mcp/skeleton.ts'
import { badRequest, refused, type Refused } from '../refusal.ts'

/** Of a body that is too large so much is passed over that its connection stays in use, in times of what may be read. */
const passedTimes = 4

/**
 * Reads the body, bounded before anything of it is parsed. What is too large is passed over for its id and its end, so that its sender
 * is told in its turn; what is larger than that by far is not read to its end, and the connection closes.
 */
export function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer | Refused> {
  return new Promise((resolve) => {
    const passedMax = bytesMax * passedTimes
    if (Number(request.headers['content-length']) > passedMax) {
      resolve(tooLarge(bytesMax, { close: true }))
      return
    }
    const skeleton = createSkeleton()
    let chunks: Buffer[] = []
    let length = 0
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= bytesMax) {
        chunks.push(chunk)
        return
      }
      for (const each of chunks) skeleton.push(each)
      chunks = []
      skeleton.push(chunk)
      if (length <= passedMax) return
      request.pause()
      resolve(tooLarge(bytesMax, { close: true }))
    })
    request.once('end', () => {
      const [only] = chunks
      if (length > bytesMax) resolve(tooLarge(bytesMax, idOf(skeleton.text())))
      else resolve(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks))
    })
    // The caller went away: nobody is left to be told anything.
    request.once('error', () => resolve(tooLarge(bytesMax, { close: true })))
    request.once('close', () => resolve(tooLarge(bytesMax, { close: true })))
  })
}

function idOf(text: Buffer | undefined): { readonly rawId?: string } {
  const rawId = text === undefined ? undefined : readableId(text)
  return rawId === undefined ? {} : { rawId }
}

function tooLarge(
  bytesMax: number,
  more: { readonly close?: true; readonly rawId?: string },
): Refused {
  const refusal = badRequest(413, `body is too large, want=..${bytesMax} octets`)
  return refused('body', { ...refusal, ...more })
}
