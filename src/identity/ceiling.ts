import { CountersignError, quoted } from '../errors.ts'
import { parseModel } from './model.ts'
import type { Model } from './model.ts'
import { containsToolScope, coversTool, parseToolScope } from './tool-scope.ts'
import type { ToolScope } from './tool-scope.ts'

/**
 * The most that a workload may ever be permitted. It permits nothing by itself: that is the policy's answer, at call time.
 * Both lists are ascending by octets, without duplicates.
 */
export interface Ceiling {
  readonly models: readonly Model[]
  readonly toolScopes: readonly ToolScope[]
}

/** Nothing: what a workload has that asks for nothing. */
export const emptyCeiling: Ceiling = { models: [], toolScopes: [] }

/** What the certificate's extension has room for; the annotations are held to the same bounds. */
export const modelsMax = 16
export const toolScopesMax = 32

/** Parses an annotation value of comma-separated models. Throws `identity/ceiling`, `identity/model`. */
export function parseModels(text: string): readonly Model[] {
  return membersOf(text, { what: 'models', membersMax: modelsMax, charactersMax: 63 }).map(
    (member) => parseModel(member),
  )
}

/** Parses an annotation value of comma-separated tool scopes. Throws `identity/ceiling`, `identity/tool-scope`. */
export function parseToolScopes(text: string): readonly ToolScope[] {
  return membersOf(text, {
    what: 'tool scopes',
    membersMax: toolScopesMax,
    charactersMax: 192,
  }).map((member) => parseToolScope(member))
}

/**
 * Parses what a server may be asked for at most: tools of it, or prefixes with a star, as they stand behind the colon of a tool scope.
 * Throws `identity/ceiling`, `identity/tool-scope`.
 */
export function parseServerScopes(server: string, tools: readonly string[]): readonly ToolScope[] {
  if (tools.length === 0) throw refused('list of tool scopes is empty')
  const bounds = { what: 'tool scopes', membersMax: toolScopesMax }
  return boundedMembers(tools, bounds).map((tool) => parseToolScope(`${server}:${tool}`))
}

/** Whether some scope of the ceiling has this tool. */
export function allowsTool(ceiling: Ceiling, server: string, tool: string): boolean {
  return ceiling.toolScopes.some((scope) => coversTool(scope, server, tool))
}

/** Whether the ceiling has this model, by its exact slug. */
export function allowsModel(ceiling: Ceiling, model: string): boolean {
  return ceiling.models.some((allowed) => allowed === model)
}

/** What both ceilings have. */
export function intersectCeilings(one: Ceiling, other: Ceiling): Ceiling {
  const within = (left: Ceiling, right: Ceiling): readonly ToolScope[] =>
    left.toolScopes.filter((scope) =>
      right.toolScopes.some((wider) => containsToolScope(wider, scope)),
    )
  const scopes = new Map(
    [...within(one, other), ...within(other, one)].map((scope) => [scope.text, scope]),
  )
  return {
    models: one.models.filter((model) => other.models.includes(model)),
    toolScopes: [...scopes.values()].toSorted((a, b) => compareOctets(a.text, b.text)),
  }
}

interface ListBounds {
  readonly what: string
  readonly membersMax: number
  readonly charactersMax: number
}

/** The members of a list, ascending. The grammars of members are ASCII, so the order of strings is that of octets. */
function membersOf(text: string, bounds: ListBounds): string[] {
  const { what, membersMax, charactersMax } = bounds
  const textMax = membersMax * (charactersMax + 1)
  if (text.length > textMax) {
    throw refused(`list of ${what} is too long, want=..${textMax} got=${text.length}`)
  }
  const members = text.split(',')
  if (members.includes(''))
    throw refused(`list of ${what} has an empty member, got=${quoted(text)}`)
  return boundedMembers(members, bounds)
}

function boundedMembers(
  unsorted: readonly string[],
  { what, membersMax }: Pick<ListBounds, 'what' | 'membersMax'>,
): string[] {
  const members = unsorted.toSorted(compareOctets)
  if (members.length > membersMax) {
    throw refused(
      `list of ${what} has too many members, want=..${membersMax} got=${members.length}`,
    )
  }
  const duplicate = members.find((member, index) => members[index + 1] === member)
  if (duplicate !== undefined) {
    throw refused(`list of ${what} has a duplicate, got=${quoted(duplicate)}`)
  }
  return members
}

function compareOctets(left: string, right: string): number {
  return left < right ? -1 : Number(left > right)
}

function refused(message: string): CountersignError {
  return new CountersignError('identity/ceiling', message)
}
