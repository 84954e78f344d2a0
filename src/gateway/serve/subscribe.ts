import { replyBody, type Reply } from '../door/reply.ts'
import type { Permit } from '../permit/authorize.ts'
import { isRefused, refused, statusOfAnswer, unknownMethod, type Refused } from '../refusal.ts'
import { isOwn } from '../upstream/legacy-session.ts'
import { bodyThere } from './as-there.ts'
import { askAnswer } from './ask.ts'
import { atItsDoor, inSession } from './in-session.ts'
import type { Parts } from './serve.ts'

/**
 * `resources/subscribe` and `resources/unsubscribe`, decided on as reading the resource is. A subscription is that of a session: without
 * one of its own, a caller would be told of what others have asked for.
 */
export async function subscribe(
  permit: Permit,
  reply: Reply,
  parts: Parts,
): Promise<Refused | undefined> {
  const { message, arrived, target } = permit.call
  const { upstream } = target
  if (upstream === undefined || message.kind !== 'request') return undefined
  const session = arrived.door.kind === 'all' ? inSession : atItsDoor
  const body = bodyThere(permit.call)
  const answer = await session(permit, parts, {
    upstream,
    use: (known) =>
      known !== undefined && isOwn(known)
        ? askAnswer({ permit, reply, upstream, body, session: known }, parts)
        : Promise.resolve(refused('target', unknownMethod(message))),
  })
  if (isRefused(answer)) return answer
  replyBody(reply, answer.octets, { status: statusOfAnswer(answer.status, message) })
  return undefined
}
