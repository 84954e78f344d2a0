import type { Era } from '../../mcp/message.ts'

/** What is served here of what a server may offer, by era; none of it with a stream of changes. */
const served: Readonly<Record<Era, readonly string[]>> = {
  modern: ['tools', 'prompts', 'resources', 'completions'],
  legacy: ['tools', 'prompts', 'resources', 'completions', 'logging'],
}

/** The capabilities of one server: what is not served here must not be offered here. */
export function capabilitiesOf(offered: unknown, era: Era): object {
  const names = typeof offered === 'object' && offered !== null ? offered : {}
  return empty(served[era].filter((name) => Object.hasOwn(names, name)))
}

/** Those at the door of all: one server or another may have each of them, now or in a while. */
export function capabilitiesOfAll(era: Era): object {
  return empty(served[era])
}

function empty(names: readonly string[]): object {
  return Object.fromEntries(names.map((name) => [name, {}]))
}
