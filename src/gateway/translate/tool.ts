import type { Edit } from '../../mcp/edits.ts'
import { skipSpace } from '../../mcp/lex.ts'
import { isJsonObject } from '../../mcp/envelope.ts'
import { membersOf } from '../../mcp/spans.ts'
import { taskSupportIn, type TaskSupport } from '../../mcp/task.ts'

/** What of a tool's definition means something else in the other era. */
export interface ToolAcross {
  /** It runs as a task alone, and tasks of one era are not those of the other (MCP 2025-11-25 tasks, tool-level negotiation). */
  readonly needsTask: boolean
  /** Whether it runs as one where a client of its own era asks for that. */
  readonly taskSupport: TaskSupport
  /** How its `outputSchema` reads to legacy clients; undefined where that is as it is. */
  readonly outputForLegacy: Edit | undefined
}

const known = new WeakMap<object, ToolAcross>()

/** Read once of a definition. Its octets have been read as one before. */
export function toolAcross(definition: { readonly octets: Buffer }): ToolAcross {
  const read = known.get(definition)
  if (read !== undefined) return read
  const across = readTool(definition.octets)
  known.set(definition, across)
  return across
}

function readTool(octets: Buffer): ToolAcross {
  const members = membersOf(octets, { start: skipSpace(octets, 0), end: octets.length })
  const execution = members?.get('execution')
  const taskSupport = taskSupportIn(execution && valueIn(octets, execution))
  const needsTask = taskSupport === 'required'
  const span = members?.get('outputSchema')
  const schema = span && valueIn(octets, span)
  // To legacy clients the root of an output is an object (MCP 2025-11-25 schema, Tool).
  const isNatural = schema === undefined || (isJsonObject(schema) && schema['type'] === 'object')
  const outputForLegacy =
    span === undefined || isNatural
      ? undefined
      : { ...span, text: wrappedSchema(schema, octets.toString('utf8', span.start, span.end)) }
  return { needsTask, taskSupport, outputForLegacy }
}

/**
 * The schema of `{ "result": … }`. A schema that points into itself would point elsewhere from there, so of such a one no more is said than
 * that a result comes.
 */
function wrappedSchema(schema: unknown, text: string): string {
  const dialect = isJsonObject(schema) ? schema['$schema'] : undefined
  const named = typeof dialect === 'string' ? `"$schema":${JSON.stringify(dialect)},` : ''
  const within = pointer.test(text) ? '{}' : text
  return `{${named}"type":"object","properties":{"result":${within}},"required":["result"]}`
}

/** `$ref`, `$dynamicRef`, `$recursiveRef`, and names written with an escape, which might be one. */
const pointer = /[rR]ef"|\\u/

function valueIn(
  octets: Buffer,
  { start, end }: { readonly start: number; readonly end: number },
): unknown {
  return JSON.parse(octets.toString('utf8', start, end))
}
