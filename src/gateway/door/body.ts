import type { IncomingMessage } from 'node:http'
import type { Call } from '../call.ts'
import type { Means } from '../means.ts'
import { badRequest, type Refusal } from '../refusal.ts'

/** Reads the body, bounded before anything of it is parsed. What is too large is not read to its end: the connection closes. */
export async function checkBody(call: Call, means: Means): Promise<Refusal | undefined> {
  const { bodyBytesMax } = means.limits
  if (Number(call.request.headers['content-length']) > bodyBytesMax) return tooLarge(bodyBytesMax)
  const body = await readBody(call.request, bodyBytesMax)
  if (body === undefined) return tooLarge(bodyBytesMax)
  call.body = body
  return undefined
}

function tooLarge(bodyBytesMax: number): Refusal {
  const refusal = badRequest(413, `body is too large, want=..${bodyBytesMax} octets`)
  return { ...refusal, close: true }
}

/** The octets of the body; undefined when there are more, or when the caller goes away and nobody is left to tell. */
function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let length = 0
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= bytesMax) chunks.push(chunk)
      else {
        request.pause()
        resolve(undefined)
      }
    })
    request.once('end', () => {
      const [only] = chunks
      resolve(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks))
    })
    request.once('error', () => resolve(undefined))
    request.once('close', () => resolve(undefined))
  })
}
