import type { Call } from '../call.ts'
import { refuseDecision } from './policy.ts'
import type { Definition } from '../catalogue/definition.ts'
import type { Means } from '../means.ts'
import { compareParamHeaders } from '../../mcp/param-headers.ts'
import { rawIdOf } from '../call.ts'
import { quarantineOf } from '../catalogue/pins.ts'
import { unavailable, unknownTool, type Refusal } from '../refusal.ts'
import type { ExchangeFailure } from '../upstream/exchange.ts'

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
  const catalogue = means.catalogueOf(upstream, message.era)
  const judgeFound = (found: Definition | undefined): Refusal | undefined =>
    found === undefined ? notFound(call, catalogue.failure) : judge(call, means, found)
  const found = catalogue.find(tool)
  return found instanceof Promise ? found.then(judgeFound) : judgeFound(found)
}

/** A tool that is not known is only known to be none while its server can be asked. */
function notFound(call: Call, failure: ExchangeFailure | undefined): Refusal {
  const { message } = call
  const rawId = rawIdOf(call)
  if (failure === undefined) {
    return unknownTool(rawId, message?.kind === 'request' ? (message.name ?? '') : '')
  }
  const { failed, detail } = failure
  const status = failed === 'time-out' ? 504 : 502
  const more = { rawId, detail: `${failed}: ${detail}` }
  const refusal = unavailable(status, 'upstream is temporarily unavailable', more)
  return { ...refusal, headers: retrySoon }
}

/** The least time between two lists of a catalogue. */
const retrySoon = { 'retry-after': '2' }

function judge(call: Call, means: Means, definition: Definition): Refusal | undefined {
  const { upstream, message } = call
  if (upstream === undefined || message === undefined || message.kind === 'response') {
    return undefined
  }
  const rawId = rawIdOf(call)
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
