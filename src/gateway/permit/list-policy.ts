import type { Authorizer } from '../../policy/authorizer.ts'
import type { Call, Target } from '../call.ts'
import type { Definition } from '../catalogue/definition.ts'
import { contextOf } from './context.ts'
import { createKeptLists, type KeptList, type ListQuestion } from './kept-lists.ts'
import type { ResourceText } from '../catalogue/resource-text.ts'
import type { Situation } from './policy.ts'
import { offerText } from './resource.ts'

/** What policy says of lists. What it has said a moment ago to the very same question is not asked again. */
export interface ListPolicy {
  isKnown(call: Call, resources: readonly ResourceText[]): boolean
  ask(call: Call, resources: readonly ResourceText[]): KeptList
  /** Whether the list that what is called would stand in shows it; a tool by its definition. */
  shows(call: Situation, definition: Definition | undefined): boolean
}

/** Texts of tools are made once for a definition. Those of anything else are made anew for each list, so no later one is of the same. */
function isKept({ message }: Call): boolean {
  return message.method === 'tools/list'
}

/** The list that each stands in. */
const listMethods = {
  tool: 'tools/list',
  prompt: 'prompts/list',
  resource: 'resources/list',
  resource_template: 'resources/templates/list',
} as const

/** As the list tells policy of it. */
function tellTarget(
  target: Exclude<Target, { readonly kind: 'server' }>,
  definition: Definition | undefined,
): ResourceText | undefined {
  const { server } = target.upstream.config
  return target.kind === 'tool'
    ? definition?.told(server)
    : offerText(target.kind, server, target.name)
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
    const { era, door, phase, upstream } = contextOf(call, { time: '' }, 'list')
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
        context: contextOf(call, { time: new Date(at).toISOString() }, 'list'),
      })
      const answer = { ...evaluated, at }
      if (evaluated.error === undefined && isKept(call)) kept.keep(question, answer)
      return answer
    },
    shows(call, definition) {
      const { target, caller } = call
      if (target.kind === 'server') return true
      const told = tellTarget(target, definition)
      if (told === undefined) return false
      const { value } = authorizer.filter({
        subject: caller.subjectText,
        action: listMethods[target.kind],
        resources: [told],
        context: contextOf(call, { time: new Date(now()).toISOString() }, 'list'),
      })
      return value?.[0] === true
    },
  }
}
