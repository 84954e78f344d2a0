import { replyResult, type Reply } from '../door/reply.ts'
import type { Permit } from '../permit/authorize.ts'
import { refused, tooMany, unknownMethod, type Refused } from '../refusal.ts'
import { isAcross } from '../translate/era.ts'
import { isOwn } from '../upstream/legacy-session.ts'
import { forward } from './forward.ts'
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
  const { message, target } = permit.call
  const { upstream } = target
  if (upstream === undefined || message.kind !== 'request') return undefined
  if (isAcross(message.era, upstream.config)) return subscribeHere(permit, reply, parts)
  // Noted first: of what is one too many its session would never be told.
  const end = begin(permit, parts)
  if (end === undefined) return tooManyOfSession
  let isTaken = false
  try {
    return await forward(permit, reply, parts, {
      unfitIn: (session) =>
        session !== undefined && isOwn(session)
          ? undefined
          : refused('target', unknownMethod(message)),
      done: () => (isTaken = true),
    })
  } finally {
    end(isTaken)
  }
}

/**
 * A modern server has no sessions, so what one has subscribed to is known in this process alone, and asked for with its stream. What the
 * server does not tell of, nobody is told of.
 */
function subscribeHere(permit: Permit, reply: Reply, parts: Parts): Refused | undefined {
  const { message } = permit.call
  if (!parts.isOnlyWorker) return refused('target', unknownMethod(message))
  const end = begin(permit, parts)
  if (end === undefined) return tooManyOfSession
  end(true)
  replyResult(reply, {})
  return undefined
}

const tooManyOfSession = refused('forward', tooMany('subscriptions of one session'))

/** What is given is told whether it was taken; undefined: the session has too many already. */
function begin(
  { call }: Permit,
  { subscriptions }: Parts,
): ((isTaken: boolean) => void) | undefined {
  const { caller, message, session, target } = call
  if (session === undefined || target.kind !== 'resource') return () => {}
  const { owner, account } = caller
  const { server } = target.upstream.config
  const subscriber = { owner, account, key: session.key, server }
  if (message.method === 'resources/subscribe') return subscriptions.ask(subscriber, target.name)
  return (isTaken) => {
    if (isTaken) subscriptions.remove(subscriber, target.name)
  }
}
