import { isJsonObject } from '../../mcp/envelope.ts'
import type { Ask } from '../../mcp/ask.ts'
import type { JsonObject } from '../../mcp/scan.ts'
import { isRefused, missingCapability, refused, type Refused } from '../refusal.ts'
import { whenThere, type Soon } from '../soon.ts'
import { isWithinCeiling, outsideCeiling } from './ceiling.ts'
import { obligationUnknown } from './obligations.ts'
import type { Decisions, Question } from './policy.ts'

/** What an ask belongs to: a permitted call, or a session where a server asks outside of any. */
export type Asking = Omit<Question, 'ask'>

/**
 * Whether a server may ask this of its caller: what the caller has declared that it does, within its ceiling, where policy lets this
 * server ask it. The caller is told of what it has not declared before anybody decides: there is nothing to decide on.
 */
export function permitAsk(
  asking: Asking,
  ask: Ask,
  decisions: Decisions,
): Soon<Refused | undefined> {
  const { call, definition } = asking
  const missing = undeclared(ask, declaredBy(asking))
  if (missing !== undefined) return refused('response', missingCapability(missing))
  const question = { call, definition, ask }
  if (!isWithinCeiling(call)) return decisions.refuse(question, 'response', outsideCeiling)
  return whenThere(decisions.decide(question), (decided) => {
    if (isRefused(decided)) return refused('response', decided.refusal)
    // No duty is known that what is asked could stand under.
    return decided.obligations.length === 0
      ? undefined
      : decisions.refuse(question, 'response', obligationUnknown)
  })
}

const capabilitiesMember = 'io.modelcontextprotocol/clientCapabilities'

/** What a client says that it does: a modern one with each request, a legacy one when its session begins. */
function declaredBy({ call }: Asking): JsonObject {
  const { message, session } = call
  if (message.era === 'legacy') return objectOf(session?.hello.capabilities)
  return objectOf(objectOf(message.params['_meta'])[capabilitiesMember])
}

/** Whether a modern client shows its user forms. */
export function declaresForms(asking: Asking): boolean {
  if (asking.call.message.era === 'legacy') return false
  return (
    undeclared({ method: 'elicitation/create', mode: 'form' }, declaredBy(asking)) === undefined
  )
}

/** The capability that a client needs for this, if it has not declared it (MCP 2026-07-28 and 2025-11-25 schema, ClientCapabilities). */
function undeclared(ask: Ask, declared: JsonObject): JsonObject | undefined {
  if (ask.method === 'roots/list')
    return isJsonObject(declared['roots']) ? undefined : { roots: {} }
  if (ask.method === 'sampling/createMessage') {
    const { sampling } = declared
    if (!ask.tools) return isJsonObject(sampling) ? undefined : { sampling: {} }
    return isJsonObject(objectOf(sampling)['tools']) ? undefined : { sampling: { tools: {} } }
  }
  const { elicitation } = declared
  const modes = objectOf(elicitation)
  // One that names no mode fills in forms, as all did before there were others.
  const isNamed = isJsonObject(modes[ask.mode])
  const isOld = ask.mode === 'form' && isJsonObject(elicitation) && modes['url'] === undefined
  return isNamed || isOld ? undefined : { elicitation: { [ask.mode]: {} } }
}

function objectOf(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {}
}
