import type { Page } from '../../mcp/ask.ts'
import { formatEvent } from '../../mcp/events.ts'
import { isJsonObject } from '../../mcp/envelope.ts'
import type { JsonObject } from '../../mcp/scan.ts'
import { membersOf } from '../../mcp/spans.ts'
import { replyBody, type Reply } from '../door/reply.ts'
import type { Permit } from '../permit/authorize.ts'
import type { Refused } from '../refusal.ts'
import type { Soon } from '../soon.ts'
import { statusToModern, type Told } from '../translate/answer.ts'
import {
  isOfCall,
  passesAcross,
  withProgressToken,
  type Notification,
} from '../translate/notification.ts'
import type { AnswerHead } from '../upstream/exchange.ts'
import { callerHeaders } from '../upstream/headers.ts'
import { askForPages } from './pages-across.ts'
import { passAnswer, type GivenAnswer } from './pass-answer.ts'
import type { Parts } from './serve.ts'

/** Who waits for what comes of a call: its client, in the request that began it or in one that goes on with it. */
export interface Audience {
  readonly permit: Permit
  readonly reply: Reply
  readonly told: Told
  /** The level of messages that it wants to be told. */
  readonly level: unknown
  readonly settle: (refusal: Refused | undefined) => void
}

/** What a server has answered. */
export interface Answered extends GivenAnswer {
  /** It wants these opened before it is called. */
  readonly pages?: readonly Page[] | undefined
  readonly head: AnswerHead
}

/** What a server says beside its answer, in the words of the request that waits for it; `began`: the parameters of the one that it answers. */
export function tellNotification(
  { permit, reply, level }: Audience,
  data: Buffer,
  began: JsonObject,
): void {
  const { response } = reply
  const notification = JSON.parse(data.toString('utf8')) as Notification
  if (!isOfCall(notification, began)) return
  if (!passesAcross(notification, { era: 'modern', level })) return
  const { _meta: meta } = permit.call.message.params as { readonly _meta?: unknown }
  const told = withProgressToken(data, isJsonObject(meta) ? meta['progressToken'] : undefined)
  if (told === undefined || !response.headersSent || response.writableEnded) return
  response.write(formatEvent(told))
}

/** What its client is told of an answer, if policy lets it be told. */
export function passToAudience(
  { permit, told }: Audience,
  parts: Parts,
  { octets, result, pages }: Answered,
): Soon<Buffer | Refused> {
  if (pages !== undefined) return askForPages(permit, parts, { pages, told })
  return passAnswer(permit, parts, { octets, result, told })
}

/** `told` is what policy lets be told of the answer. */
export function tellAnswer(
  { reply }: Audience,
  { result, pages, head }: Answered,
  told: Buffer,
): void {
  const status = result === undefined && pages === undefined ? statusToModern(told) : 200
  replyBody(reply, told, { status, headers: callerHeaders(head.headers) })
}

/** What is asked of its client, by the names under which it answers. */
export function tellAsked(
  { reply, told }: Audience,
  asked: ReadonlyMap<string, Buffer>,
  state: string | undefined,
): void {
  const asks = [...asked].map(([name, text]) => `${JSON.stringify(name)}:${text.toString('utf8')}`)
  const members = `"resultType":"input_required","inputRequests":{${asks.join(',')}},"requestState":${JSON.stringify(state)}`
  replyBody(reply, Buffer.from(`{"jsonrpc":"2.0","id":${told.rawId},"result":{${members}}}`))
}

/** What a client has answered, by the names under which it was asked. */
export function answersOf({ message }: Permit['call']): ReadonlyMap<string, Buffer> {
  const { body, offsets, params } = message
  const given = params['inputResponses']
  const span = offsets.inputResponses
  if (span === undefined || !isJsonObject(given)) return new Map()
  const fit = [...(membersOf(body, span) ?? [])].filter(([name]) => isJsonObject(given[name]))
  return new Map(fit.map(([name, { start, end }]) => [name, body.subarray(start, end)]))
}
