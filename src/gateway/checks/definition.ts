import type { Call } from '../call.ts'
import { refuseDecision } from '../decide.ts'
import type { Definition } from '../tools/definition.ts'
import type { Means } from '../means.ts'
import { compareParamHeaders } from '../../mcp/param-headers.ts'
import { rawIdOf } from '../call.ts'
import { quarantineOf } from '../tools/quarantine.ts'
import { unknownTool, type Refusal } from '../problem.ts'

/**
 * The tool that policy is asked about is the one that the upstream has now, approved where it is pinned, and the headers that
 * mirror its arguments say what they say.
 */
export function checkDefinition(
  call: Call,
  means: Means,
): Refusal | undefined | Promise<Refusal | undefined> {
  const { upstream, tool, message } = call
  if (upstream === undefined || tool === undefined || message === undefined) return undefined
  const found = means.catalogueOf(upstream, message.era).find(tool)
  if (found instanceof Promise) return found.then((definition) => judge(call, means, definition))
  return judge(call, means, found)
}

function judge(call: Call, means: Means, definition: Definition | undefined): Refusal | undefined {
  const { upstream, message } = call
  if (upstream === undefined || message === undefined || message.kind === 'response') {
    return undefined
  }
  const rawId = rawIdOf(call)
  if (definition === undefined) return unknownTool(rawId, message.name ?? '')
  const reason = quarantineOf(upstream.config, definition)
  // Set first: the event of a refusal names the digest that would have to be approved.
  call.definition = definition
  if (reason !== undefined) return refuseDecision(call, means, { check: 'definition', reason })
  if (message.era === 'legacy' || 'code' in definition.paramHeaders) return undefined
  const problem = compareParamHeaders(
    definition.paramHeaders,
    message.arguments,
    call.request.rawHeaders,
  )
  return problem === undefined || rawId === undefined ? problem : { ...problem, rawId }
}
