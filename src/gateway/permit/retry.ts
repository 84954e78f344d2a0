import type { Call } from '../call.ts'
import { isAcross } from '../translate/era.ts'
import { canonicalize } from '../catalogue/canonical.ts'
import {
  openRequestState,
  sealRequestState,
  type CallOfState,
  type StateGiven,
} from '../handle/request-state.ts'
import type { Seal } from '../handle/seal.ts'
import type { Reason } from '../../policy/decision.ts'
import { badState, type Refused } from '../refusal.ts'
import type { Decisions } from './policy.ts'

export interface RetryParts {
  readonly seal: Seal
  readonly decisions: Decisions
  readonly now: () => number
}

/** The server's own `requestState` in a call that comes back with one; undefined: it has none. */
export function openRetry(
  call: Call,
  { seal, decisions, now }: RetryParts,
): StateGiven | Refused | undefined {
  const sealed = call.message.params['requestState']
  if (typeof sealed !== 'string') return undefined
  const opened = openRequestState(seal, callOf(call), { sealed, now: now() })
  if (!('why' in opened)) return opened
  const reason = stateRefused(opened.why)
  return decisions.refuse({ call, definition: undefined }, 'retry', reason, badState)
}

/** What the caller is given in place of the JSON text of a server's `requestState`; undefined: that is too long. */
export function sealRetry(
  call: Call,
  given: StateGiven,
  { seal, now }: Pick<RetryParts, 'seal' | 'now'>,
): string | undefined {
  return sealRequestState(seal, callOf(call), { ...given, now: now() })
}

function callOf(call: Call): CallOfState {
  const { caller, arrived, target, message, arguments: given } = call
  return {
    owner: caller.owner,
    door: arrived.door.name,
    server: serverOf(call),
    method: message.method,
    target: target.kind === 'server' ? '' : target.kind === 'tool' ? target.tool : target.name,
    argumentsDigest: canonicalize(given?.text ?? '{}', message.arguments ?? {}).digest,
  }
}

/** A server that is spoken to in the other era now is not the one that gave it. */
function serverOf({ target: { upstream }, message: { era } }: Call): string {
  if (upstream === undefined) return ''
  const { uri } = upstream.config.spiffeId
  return isAcross(era, upstream.config) ? `${uri} of the other era` : uri
}

/** Whose it is stands in the decision log alone. */
function stateRefused(why: string): Reason {
  return { code: 'request-state-refused', message: `requestState: ${why}`, audience: 'operator' }
}
