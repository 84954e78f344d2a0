import { isJsonObject } from '../../mcp/envelope.ts'
import type { Era } from '../../mcp/message.ts'
import { legacyTasksVersion, runsToolsAsTasks, tasksExtension } from '../../mcp/task.ts'

/** What is served here of what a server may offer, by era, with what else it may say of each: that it tells of changes. */
const served: Readonly<Record<Era, Readonly<Record<string, readonly string[]>>>> = {
  modern: {
    tools: ['listChanged'],
    prompts: ['listChanged'],
    resources: ['listChanged', 'subscribe'],
    completions: [],
    extensions: [tasksExtension],
  },
  legacy: {
    tools: ['listChanged'],
    prompts: ['listChanged'],
    resources: ['listChanged', 'subscribe'],
    completions: [],
    logging: [],
  },
}

/** The capabilities of one server of this era: what is not served here must not be offered here. */
export function capabilitiesOf(offered: unknown, era: Era): object {
  const theirs = isJsonObject(offered) ? offered : {}
  return capabilities(era, (name, member) => {
    if (!Object.hasOwn(theirs, name)) return false
    const own = theirs[name]
    if (member === undefined) return true
    if (!isJsonObject(own)) return false
    return name === 'extensions' ? isJsonObject(own[member]) : own[member] === true
  })
}

/** Those of a server of the other era, by their names, and the changes that it tells of, such as `tools.listChanged`. */
export function capabilitiesAcross(
  names: readonly string[],
  changes: readonly string[] = [],
): object {
  const known = Object.entries(served.modern).filter(
    ([name]) => name !== 'extensions' && names.includes(name),
  )
  return Object.fromEntries(
    known.map(([name, members]) => {
      const told = members.filter((member) => changes.includes(`${name}.${member}`))
      return [name, Object.fromEntries(told.map((member) => [member, true]))]
    }),
  )
}

/** Those at the door of all: one server or another may have each of them, now or in a while. */
export function capabilitiesOfAll(era: Era): object {
  return capabilities(era, () => true)
}

function capabilities(
  era: Era,
  isOffered: (name: string, member: string | undefined) => boolean,
): object {
  const named = Object.entries(served[era]).filter(([name]) => isOffered(name, undefined))
  const all = named.map(([name, members]): readonly [string, object] => {
    const said = name === 'extensions' ? {} : true
    const offered = members.filter((member) => isOffered(name, member))
    return [name, Object.fromEntries(offered.map((member) => [member, said]))]
  })
  return Object.fromEntries(
    all.filter(([name, told]) => name !== 'extensions' || Object.keys(told).length > 0),
  )
}

/** What is served of tasks in a session of this revision, as a member of its capabilities (MCP 2025-11-25 tasks, server capabilities). */
export function tasksOfAll(version: string): object {
  return version === legacyTasksVersion ? { tasks: tasksWith({ cancel: {} }) } : {}
}

/** The same of one server. The list of a caller's tasks is the gateway's own, whether the server has one or not. */
export function tasksOf(offered: unknown, version: string): object {
  if (version !== legacyTasksVersion || !runsToolsAsTasks(offered)) return {}
  const { tasks } = offered as { readonly tasks: { readonly cancel?: unknown } }
  return { tasks: tasksWith(isJsonObject(tasks.cancel) ? { cancel: {} } : {}) }
}

function tasksWith(more: object): object {
  return { list: {}, ...more, requests: { tools: { call: {} } } }
}
