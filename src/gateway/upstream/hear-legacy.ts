import { changeOf, type ChangeFilter } from '../../mcp/changes.ts'
import { legacyVersions } from '../../mcp/revisions.ts'
import { gatewayInfo } from '../self.ts'
import { createSteadyAnswerer } from './answer-server.ts'
import type { ExchangeFailure } from './exchange.ts'
import { hearSession } from './hear-session.ts'
import {
  closeLegacySession,
  isOwn,
  openLegacySession,
  sessionRequest,
  type LegacySession,
  type OwnSession,
} from './legacy-session.ts'
import { lifeSecondsMax, type Hearing, type Listener } from './hearing.ts'
import { eachInTime, subscribeThere } from './subscribe-there.ts'

const [legacyVersion = ''] = legacyVersions

/** A server may say nothing, not even that it listens, before it has something to tell. */
const openMilliseconds = 1000

/**
 * Listens at a legacy server, in a session that is for nothing else: what it tells of lists comes on the stream of the session, and what it tells
 * of resources is asked for first (MCP 2025-11-25 resources, subscriptions). Acknowledged is what the server says that it tells of.
 */
export function hearLegacy(hearing: Hearing, listener: Listener): () => void {
  const ending = new AbortController()
  const { signal } = ending
  const fail = (failure: ExchangeFailure): void => {
    if (!signal.aborted) listener.ended({ kind: 'failed', failure })
  }
  void hear(hearing, listener, signal).then(
    (failure) => failure && fail(failure),
    (error: unknown) => fail({ failed: 'bad answer', detail: String(error) }),
  )
  return () => ending.abort()
}

async function hear(
  { upstream, account, filter, inNameOf, octetsMax }: Hearing,
  listener: Listener,
  signal: AbortSignal,
): Promise<ExchangeFailure | undefined> {
  const session = await openLegacySession({
    upstream,
    account,
    version: legacyVersion,
    hello: { capabilities: {}, clientInfo: gatewayInfo },
    answerBytesMax: octetsMax,
    signal,
  })
  if ('failed' in session) return session
  listener.opened?.()
  const close = (): void => closeLegacySession({ upstream }, session)
  if (signal.aborted) close()
  else signal.addEventListener('abort', close, { once: true })
  const wanted = offeredOf(session, filter)
  // In a session of nobody alone, others are told of what was asked for here.
  const isHeard =
    isOwn(session) &&
    (await openStream({ upstream, account, octetsMax, session }, listener, signal))
  if (signal.aborted) return undefined
  const to = { upstream, account, inNameOf, octetsMax, session }
  const uris = isHeard ? await subscribeAll(to, wanted.uris, signal) : []
  if (signal.aborted) return undefined
  listener.acknowledged({ lists: isHeard ? wanted.lists : [], uris })
  return undefined
}

/** What of it the server says that it tells. */
function offeredOf({ said }: LegacySession, { lists, uris }: ChangeFilter): ChangeFilter {
  const changes = said?.changes ?? []
  return {
    lists: lists.filter((list) => changes.includes(`${list}.listChanged`)),
    uris: changes.includes('resources.subscribe') ? uris : [],
  }
}

interface InSession extends Omit<Hearing, 'filter'> {
  readonly session: LegacySession
}

/** Done when the stream is open, with whether there is one. Each that listens has a place among the streams already. */
function openStream(
  { upstream, octetsMax, session }: InSession & { readonly session: OwnSession },
  listener: Listener,
  signal: AbortSignal,
): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const answerServer = createSteadyAnswerer({ upstream, request: sessionRequest(session, null) })
  let isTaken = false
  const taken = (): void => {
    isTaken = true
    resolve(true)
  }
  const late = setTimeout(taken, openMilliseconds)
  const leg = hearSession({
    upstream,
    session,
    answerBytesMax: octetsMax,
    streamSecondsMax: lifeSecondsMax,
    begun: taken,
    take(unasked) {
      if (signal.aborted) return undefined
      if (unasked.kind === 'of a task') return 'stream held a task of nobody'
      if (unasked.kind === 'server request') answerServer(unasked)
      else {
        const change = changeOf(unasked.method, unasked.params ?? {})
        if (change !== undefined) listener.changed(change)
      }
      return undefined
    },
    over(end) {
      clearTimeout(late)
      resolve(false)
      const isNotOffered = end !== undefined && 'status' in end
      // Whoever was told that there is a stream is told of its end, whatever the server says too late.
      if (signal.aborted || (!isTaken && isNotOffered)) return
      const isInOrder = end === undefined || isNotOffered
      listener.ended(isInOrder ? { kind: 'complete' } : { kind: 'failed', failure: end })
    },
  })
  signal.addEventListener('abort', () => leg.cancel(), { once: true })
  return promise
}

/** What the server has taken of them within half the time in which it has to be acknowledged. */
async function subscribeAll(
  to: InSession,
  uris: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const milliseconds = to.upstream.timeoutMilliseconds / 2
  const taken: string[] = []
  await eachInTime({ uris, milliseconds, signal }, async ({ uri, number }, until) => {
    if (await subscribe(to, { uri, id: number + 1 }, until)) taken.push(uri)
  })
  return [...taken]
}

async function subscribe(
  { inNameOf, ...to }: InSession,
  { uri, id }: { readonly uri: string; readonly id: number },
  signal: AbortSignal,
): Promise<boolean> {
  const token = await inNameOf?.tokenFor(uri)
  // Nobody is there any more that it would be asked for.
  if (signal.aborted || (inNameOf !== undefined && token === undefined)) return false
  return (await subscribeThere({ ...to, uri, id, token }, signal)) === 'taken'
}
