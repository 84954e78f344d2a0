import { isJsonObject } from '../../mcp/envelope.ts'
import { skipSpace } from '../../mcp/lex.ts'
import { looksLike } from '../../mcp/member-names.ts'
import type { Span } from '../../mcp/levels.ts'
import { membersOf } from '../../mcp/spans.ts'
import type { Reason } from '../../policy/decision.ts'
import { isRefused, type Refused } from '../refusal.ts'
import { whenThere, type Soon } from '../soon.ts'
import type { Permit } from './authorize.ts'
import type { Decisions } from './policy.ts'
import { offerText } from './resource.ts'
import { servesOffer } from '../upstream/upstream.ts'

/** A result that an upstream has given, judged as an answer. */
export interface GivenResult {
  readonly octets: Buffer
  readonly span: Span
}

/** What is read into policy at once. */
const urisMax = 1000

/**
 * Whether a result may be told to its caller: what its permit stands under is carried out, or the permit is none. The tool may have done
 * its work by then, as with every answer that is refused.
 */
export function judgeResult(
  permit: Permit,
  given: GivenResult,
  decisions: Decisions,
): Soon<Refused | undefined> {
  const refusal = judgeSize(permit, given, decisions)
  if (refusal !== undefined || !permit.duties.results.readableOnly) return refusal
  const { octets, span } = given
  const uris = new Set<string>()
  const isRead = collectUris(JSON.parse(octets.toString('utf8', span.start, span.end)), uris)
  if (!isRead || uris.size > urisMax) return decisions.refuse(permit, 'response', notReadable)
  return judgeReadable(permit, uris, decisions)
}

/** The same of what says no more than how much it is: what a server asks before it answers, and what it says in the place of an answer. */
export function judgeSize(
  permit: Permit,
  { span }: Pick<GivenResult, 'span'>,
  decisions: Decisions,
): Refused | undefined {
  return span.end - span.start > permit.duties.results.octetsMax
    ? decisions.refuse(permit, 'response', tooLarge)
    : undefined
}

/** The same of an error, which a tool could say in the place of what it may not bring back. */
export function judgeError(
  permit: Permit,
  octets: Buffer,
  decisions: Decisions,
): Refused | undefined {
  // Most say less as a whole than they may.
  if (octets.length <= permit.duties.results.octetsMax) return undefined
  const whole = membersOf(octets, { start: skipSpace(octets, 0), end: octets.length })
  const span = whole?.get('error')
  return span && judgeSize(permit, { span }, decisions)
}

/** Whether all of these resources, which stand in an answer of its server, may be read by the caller, too. */
export function judgeReadable(
  permit: Permit,
  uris: ReadonlySet<string>,
  decisions: Decisions,
): Soon<Refused | undefined> {
  const { upstream } = permit.call.target
  const denied = (): Refused => decisions.refuse(permit, 'response', notReadable)
  if (uris.size === 0) return undefined
  if (upstream === undefined) return denied()
  const { config } = upstream
  if (![...uris].every((uri) => servesOffer(config, 'resource', uri))) return denied()
  const texts = [...uris].map((uri) => offerText('resource', config.server, uri))
  return whenThere(decisions.decideList(permit.call, texts), (decided) => {
    if (isRefused(decided)) return decided
    return decided.shown.every(Boolean) ? undefined : denied()
  })
}

/**
 * Collects what resources a result embeds or links to (MCP 2026-07-28 tools and prompts, content): whatever stands under `uri` in its
 * content, in any case that a reader may take for it. What is structured is the tool's own, whatever it calls its members. False: one
 * of them is no text.
 */
function collectUris(result: unknown, uris: Set<string>): boolean {
  const { content, messages } = result as {
    readonly content?: unknown
    readonly messages?: unknown
  }
  const left: unknown[] = [content, messages]
  while (left.length > 0) {
    const each = left.pop()
    if (Array.isArray(each)) for (const inner of each) left.push(inner)
    else if (isJsonObject(each)) {
      for (const [name, value] of Object.entries(each)) {
        if (looksLike(name) !== 'uri') left.push(value)
        else if (typeof value === 'string') uris.add(value)
        else return false
      }
    }
  }
  return true
}

const tooLarge: Reason = {
  code: 'result-too-large',
  message: 'the result is larger than is allowed',
  audience: 'agent',
}

const notReadable: Reason = {
  code: 'answer-not-served',
  message: 'the answer held a resource that may not be read',
  audience: 'agent',
}
