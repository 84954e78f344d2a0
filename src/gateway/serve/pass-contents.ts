import { listOf, valueOf, type AnswerBody } from '../../mcp/answer.ts'
import { applyEdits } from '../../mcp/edits.ts'
import type { Span } from '../../mcp/levels.ts'
import type { Texts } from '../translate/answer.ts'
import { oneList } from '../catalogue/definition.ts'
import { readNamed, uriCharactersMax } from '../catalogue/offer.ts'
import type { Call } from '../call.ts'
import { joinUri } from '../federated-name.ts'
import type { Permit } from '../permit/authorize.ts'
import { inTurns } from '../permit/in-turns.ts'
import { timeToLive } from '../permit/list.ts'
import { whyOver } from '../permit/over.ts'
import { judgeReadable } from '../permit/result.ts'
import { isRefused, type Refused } from '../refusal.ts'
import { retell, type Retold } from './ask.ts'
import { fault } from './fault.ts'
import { passResult } from './result.ts'
import type { Parts } from './serve.ts'

/**
 * What the caller is told of what was read. An answer may hold other resources than the one that was asked for (MCP 2026-07-28 resources,
 * a folder may give its files): each of them has to be one that the caller may read, else nothing of the answer is told.
 */
export async function passContents(
  permit: Permit,
  parts: Parts,
  answer: Retold,
): Promise<Buffer | Refused> {
  const { call } = permit
  const { octets, resultSpan: result } = answer
  const passed = await passResult(permit, parts, { octets, result })
  if (isRefused(passed)) return passed
  const contents = await contentsOf(answer, call, parts)
  const over = whyOver(call)
  if (over !== undefined) return over
  if (typeof contents === 'string') return fault({ failed: 'bad answer', detail: contents })
  const others = new Set(contents.map(({ uri }) => uri))
  others.delete(call.target.kind === 'resource' ? call.target.name : '')
  const refusal = await judgeReadable(permit, others, parts.decisions)
  return refusal ?? retell(answer, textsOf(permit, parts, { answer, contents }))
}

/** One of the contents: its URI, and where that stands in the answer. */
interface Content {
  readonly uri: string
  readonly span: Span
}

/** What is read into policy at once; a folder has fewer files. */
const contentsMax = 1000

/** The contents of an answer, or a sentence that says why they are none. */
async function contentsOf(
  answer: AnswerBody,
  call: Call,
  { turns }: Parts,
): Promise<readonly Content[] | string> {
  const spans = listOf(answer, 'contents')
  if (spans === undefined) return 'answer has no contents'
  if (spans.length > contentsMax) return `answer has too many contents, want=..${contentsMax}`
  const contents: Content[] = []
  const compared = oneList()
  const mayRead = inTurns(spans, call, turns)
  for (const each of spans) {
    const may = mayRead(each)
    if (!(may instanceof Promise ? await may : may)) break
    const read = readNamed(answer.octets, each, 'uri', compared)
    if (typeof read === 'string') return `contents are not read: ${read}`
    const { name: uri, span } = read
    if (uri.length > uriCharactersMax) return `a URI is too long, want=..${uriCharactersMax}`
    contents.push({ uri, span })
  }
  return contents
}

function textsOf(
  { call }: Permit,
  { now, limits }: Parts,
  { answer, contents }: { readonly answer: AnswerBody; readonly contents: readonly Content[] },
): Texts {
  const { server = '' } = call.target.upstream?.config ?? {}
  const whole = answer.result?.get('contents')
  const renamed =
    call.arrived.door.kind === 'all' && whole !== undefined
      ? { contents: renamedIn(answer.octets, whole, { server, contents }) }
      : {}
  if (call.message.era !== 'modern') return renamed
  const most = { now: now(), listSecondsMax: limits.listSecondsMax, ageMilliseconds: 0 }
  const ttlMs = isRetry(call)
    ? '0'
    : String(timeToLive(call.caller, valueOf(answer, 'ttlMs'), most))
  return { ...renamed, ttlMs, cacheScope: '"private"' }
}

/** The contents under their URIs at the door of all. */
function renamedIn(
  octets: Buffer,
  { start, end }: Span,
  { server, contents }: { readonly server: string; readonly contents: readonly Content[] },
): Buffer {
  const edits = contents.map(({ uri, span }) => ({
    start: span.start - start,
    end: span.end - start,
    text: JSON.stringify(joinUri(server, uri)),
  }))
  return applyEdits(octets.subarray(start, end), edits)
}

/** What was answered to somebody's input is nobody's to keep (MCP 2026-07-28, caching). */
function isRetry({ message }: Permit['call']): boolean {
  const { params } = message
  return Object.hasOwn(params, 'inputResponses') || Object.hasOwn(params, 'requestState')
}
