import type { IncomingMessage } from 'node:http'
import { badRequest, refused, type Refused } from '../refusal.ts'

/** Reads the body, bounded before anything of it is parsed. What is too large is not read to its end: the connection closes. */
export function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer | Refused> {
  return new Promise((resolve) => {
    if (Number(request.headers['content-length']) > bytesMax) {
      resolve(tooLarge(bytesMax))
      return
    }
    const chunks: Buffer[] = []
    let length = 0
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= bytesMax) chunks.push(chunk)
      else {
        request.pause()
        resolve(tooLarge(bytesMax))
      }
    })
    request.once('end', () => {
      const [only] = chunks
      resolve(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks))
    })
    // The caller went away: nobody is left to be told anything.
    request.once('error', () => resolve(tooLarge(bytesMax)))
    request.once('close', () => resolve(tooLarge(bytesMax)))
  })
}

function tooLarge(bytesMax: number): Refused {
  const refusal = badRequest(413, `body is too large, want=..${bytesMax} octets`)
  return refused('body', { ...refusal, close: true })
}
