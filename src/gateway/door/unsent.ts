import type { ServerResponse } from 'node:http'
import type { Unsent } from '../shares.ts'

/** Smaller answers are bounded by how many requests may be open. */
const countedOctetsMin = 64 * 1024

/**
 * Ends an answer with this body. Whoever leaves its answers lying until they are too many, or one for too long, is hung up on: the
 * memory is everybody's.
 */
export function endWith(response: ServerResponse, body: Buffer, unsent: Unsent | undefined): void {
  if (unsent === undefined || body.length < countedOctetsMin) {
    response.end(body)
    return
  }
  // The connection, not the answer: one that waits for those before it has no connection to end yet.
  const { socket } = response.req
  if (!unsent.take(body.length)) {
    socket.destroy()
    return
  }
  const timer = setTimeout(() => socket.destroy(), unsent.secondsMax * 1000)
  response.once('close', () => {
    clearTimeout(timer)
    unsent.give(body.length)
  })
  response.end(body)
}
