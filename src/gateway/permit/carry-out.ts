import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import type { Call } from '../call.ts'
import { isRefused, limitReached, noRoom, type Refused } from '../refusal.ts'
import type { CallLimits, Exceeded } from './call-limits.ts'
import type { HoldOut } from './hold-out.ts'
import {
  dutiesOf,
  obligationUnknown,
  whyUntold,
  type Duties,
  type PermitDuties,
} from './obligations.ts'
import type { Decided, Decisions, Question } from './policy.ts'
import type { Soon } from '../soon.ts'

/** Carries out what a permit stands under before its call; else the permit is none. What is due after the call is in what it gives. */
export type CarryOut = (question: CallQuestion, decided: Decided) => Soon<PermitDuties | Refused>

interface CallQuestion extends Question {
  readonly call: Call
}

export interface CarryOutOptions {
  readonly decisions: Decisions
  readonly callLimits: CallLimits
  /** Undefined: no call can wait for an approval. */
  readonly holdOut?: HoldOut | undefined
  readonly log: Log
  readonly metrics: Metrics
}

/** Of what somebody is told unasked: it is no call, so none is counted; and what only an approval permits is not told. */
export function createCarryOutTold({ decisions }: Pick<CarryOutOptions, 'decisions'>): CarryOut {
  return (question, decided) => {
    const reason = whyUntold(decided)
    const duties = dutiesOf(decided)
    if (reason === undefined && !('unmet' in duties)) return duties
    return decisions.refuse(question, 'obligations', reason ?? obligationUnknown)
  }
}

export function createCarryOut(options: CarryOutOptions): CarryOut {
  const { decisions, callLimits, holdOut, log } = options
  return (question, decided) => {
    const duties = dutiesOf(decided)
    if ('unmet' in duties) {
      const { type, reason } = duties.unmet
      log.warn({ decision: decided.id, type, code: reason.code }, 'obligation cannot be met')
      return decisions.refuse(question, 'obligations', reason)
    }
    const { approval } = duties
    if (approval === undefined) return limit(question, duties) ?? duties
    if (holdOut === undefined) {
      log.warn({ decision: decided.id, type: 'approval' }, 'obligation cannot be met')
      return decisions.refuse(question, 'obligations', obligationUnknown)
    }
    // Counted first: who asks again and again is as limited as who calls.
    const limited = limit(question, duties)
    if (limited !== undefined) return limited
    return holdOut(question, approval).then((approved) =>
      isRefused(approved) ? approved : { ...duties, approved },
    )
  }

  function limit(question: CallQuestion, duties: Duties): Refused | undefined {
    const exceeded = callLimits.take(question.call, duties)
    return exceeded === undefined ? undefined : refuseExceeded(question, exceeded)
  }
  function refuseExceeded(question: Question, exceeded: Exceeded): Refused {
    if ('full' in exceeded) {
      const refusal = noRoom('windows of limits', exceeded.full)
      const reason = {
        code: 'limit-not-counted',
        message: refusal.message,
        audience: 'agent',
      } as const
      return decisions.refuse(question, 'obligations', reason, (denied) => ({
        ...denied,
        ...refusal,
        data: denied.data ?? {},
      }))
    }
    const { limit: reached, retrySeconds } = exceeded
    options.metrics.count('countersign_gateway_limited_total', { limit: reached.id })
    const told = limitReached(reached, retrySeconds)
    const reason = { code: 'limit-reached', message: told.message, audience: 'agent' } as const
    return decisions.refuse(question, 'obligations', reason, told.of)
  }
}
