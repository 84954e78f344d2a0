import type { Call } from '../call.ts'
import { openRetry, type RetryParts } from '../permit/retry.ts'
import { problemCodes } from '../../mcp/problem.ts'
import { isRefused, type Refusal, type Refused } from '../refusal.ts'
import { isAcross } from '../translate/era.ts'
import { openPagesState, pagesDeclined } from './pages-across.ts'
import type { Talks } from './talks.ts'

type GoesOn = Partial<
  Pick<Call, 'requestState' | 'suspended' | 'rounds' | 'stay' | 'pageRounds' | 'approved'>
>

/**
 * What a call goes on with that brings something back: the state of its modern server, a call that is open at a legacy one, or how often
 * that has wanted pages opened before it is called; and its approval, where it had one. A call that is open is known in the process alone that has asked, until the time of what was asked is over, and goes on once: nothing is called again in its
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
    return { requestState: opened.state, approved: opened.approved }
  }
  const { state = '{}', approved } = opened
  const pages = openPagesState(state)
  if (pages !== undefined) {
    return pagesDeclined(call, pages, parts.decisions) ?? { pageRounds: pages.rounds, approved }
  }
  const found = parts.talks.find(state)
  if (found === undefined) {
    return parts.decisions.refuse({ call, definition: undefined }, 'retry', notOpen, callAgain)
  }
  const { stay, approved: before, pageRounds, ...suspended } = found
  // What it has taken is taken once, and how often it was put off is counted through all that it is asked.
  return { suspended, rounds: 1, stay, approved: before, pageRounds }
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
