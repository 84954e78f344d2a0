import { replyBody, replyResult, type Reply } from '../door/reply.ts'
import type { Permit } from '../permit/authorize.ts'
import {
  isRefused,
  refused,
  statusOfAnswer,
  tooMany,
  unknownMethod,
  type Refused,
} from '../refusal.ts'
import { isAcross } from '../translate/era.ts'
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
  if (isAcross(message.era, upstream.config)) return subscribeHere(permit, reply, parts)
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
  if (answer.result !== undefined) note(permit, parts)
  replyBody(reply, answer.octets, { status: statusOfAnswer(answer.status, message) })
  return undefined
}

/**
 * A modern server has no sessions, so what one has subscribed to is known in this process alone, and asked for with its stream. What the
 * server does not tell of, nobody is told of.
 */
function subscribeHere(permit: Permit, reply: Reply, parts: Parts): Refused | undefined {
  const { message } = permit.call
  if (!parts.isOnlyWorker) return refused('target', unknownMethod(message))
  if (!note(permit, parts)) return refused('forward', tooMany('subscriptions of one session'))
  replyResult(reply, {})
  return undefined
}

/** False: it has too many already. */
function note({ call }: Permit, { subscriptions }: Parts): boolean {
  const { caller, session, target, message } = call
  if (session === undefined || target.kind !== 'resource') return true
  const { owner, account } = caller
  const { server } = target.upstream.config
  const subscriber = { owner, account, key: session.key, server }
  if (message.method === 'resources/subscribe') return subscriptions.add(subscriber, target.name)
  subscriptions.remove(subscriber, target.name)
  return true
}
