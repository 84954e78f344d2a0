import type { ServerResponse } from 'node:http'
import type { Refusal } from '../refusal.ts'
import type { Caller } from './caller.ts'

export interface Tied {
  /** Nobody waits for the exchange any more. */
  readonly cancel: () => void
  /** The caller's identity has ended: it is told so, as far as its answer still can. */
  readonly tell: (refusal: Refusal) => void
}

/**
 * Ties an exchange to the two things that end it early: the caller goes away (which is cancellation to a modern server and none to
 * a legacy one; either way nobody reads on), or its identity ends. Returns how to untie it.
 */
export function tieExchange(
  caller: Caller,
  response: ServerResponse,
  { cancel, tell }: Tied,
): () => void {
  const endByIdentity = (refusal: Refusal): void => {
    // Told first: what is cancelled has nothing more to say.
    tell(refusal)
    cancel()
  }
  const endByCaller = (): void => {
    if (!response.writableFinished) cancel()
  }
  // What one call asks for in turn: whoever has ended since the last of it gets no next one.
  if (caller.ended !== undefined) {
    endByIdentity(caller.ended)
    return () => {}
  }
  // It has said so already, while its caller was judged or something was opened for it, and says so no second time.
  if (response.destroyed && !response.writableFinished) {
    cancel()
    return () => {}
  }
  caller.streams.add(endByIdentity)
  response.once('close', endByCaller)
  return () => {
    caller.streams.delete(endByIdentity)
    response.off('close', endByCaller)
  }
}
