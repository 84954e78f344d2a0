import type { ServerResponse } from 'node:http'
import type { Peer } from '../caller/caller.ts'

/** What answers may wait in memory for callers that do not read them. */
export interface UnsentBounds {
  /** Octets of whole answers, of one identity. */
  readonly unsentBytesMax: number
  /** How long one answer may take to be read. */
  readonly unsentSecondsMax: number
}

/** Smaller answers are bounded by how many requests may be open. */
const countedOctetsMin = 64 * 1024

/**
 * Ends an answer with this body. Whoever leaves its answers lying until they are too many, or one for too long, is hung up on: the
 * memory is everybody's.
 */
export function endWith(
  { peer, response }: { readonly peer: Peer | undefined; readonly response: ServerResponse },
  body: Buffer,
): void {
  if (peer === undefined || body.length < countedOctetsMin) {
    response.end(body)
    return
  }
  const { usage } = peer
  // The connection, not the answer: one that waits for those before it has no connection to end yet.
  const { socket } = response.req
  const { unsentBytesMax, unsentSecondsMax } = usage.bounds
  if (usage.unsentOctets + body.length > unsentBytesMax) {
    socket.destroy()
    return
  }
  usage.unsentOctets += body.length
  const timer = setTimeout(() => socket.destroy(), unsentSecondsMax * 1000)
  response.once('close', () => {
    clearTimeout(timer)
    usage.unsentOctets -= body.length
  })
  response.end(body)
}
