import { formatEvent, keepAlive } from '../../mcp/events.ts'
import type { Caller } from '../caller/caller.ts'
import { tieExchange } from '../caller/streams.ts'
import type { Door } from '../door/arrived.ts'
import { endReply, streamHeaders, type Reply } from '../door/reply.ts'
import { joinUri } from '../federated-name.ts'
import type { Session } from '../handle/session.ts'
import { permitAsk } from '../permit/asks.ts'
import { isWithinCeiling, visibleUpstreams } from '../permit/ceiling.ts'
import { listeningTo, mayHearOfList, mayHearOfLogs, mayHearOfResource } from '../permit/heard.ts'
import type { Situation } from '../permit/policy.ts'
import { badRequest, refused, type Refused } from '../refusal.ts'
import { whenThere } from '../soon.ts'
import type { Leg, LegEnd } from '../upstream/hear-session.ts'
import { isOwn, type LegacySession } from '../upstream/legacy-session.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { AskCarrier, lineOfStream } from './carry-asks.ts'
import { createChanges, type Changes } from './changes.ts'
import { fault, sessionOver } from './fault.ts'
import { sessionOfServer } from './in-session.ts'
import type { Parts } from './serve.ts'
import { isAcross } from '../translate/era.ts'
import { openModernLeg } from './modern-leg.ts'
import { createTaskTeller } from './task-told.ts'
import { openLeg } from './stream-leg.ts'

/** Somebody who wants to hear what the servers of a session say outside of any call. */
export interface Listening {
  readonly caller: Caller
  readonly session: Session
  readonly door: Door
  readonly reply: Reply
}

/** The wait before the stream of one of several servers is opened again; it doubles up to the most. */
const againMillisecondsMin = 1000
const againMillisecondsMax = 30_000

/**
 * The stream of a legacy session (MCP 2025-11-25 transports, listening for messages from the server). Opening it gives nothing: of what
 * comes on it each message is decided on, as far as its caller could ask for it or be asked.
 */
export function listen(listening: Listening, parts: Parts): Promise<Refused | undefined> {
  const { door } = listening
  if (door.kind === 'all') return listenToAll(listening, parts)
  const upstream = parts.upstreams.get(door.server)
  const isOffered = upstream !== undefined && isWithinCeiling(listeningTo(listening, upstream))
  if (!isOffered) return Promise.resolve(refused('target', noStream(405)))
  return listenToOne(listening, parts, upstream)
}

/** As the server answers: without a stream of its own, there is none. */
function listenToOne(
  listening: Listening,
  parts: Parts,
  upstream: Upstream,
): Promise<Refused | undefined> {
  const isModern = isAcross('legacy', upstream.config)
  const there = isModern ? undefined : sessionOfServer(listening.session, parts, upstream)
  if (!isModern && there === undefined) return Promise.resolve(sessionOver)
  if (there !== undefined && !isOwn(there)) {
    return Promise.resolve(refused('forward', noStream(405)))
  }
  return new Promise((resolve) => {
    let leg: Leg | undefined
    const stream = openCallerStream(listening, parts, () => {
      leg?.cancel()
      resolve(undefined)
    })
    if (stream.isOver) return
    leg = openOne(listening, parts, {
      stream,
      upstream,
      there,
      over(end) {
        // Before the stream ends, which resolves what has not begun as if its caller had gone.
        resolve(stream.hasBegun ? undefined : refusalOf(end))
        stream.end()
      },
    })
  })
}

function refusalOf(end: LegEnd): Refused | undefined {
  if (end === undefined) return undefined
  if ('failed' in end) return end.failed === 'cancelled' ? undefined : fault(end)
  return end.status === 404 ? sessionOver : refused('forward', noStream(end.status))
}

function noStream(status: number): Refused['refusal'] {
  return badRequest(status === 409 ? 409 : 405, 'the server offers no stream')
}

