import type { ServerResponse } from 'node:http'
import type { Caller } from './caller.ts'

/**
 * Ties an exchange to the two things that end it early: the caller goes away (which is cancellation to a modern server and none to
 * a legacy one; either way nobody reads on), or its identity ends. Returns how to untie it.
 */
export function tieExchange(
  caller: Caller,
  response: ServerResponse,
  cancel: () => void,
): () => void {
  const endByIdentity = (): void => {
    cancel()
    // A stream ends like a stream; an answer that has not begun must not look like an empty one.
    if (response.headersSent) response.end()
  }
  const endByCaller = (): void => {
    if (!response.writableFinished) cancel()
  }
  caller.streams.add(endByIdentity)
  response.once('close', endByCaller)
  return () => {
    caller.streams.delete(endByIdentity)
    response.off('close', endByCaller)
  }
}
