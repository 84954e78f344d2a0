import { randomUUID } from 'node:crypto'
import type { Call } from '../call.ts'
import type { Permit } from '../permit/authorize.ts'
import { isRefused } from '../refusal.ts'
import { isOwn, type LegacySession } from '../upstream/legacy-session.ts'
import { eachInTime, subscribeThere } from '../upstream/subscribe-there.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { tokenFor } from './call-token.ts'
import type { Parts } from './serve.ts'

export interface Renewing {
  readonly permit: Permit
  readonly parts: Pick<
    Parts,
    'authorizeTold' | 'judge' | 'limits' | 'log' | 'subscriptions' | 'tokens'
  >
  readonly upstream: Upstream
  /** In place of the one that is lost. Nobody else asks anything in it meanwhile. */
  readonly session: LegacySession
}

/** Whoever waits for the session waits no longer for what it had subscribed to. */
const renewMillisecondsMax = 5000

/**
 * Subscribes anew to what a session had subscribed to at a server that has lost it, as if its client did: each resource is decided on by itself,
 * though it counts under no limit, for nobody has called. What may not be subscribed to any more, or is not taken, its client has not
 * any more, of which no revision can tell it.
 */
export async function renewSubscriptions(renewing: Renewing): Promise<void> {
  const { permit, parts, upstream } = renewing
  const { subscriptions, log } = parts
  const { caller, session: whole } = permit.call
  const { server } = upstream.config
  if (whole === undefined) return
  const { owner, account } = caller
  const subscriber = { owner, account, key: whole.key, server }
  const uris = subscriptions.of(subscriber)
  const asked = new Set(uris)
  const taken = new Set<string>()
  let isLost = false
  const milliseconds = Math.min(upstream.timeoutMilliseconds / 2, renewMillisecondsMax)
  await eachInTime({ uris, milliseconds }, async ({ uri }, until) => {
    const isWanted = (): boolean =>
      !isLost && !until.aborted && subscriptions.of(subscriber).includes(uri)
    const said = await subscribeAnew(renewing, { uri, until, isWanted })
    if (said === 'taken') taken.add(uri)
    isLost ||= said === 'session lost'
  })
  // They are asked for in the next one, then.
  if (isLost) return
  const dropped = subscriptions.of(subscriber).filter((uri) => asked.has(uri) && !taken.has(uri))
  for (const uri of dropped) subscriptions.remove(subscriber, uri)
  if (dropped.length > 0) {
    const subject = caller.svid.spiffeId.uri
    log.warn({ server, subject, dropped: dropped.length }, 'subscriptions are not renewed')
  }
}

interface Wanted {
  readonly uri: string
  readonly until: AbortSignal
  /** Whether it still is. */
  readonly isWanted: () => boolean
}

async function subscribeAnew(
  { permit, parts, upstream, session }: Renewing,
  { uri, until, isWanted }: Wanted,
): Promise<Awaited<ReturnType<typeof subscribeThere>>> {
  if (!isOwn(session) || !isWanted()) return 'not taken'
  try {
    const permitted = await parts.authorizeTold(callOf(permit, upstream, uri))
    if (isRefused(permitted) || !isWanted()) return 'not taken'
    const token = await tokenFor(permitted, upstream, parts)
    if (typeof token === 'object' || !isWanted()) return 'not taken'
    const { account } = permit.call.caller
    const octetsMax = parts.limits.answerBytesMax
    // Its client may use any number for what it asks.
    const id = randomUUID()
    return await subscribeThere({ upstream, account, session, octetsMax, id, uri, token }, until)
  } catch (error) {
    parts.log.error({ error }, 'subscription could not be renewed')
    return 'not taken'
  }
}

/** What its client would ask. Of what it asks just now, nothing that policy or a token tells of is in it. */
function callOf({ call }: Permit, upstream: Upstream, uri: string): Call {
  const { arrived, caller, stay, session } = call
  const { era, version, offsets, body } = call.message
  const asked = {
    method: 'resources/subscribe',
    params: { uri },
    name: uri,
    id: { value: 0, raw: '0' },
  }
  return {
    arrived,
    caller,
    stay,
    session,
    message: { kind: 'request', era, version, offsets, body, ...asked },
    target: { kind: 'resource', upstream, name: uri },
    trace: undefined,
    arguments: undefined,
  }
}