/**
 * What all servers of the session say, on one stream. It stays open whatever becomes of theirs: one that ends is opened again, and one
 * that is not offered, or is of a session that is lost, is waited for.
 */
function listenToAll(listening: Listening, parts: Parts): Promise<Refused | undefined> {
  const { caller } = listening
  const legs = new Map<string, { leg?: Leg; again?: NodeJS.Timeout }>()
  return new Promise((resolve) => {
    const stream = openCallerStream(listening, parts, () => {
      for (const { leg, again } of legs.values()) {
        clearTimeout(again)
        leg?.cancel()
      }
      resolve(undefined)
    })
    function open(server: string, waitMilliseconds: number): void {
      const place = legs.get(server) ?? {}
      legs.set(server, place)
      const upstream = parts.upstreams.get(server)
      const there = upstream && sessionOfServer(listening.session, parts, upstream)
      const isModern = upstream !== undefined && isAcross('legacy', upstream.config)
      const later = (milliseconds: number): void => {
        if (stream.isOver) return
        const next = Math.min(2 * milliseconds, againMillisecondsMax)
        place.again = setTimeout(open, milliseconds, server, next).unref()
      }
      if (upstream === undefined || (!isModern && (there === undefined || !isOwn(there)))) {
        later(againMillisecondsMax)
        return
      }
      const openedAt = parts.now()
      place.leg = openOne(listening, parts, {
        stream,
        upstream,
        there,
        over(end) {
          delete place.leg
          const isOffered = end === undefined || 'failed' in end
          const isSteady = parts.now() - openedAt > againMillisecondsMax
          if (!isOffered) later(againMillisecondsMax)
          else later(isSteady ? againMillisecondsMin : waitMilliseconds)
        },
      })
    }
    if (stream.isOver) return
    stream.begin()
    for (const { config } of visibleUpstreams({ caller }, parts.upstreams)) {
      open(config.server, againMillisecondsMin)
    }
  })
}

/** The caller's side. */
interface CallerStream {
  readonly changes: Changes
  readonly hasBegun: boolean
  readonly isOver: boolean
  begin(): void
  write(event: Buffer): void
  /** Whether it reads; if not, the leg is told when it does. */
  isRead(leg: () => Leg): boolean
  end(): void
}

function openCallerStream(listening: Listening, parts: Parts, ended: () => void): CallerStream {
  const { caller, session, reply } = listening
  const { response } = reply
  const { limits, streams } = parts
  const waiting = new Set<Leg>()
  let isOver = false

  function write(octets: Buffer): void {
    if (!isOver && response.headersSent && !response.writableEnded) response.write(octets)
  }
  function end(): void {
    if (isOver) return
    isOver = true
    clearInterval(alive)
    clearTimeout(last)
    changes.end()
    untie()
    forget()
    if (response.headersSent && !response.writableEnded) response.end()
    ended()
  }
  const changes = changesFor(listening, parts, write)
  const alive = setInterval(() => {
    if (!response.writableNeedDrain) write(keepAlive)
  }, limits.streamKeepAliveSeconds * 1000).unref()
  const last = setTimeout(end, limits.streamSecondsMax * 1000).unref()
  response.on('drain', () => {
    for (const leg of waiting) leg.resume()
    waiting.clear()
  })
  let untie = (): void => {}
  let forget = (): void => {}
  const stream: CallerStream = {
    changes,
    get hasBegun() {
      return response.headersSent
    },
    get isOver() {
      return isOver
    },
    begin() {
      if (isOver || response.headersSent) return
      response.writeHead(200, { ...streamHeaders, 'cache-control': 'no-store' })
      response.flushHeaders()
    },
    write,
    isRead(leg) {
      if (!response.writableNeedDrain) return true
      waiting.add(leg())
      return false
    },
    end,
  }
  forget = streams.add(session.key, end)
  untie = tieExchange(caller, response, {
    cancel: end,
    tell(refusal) {
      if (!response.headersSent) endReply(reply, refusal)
    },
  })
  return stream
}

