import type { Call } from '../call.ts'
import { refused, unavailable, type Refused } from '../refusal.ts'

/**
 * Why nothing more is done for a call whose answer takes several turns of the loop: its caller's identity has ended since, or nobody
 * reads the answer any more.
 */
export function whyOver({ caller, arrived: { response } }: Call): Refused | undefined {
  if (caller.ended !== undefined) return refused('peer', caller.ended)
  return response.destroyed && !response.writableFinished ? gone : undefined
}

const gone: Refused = refused('response', unavailable(502, 'caller has gone'))
