import { deniedCode, isRefused, unknownTarget, type Refusal, type Refused } from '../refusal.ts'
import type { Call } from '../call.ts'
import type { Definition } from '../catalogue/definition.ts'
import type { Decisions } from './policy.ts'

/** How an operation that is denied is told: as denied, or, of what the caller is shown in no list, as what is not there. */
export type DenialMode = 'explicit' | 'hide'

/** What is told in the place of a denial. What is recorded is the denial in either mode. */
export interface Hiding {
  /** Of what no list shows the caller, whatever it would do with it. */
  unlisted(call: Call): ((denied: Refusal) => Refusal) | undefined
  /** Of what policy denies: lists are asked whether they show it, for another call of the same may be allowed. */
  denied<T extends object>(call: Call, definition: Definition | undefined, decided: T): T | Refused
}

export function createHiding(mode: DenialMode, decisions: Pick<Decisions, 'isListed'>): Hiding {
  if (mode === 'explicit') {
    return { unlisted: () => undefined, denied: (_call, _definition, decided) => decided }
  }
  return {
    unlisted: (call) => (isNamed(call) ? (denied) => asUnknown(call, denied) : undefined),
    denied(call, definition, decided) {
      if (!isRefused(decided) || decided.refusal.code !== deniedCode || !isNamed(call)) {
        return decided
      }
      if (decisions.isListed({ call, definition })) return decided
      return { ...decided, refusal: asUnknown(call, decided.refusal) }
    },
  }
}

/** A server as a whole is in no list, and a task is its owner's own. */
function isNamed({ target, taskId }: Call): boolean {
  return target.kind !== 'server' && taskId === undefined
}

/** Every refusal has a number. Whose decision it is, and what was decided, stands in the logs alone. */
function asUnknown({ message }: Call, { detail, data }: Refusal): Refusal {
  const { decisionId } = data as { readonly decisionId: string }
  const unknown = unknownTarget(message)
  return { ...unknown, data: { ...unknown.data, decisionId }, ...(detail && { detail }) }
}