function changesFor(
  listening: Listening,
  { decisions, sessions, subscriptions, isOnlyWorker, now, log }: Parts,
  write: (octets: Buffer) => void,
): Changes {
  const { door, session } = listening
  const at = (upstream: Upstream): Situation => listeningTo(listening, upstream)
  return createChanges({
    mayList: (upstream, list) => mayHearOfList(at(upstream), list, decisions),
    mayRead: (upstream, uri) => mayHearOfResource(at(upstream), uri, decisions),
    isSubscribed({ config: { server } }, uri) {
      const of = { key: session.key, server }
      // What was subscribed to where the session was opened, another process has not heard; there its server alone knows.
      const isHeardHere = isOnlyWorker && sessions.find(of) !== undefined
      return !isHeardHere || subscriptions.covers(of, uri)
    },
    uriHere: ({ config }, uri) => (door.kind === 'all' ? joinUri(config.server, uri) : uri),
    write,
    now,
    failed: (error) => log.error({ error }, 'change could not be told'),
  })
}

interface LegTo {
  readonly stream: CallerStream
  readonly upstream: Upstream
  /** Undefined: its server has no sessions. */
  readonly there: LegacySession | undefined
  readonly over: (end: LegEnd) => void
}

function openOne(
  { caller, session, door, reply }: Listening,
  parts: Parts,
  { stream, upstream, there, over }: LegTo,
): Leg {
  if (there === undefined || !isOwn(there)) {
    const { changes } = stream
    const begun = (): void => stream.begin()
    return openModernLeg({ caller, key: session.key, upstream, changes, begun, over, parts })
  }
  const { answerBytesMax, streamSecondsMax } = parts.limits
  const about = { call: listeningTo({ caller, session, door }, upstream), definition: undefined }
  const { owner } = caller
  const asked = { owner, key: session.key, door: door.name }
  const ofCaller = { owner, door: door.name, spiffeId: upstream.config.spiffeId.uri }
  const asks = new AskCarrier({
    caller,
    line: lineOfStream(asked, parts, (event) => stream.write(event)),
    upstream,
    there,
    permits: (ask) => permitAsk(about, ask, parts.decisions),
    taskHere: (taskId) => parts.ownTasks.find({ ...ofCaller, taskId })?.shown,
    parts,
  })
  const mayHear = hearingOfLogs(about.call, parts)
  const tellOfTask = createTaskTeller({ caller, session, door }, parts, (message) =>
    stream.write(formatEvent(message)),
  )
  const leg: Leg = openLeg({
    account: caller.account,
    upstream,
    session: there,
    asks,
    changes: stream.changes,
    pass(data) {
      if (mayHear()) stream.write(formatEvent(data))
    },
    pageDone(elicitationId, data) {
      const { server } = upstream.config
      const isShown = parts.pages.has({ key: session.key, server }, elicitationId)
      if (isShown) stream.write(formatEvent(data))
    },
    ofTask: (told, data) => tellOfTask(upstream, told, data),
    isRead: () => stream.isRead(() => leg),
    room: reply.hold,
    answerBytesMax,
    streamSecondsMax,
    begun: () => stream.begin(),
    over,
  })
  return leg
}

/** What policy says of the logs of a server, asked again when it is another policy. Until it has answered nothing is heard. */
function hearingOfLogs(listening: Situation, { decisions, log }: Parts): () => boolean {
  let said: { readonly digest: string; may: boolean } | undefined
  return () => {
    const digest = decisions.digest()
    if (said?.digest === digest) return said.may
    const now = { digest, may: false }
    said = now
    const decided = whenThere(mayHearOfLogs(listening, decisions), (may) => {
      now.may = may
    })
    if (decided instanceof Promise) {
      decided.catch((error: unknown) => log.error({ error }, 'logs of a server are not heard'))
    }
    return now.may
  }
}
