import type { Authorizer } from '../../policy/authorizer.ts'
import type { Call } from '../call.ts'
import { contextOf } from './context.ts'
import { createKeptLists, type KeptList, type ListQuestion } from './kept-lists.ts'
import type { ResourceText } from '../catalogue/resource-text.ts'

/** What policy says of lists. What it has said a moment ago to the very same question is not asked again. */
export interface ListPolicy {
  isKnown(call: Call, resources: readonly ResourceText[]): boolean
  ask(call: Call, resources: readonly ResourceText[]): KeptList
}

/** Texts of tools are made once for a definition. Those of anything else are made anew for each list, so no later one is of the same. */
function isKept({ message }: Call): boolean {
  return message.method === 'tools/list'
}

export function createListPolicy(options: {
  readonly authorizer: Authorizer
  readonly now: () => number
  /** The longest time that a caller may keep a list. */
  readonly listSecondsMax: number
}): ListPolicy {
  const { authorizer, now } = options
  const kept = createKeptLists(options)

  function questionOf(call: Call, resources: readonly ResourceText[]): ListQuestion {
    const { subjectText } = call.caller
    const { era, door, phase, upstream } = contextOf(call, '', 'list')
    // The eras of a server may be configured anew meanwhile.
    const there = upstream?.era ?? 'several'
    const { method } = call.message
    // None of these but the last may hold a space.
    const asking = [authorizer.digest, method, era, door, phase, there, subjectText].join(' ')
    return { asking, resources }
  }
  return {
    isKnown: (call, resources) => kept.find(questionOf(call, resources)) !== undefined,
    ask(call, resources) {
      const question = questionOf(call, resources)
      const known = kept.find(question)
      if (known !== undefined) return known
      const at = now()
      const evaluated = authorizer.filter({
        subject: call.caller.subjectText,
        action: call.message.method,
        resources,
        context: contextOf(call, new Date(at).toISOString(), 'list'),
      })
      const answer = { ...evaluated, at }
      if (evaluated.error === undefined && isKept(call)) kept.keep(question, answer)
      return answer
    },
  }
}
