import { deniedCode, isRefused, unknownTarget, type Refusal, type Refused } from '../refusal.ts'
import type { Call } from '../call.ts'
import type { Catalogue } from '../catalogue/catalogue.ts'
import { refuseUnknown } from './definition.ts'
import type { Decisions, Question } from './policy.ts'

/** How an operation that is denied is told: as denied, or, of what the caller is shown in no list, as what is not there. */
export type DenialMode = 'explicit' | 'hide'

/** A call of something; of a tool with its catalogue, by which it is told what is not there at this moment. */
export interface Hidden extends Question {
  readonly call: Call
  readonly catalogue?: Catalogue
}

/** What is told in the place of a denial. What is recorded is the denial in either mode. */
export interface Hiding {
  /** Of what no list shows the caller, whatever it would do with it. */
  unlisted(hidden: Hidden): ((denied: Refusal) => Refusal) | undefined
  /**
   * Of what policy denies, and of what is wrong with the form of a call: lists are asked whether they show it, for another call of the
   * same may be allowed. That policy cannot be asked is told as it is.
   */
  told<T extends object>(hidden: Hidden, answer: T | Refused): T | Refused
}

export function createHiding(mode: DenialMode, decisions: Pick<Decisions, 'isListed'>): Hiding {
  if (mode === 'explicit') return { unlisted: () => undefined, told: (_, answer) => answer }
  return {
    unlisted: (hidden) => (isNamed(hidden) ? (denied) => asUnknown(hidden, denied) : undefined),
    told(hidden, answer) {
      if (!isRefused(answer) || !isNamed(hidden)) return answer
      const isOfForm = answer.check === 'definition'
      if (!isOfForm && answer.refusal.code !== deniedCode) return answer
      if (decisions.isListed(hidden)) return answer
      return { ...answer, refusal: asUnknown(hidden, answer.refusal) }
    },
  }
}

/** A server as a whole is in no list, and a task is its owner's own. */
function isNamed({ call: { target, taskId } }: Hidden): boolean {
  return target.kind !== 'server' && taskId === undefined
}

/** Every refusal has a number. Whose decision it is, and what was decided, stands in the logs alone. */
function asUnknown({ call, catalogue }: Hidden, { detail, data }: Refusal): Refusal {
  const { decisionId } = (data ?? {}) as { readonly decisionId?: string }
  const told =
    catalogue === undefined ? unknownTarget(call.message) : refuseUnknown(call, catalogue).refusal
  return {
    ...told,
    ...(decisionId !== undefined && { data: { ...told.data, decisionId } }),
    ...(detail !== undefined && { detail }),
  }
}
