import type { Call } from '../call.ts'
import { openRetry, type RetryParts } from '../permit/retry.ts'
import { problemCodes } from '../../mcp/problem.ts'
import { isRefused, type Refusal, type Refused } from '../refusal.ts'
import { isAcross } from '../translate/era.ts'
import { openPagesState, pagesOpened } from './pages-across.ts'
import type { Talks } from './talks.ts'

type GoesOn =
  | { readonly requestState: string }
  | Required<Pick<Call, 'suspended' | 'rounds' | 'stay'>>
  | Required<Pick<Call, 'pageRounds'>>

/**
 * What a call goes on with that brings something back: the state of its modern server, a call that is open at a legacy one, or, where
 * that wants pages opened before it is called, how often it has wanted that. A call that is open is
 * known in the process alone that has asked, until the time of what was asked is over, and goes on once: nothing is called again in its
 * place, because it may have been done already.
 */
export function goingOn(
  call: Call,
  parts: RetryParts & { readonly talks: Talks },
): GoesOn | Refused | undefined {
  const opened = openRetry(call, parts)
  if (opened === undefined || isRefused(opened)) return opened
  const { upstream } = call.target
  if (upstream === undefined || !isAcross(call.message.era, upstream.config)) {
    return { requestState: opened.state }
  }
  const opening = openPagesState(opened.state)
  if (opening !== undefined) return pagesOpened(call, opening, parts.decisions)
  const found = parts.talks.find(opened.state)
  if (found === undefined) {
    return parts.decisions.refuse({ call, definition: undefined }, 'retry', notOpen, callAgain)
  }
  const { stay, ...suspended } = found
  // What it has taken is taken once.
  return { suspended, rounds: 1, stay }
}

const notOpen = {
  code: 'request-state-refused',
  message: 'requestState: its call is not open in this process, or has gone on',
  audience: 'operator',
} as const

function callAgain(refusal: Refusal): Refusal {
  const { decisionId } = refusal.data as { readonly decisionId: string }
  return {
    status: 400,
    code: problemCodes.invalidParams,
    message: 'the call that asked is not open any more: call again without requestState',
    data: { decisionId },
    ...(refusal.detail === undefined ? {} : { detail: refusal.detail }),
  }
}
