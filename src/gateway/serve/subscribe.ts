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
import type { Subscriber } from './subscriptions.ts'

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
  const isNew = message.method === 'resources/subscribe' && !isNoted(permit, parts)
  // Noted first: of what is one too many its session would never be told.
  if (isNew && !note(permit, parts)) return tooManyOfSession
  const answer = await session(permit, parts, {
    upstream,
    use: (known) =>
      known !== undefined && isOwn(known)
        ? askAnswer({ permit, reply, upstream, body, session: known }, parts)
        : Promise.resolve(refused('target', unknownMethod(message))),
  })
  const isTaken = !isRefused(answer) && answer.result !== undefined
  if (isTaken && !isNew) note(permit, parts)
  if (!isTaken && isNew) forget(permit, parts)
  if (isRefused(answer)) return answer
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
  if (!note(permit, parts)) return tooManyOfSession
  replyResult(reply, {})
  return undefined
}

const tooManyOfSession = refused('forward', tooMany('subscriptions of one session'))

/** False: it has too many already. */
function note(permit: Permit, parts: Parts): boolean {
  const { message, target } = permit.call
  const subscriber = subscriberOf(permit)
  if (subscriber === undefined || target.kind !== 'resource') return true
  if (message.method === 'resources/subscribe')
    return parts.subscriptions.add(subscriber, target.name)
  forget(permit, parts)
  return true
}

function forget(permit: Permit, { subscriptions }: Parts): void {
  const { target } = permit.call
  const subscriber = subscriberOf(permit)
  if (subscriber !== undefined && target.kind === 'resource')
    subscriptions.remove(subscriber, target.name)
}

function isNoted(permit: Permit, { subscriptions }: Parts): boolean {
  const { target } = permit.call
  const subscriber = subscriberOf(permit)
  return (
    subscriber !== undefined &&
    target.kind === 'resource' &&
    subscriptions.of(subscriber).includes(target.name)
  )
}

function subscriberOf({ call }: Permit): Subscriber | undefined {
  const { caller, session, target } = call
  if (session === undefined || target.upstream === undefined) return undefined
  const { owner, account } = caller
  return { owner, account, key: session.key, server: target.upstream.config.server }
}
