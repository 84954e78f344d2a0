import { isJsonObject } from '../mcp/envelope.ts'
import { parseParamHeaders, type ParamHeader } from '../mcp/param-headers.ts'
import { isProblem } from '../mcp/problem.ts'
import type { JsonObject } from '../mcp/scan.ts'

/** Tools that want headers of their own; of more than so many, those that were listed first are forgotten. */
const toolsMax = 4096

/** What the lists that went by say of the arguments that a call has to repeat in headers (`x-mcp-header`). */
export interface ListedTools {
  /** Learns from the result of a `tools/list`. */
  learn(result: JsonObject): void
  of(name: unknown): readonly ParamHeader[]
}

export function createListedTools(): ListedTools {
  const known = new Map<string, readonly ParamHeader[]>()
  return {
    learn({ tools }) {
      for (const tool of Array.isArray(tools) ? tools : []) {
        if (!isJsonObject(tool) || typeof tool['name'] !== 'string') continue
        known.delete(tool['name'])
        const declared = parseParamHeaders(tool['inputSchema'])
        if (isProblem(declared)) continue
        if (declared.length > 0) known.set(tool['name'], declared)
        const [oldest] = known.keys()
        if (known.size > toolsMax && oldest !== undefined) known.delete(oldest)
      }
    },
    of: (name) => (typeof name === 'string' ? known.get(name) : undefined) ?? [],
  }
}
