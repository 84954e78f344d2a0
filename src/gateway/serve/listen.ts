import {
  changingLists,
  isEmptyFilter,
  parseChangeFilter,
  type Change,
  type ChangeFilter,
} from '../../mcp/changes.ts'
import { problemCodes } from '../../mcp/problem.ts'
import type { Call } from '../call.ts'
import { tieExchange } from '../caller/streams.ts'
import { notInUris, uriCharactersMax } from '../catalogue/offer.ts'
import type { Reply } from '../door/reply.ts'
import { joinUri, splitUri } from '../federated-name.ts'
import type { Permit } from '../permit/authorize.ts'
import { visibleUpstreams } from '../permit/ceiling.ts'
import { whyUntold } from '../permit/obligations.ts'
import { offerText } from '../permit/resource.ts'
import { isRefused, noRoom, refused, type Refused } from '../refusal.ts'
import type { Guest } from '../seats.ts'
import type { Ending, Listener } from '../upstream/hearing.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { noteAbsence } from './ask.ts'
import { inNameOf } from './call-token.ts'
import { ChangeStream } from './change-stream.ts'
import { fault } from './fault.ts'
import { gather, metaOfMissing } from './gather.ts'
import { hearTasks, tasksAsked, type AskedTasks, type TasksAsked } from './listen-tasks.ts'
import type { Parts } from './serve.ts'
import { servesOffer } from '../upstream/upstream.ts'

/** What one request may name; who wants more listens to lists, or twice. */
const urisMax = 256
/** Each is a decision, and its result may wait to be read. */
const tasksMax = 32

/** What one upstream is asked for, by its own names. */
interface Portion {
  readonly upstream: Upstream
  readonly filter: ChangeFilter
  readonly tasks?: AskedTasks | undefined
}

/**
 * `subscriptions/listen`: one stream of what changes (MCP 2026-07-28 subscriptions). Policy decides on the request, and on each resource as on
 * one that is read; what may not be read is asked of nobody, and is not in the acknowledgement. At the door of all the streams of the
 * servers become one.
 */
export async function listen(
  permit: Permit,
  reply: Reply,
  parts: Parts,
): Promise<Refused | undefined> {
  const { call } = permit
  // What is asked for next is of this policy, or of a later one.
  const policy = parts.decisions.digest()
  const asked = filterOf(call)
  if (typeof asked === 'string') {
    return refused('era', { status: 400, code: problemCodes.invalidParams, message: asked })
  }
  const portions = portionsOf(call, parts, asked)
  const allowed = await allowedOf(call, parts, portions)
  if (isRefused(allowed)) return allowed
  const tasks = await tasksAsked(call, parts, asked.taskIds ?? [])
  if (isRefused(tasks)) return tasks
  const left = withTasks(narrowed(portions, allowed), tasks)
  if (left.length === 0 && asked.lists.length === 0 && tasks.firstRefused !== undefined) {
    return tasks.firstRefused
  }
  if (left.length === 0 && asked.lists.length === 0 && asked.uris.length > 0) {
    return parts.decisions.refuse({ call, definition: undefined }, 'policy', nothingReadable)
  }
  return listenTo({ permit, reply, parts, policy, portions, allowed }, left)
}

function withTasks(portions: readonly Portion[], { byUpstream }: TasksAsked): readonly Portion[] {
  const all = new Map(portions.map((portion) => [portion.upstream, portion]))
  for (const [upstream, tasks] of byUpstream) {
    all.set(upstream, { ...(all.get(upstream) ?? { upstream, filter: nothing }), tasks })
  }
  return [...all.values()]
}

const nothingReadable = {
  code: 'not-readable',
  message: 'none of the resources may be read',
  audience: 'agent',
} as const

function filterOf({ message, arrived }: Call): ChangeFilter | string {
  const filter = parseChangeFilter(message.params['notifications'])
  if (typeof filter === 'string') return filter
  const { uris, taskIds = [] } = filter
  if (taskIds.length > tasksMax) return `too many tasks, want=..${tasksMax} got=${taskIds.length}`
  if (uris.length > urisMax) return `too many URIs, want=..${urisMax} got=${uris.length}`
  // At the door of all the name of the server stands before each.
  const most = uriCharactersMax + (arrived.door.kind === 'all' ? 64 : 0)
  const isFit = uris.every((uri) => uri.length <= most && !notInUris.test(uri))
  return isFit ? filter : 'resourceSubscriptions has a text that is no URI, or is too long'
}

function portionsOf(call: Call, { upstreams }: Parts, asked: ChangeFilter): readonly Portion[] {
  const { upstream: only } = call.target
  const { lists, uris } = asked
  if (only !== undefined) {
    return isEmptyFilter({ lists, uris }) ? [] : [{ upstream: only, filter: { lists, uris } }]
  }
  const split = asked.uris.map((uri) => splitUri(uri))
  return visibleUpstreams(call, upstreams)
    .map((upstream) => {
      const own = split.filter(({ server }) => server === upstream.config.server)
      return { upstream, filter: { lists: asked.lists, uris: own.map(({ name }) => name) } }
    })
    .filter(({ filter }) => !isEmptyFilter(filter))
}

/** The URIs that may be read, of each server. */
type Allowed = ReadonlyMap<string, ReadonlySet<string>>

/** Whether each resource may be read: by the same rules as in a list and in `resources/read`, and in one evaluation. */
async function allowedOf(
  call: Call,
  { decisions }: Parts,
  portions: readonly Portion[],
): Promise<Allowed | Refused> {
  const all = portions.flatMap(({ upstream: { config }, filter }) =>
    filter.uris
      .filter((uri) => servesOffer(config, 'resource', uri))
      .map((uri) => ({ server: config.server, uri })),
  )
  const allowed = new Map<string, Set<string>>()
  if (all.length === 0) return allowed
  const texts = all.map(({ server, uri }) => offerText('resource', server, uri))
  const decided = await decisions.decideList(call, texts)
  if (isRefused(decided)) return decided
  for (const [index, { server, uri }] of all.entries()) {
    if (decided.shown[index] !== true) continue
    const ofServer = allowed.get(server) ?? new Set()
    allowed.set(server, ofServer.add(uri))
  }
  return allowed
}

function narrowed(portions: readonly Portion[], allowed: Allowed): readonly Portion[] {
  return portions
    .map(({ upstream, filter }) => {
      const readable = allowed.get(upstream.config.server)
      const uris = filter.uris.filter((uri) => readable?.has(uri) === true)
      return { upstream, filter: { lists: filter.lists, uris } }
    })
    .filter(({ filter }) => !isEmptyFilter(filter))
}

interface Listening {
  readonly permit: Permit
  readonly reply: Reply
  readonly parts: Parts
  /** The digest of the policy that said what is allowed. */
  readonly policy: string
  /** What was asked for, whether it is allowed or not. */
  readonly portions: readonly Portion[]
  readonly allowed: Allowed
}

async function listenTo(
  listening: Listening,
  portions: readonly Portion[],
): Promise<Refused | undefined> {
  const { permit, reply, parts } = listening
  const { caller, arrived } = permit.call
  const stream = openStream(listening)
  const opened = new Set<() => void>()
  const gone = new AbortController()
  const complete = (): void => stream.complete()
  parts.listens.add(complete)
  const untie = tieExchange(caller, reply.response, {
    cancel() {
      stream.over()
      gone.abort()
    },
    tell: (refusal) => stream.refuse(refusal),
  })
  const open = (portion: Portion, signal: AbortSignal): Promise<Portion | Refused> =>
    openWhole(portion, { permit, parts, stream, opened, signal })
  try {
    const [first] = portions
    if (arrived.door.kind === 'one') {
      const one = first && (await open(first, gone.signal))
      if (one !== undefined && isRefused(one)) return stream.isOver ? undefined : one
      return await tellOf(stream, one === undefined ? [] : [one], {})
    }
    const wanted = new Map(portions.map((portion) => [portion.upstream, portion]))
    const { given, missing } = await gather(
      [...wanted.keys()],
      (upstream, late) => {
        const portion = wanted.get(upstream) ?? { upstream, filter: nothing }
        return open(portion, AbortSignal.any([late, gone.signal]))
      },
      parts,
    )
    if (stream.isOver) return undefined
    if (given.length === 0 && missing.length > 0) {
      return fault({ failed: 'unreachable', detail: 'no server tells of changes', isUnsent: true })
    }
    return await tellOf(stream, given.map(federated), metaOfMissing(missing))
  } finally {
    stream.over()
    untie()
    parts.listens.delete(complete)
    for (const leave of opened) leave()
  }
}

const nothing: ChangeFilter = { lists: [], uris: [] }

function federated<T extends Portion>(portion: T): T {
  const { filter, upstream } = portion
  const uris = filter.uris.map((uri) => joinUri(upstream.config.server, uri))
  return { ...portion, filter: { ...filter, uris } }
}

/** Says what is told, and tells it until the stream is over. */
async function tellOf(
  stream: ChangeStream,
  told: readonly Portion[],
  meta: object,
): Promise<undefined> {
  const filter = togetherOf(told)
  stream.begin(filter, meta)
  if (isEmptyFilter(filter)) stream.complete()
  await stream.ended
}

function togetherOf(told: readonly Pick<Portion, 'filter'>[]): ChangeFilter {
  const lists = new Set(told.flatMap(({ filter }) => filter.lists))
  return {
    lists: changingLists.filter((list) => lists.has(list)),
    uris: told.flatMap(({ filter: { uris } }) => uris),
    taskIds: told.flatMap(({ filter: { taskIds = [] } }) => taskIds),
  }
}

/**
 * The stream of one caller. Policy may have changed since it was asked: then it is asked again before anything more is told, and what it
 * does not allow any more is not.
 */
function openStream(listening: Listening): ChangeStream {
  const { permit, reply, parts, portions, allowed } = listening
  const { call } = permit
  const { decisions, limits } = parts
  const behind = call.arrived.door.kind === 'all' ? visibleUpstreams(call, parts.upstreams) : []
  let { policy } = listening
  let readable = urisOf(call, allowed)

  async function review(): Promise<void> {
    const decided = await decisions.decide({ call, definition: undefined })
    if (isRefused(decided)) {
      stream.refuse(decided.refusal)
      return
    }
    const reason = whyUntold(decided)
    if (reason !== undefined) {
      const question = { call, definition: undefined }
      stream.refuse(decisions.refuse(question, 'obligations', reason).refusal)
      return
    }
    const now = await allowedOf(call, parts, portions)
    if (isRefused(now)) stream.refuse(now.refusal)
    else readable = urisOf(call, now)
  }
  const stream = new ChangeStream({
    reply,
    keepAliveSeconds: limits.streamKeepAliveSeconds,
    secondsMax: limits.streamSecondsMax,
    unsentSecondsMax: limits.unsentSecondsMax,
    review() {
      if (behind.length > 0 && !isSame(behind, visibleUpstreams(call, parts.upstreams))) {
        stream.complete()
        return undefined
      }
      if (decisions.digest() === policy) return undefined
      policy = decisions.digest()
      return review()
    },
    mayTell(news) {
      if (news.kind === 'task') return news.policy === decisions.digest()
      return news.kind === 'list' || readable.has(news.uri)
    },
  })
  return stream
}

/** Of servers that have come since, nothing would be told. */
function isSame(before: readonly Upstream[], now: readonly Upstream[]): boolean {
  return before.length === now.length && before.every((each, index) => each === now[index])
}

/** As the caller knows them. */
function urisOf({ arrived }: Call, allowed: Allowed): ReadonlySet<string> {
  const isAll = arrived.door.kind === 'all'
  return new Set(
    [...allowed].flatMap(([server, uris]) =>
      [...uris].map((uri) => (isAll ? joinUri(server, uri) : uri)),
    ),
  )
}

interface Opening {
  readonly permit: Permit
  readonly parts: Parts
  readonly stream: ChangeStream
  /** Those to leave at the end, whether they have said something or not. */
  readonly opened: Set<() => void>
  readonly signal: AbortSignal
}

/** Listens at one upstream to what many listen to, and to what is of this caller alone; as much of it as that tells. */
async function openWhole(portion: Portion, opening: Opening): Promise<Portion | Refused> {
  const { upstream, filter, tasks } = portion
  const { permit, parts, stream } = opening
  const { call } = permit
  const { account } = call.caller
  const hears: Hear[] = []
  if (!isEmptyFilter(filter)) {
    const at = { upstream, account, inNameOf: inNameOf(permit, upstream, parts) }
    hears.push((listener) => parts.listenings.listen(at, filter, listener))
  }
  if (tasks !== undefined) {
    hears.push((listener) => hearTasks({ upstream, tasks, call, parts, stream }, listener))
  }
  const all = await Promise.all(hears.map((hear) => openAt(upstream, hear, opening)))
  const told = all.filter((each): each is Portion => !isRefused(each))
  return told.length === 0 ? (all[0] ?? portion) : { upstream, filter: togetherOf(told) }
}

/** Gives how to leave. */
type Hear = (listener: Listener) => () => void

/** Listens at one upstream, on its caller's share of the streams there; done when it has said what it tells of. */
function openAt(
  upstream: Upstream,
  hear: Hear,
  { permit, parts, stream, opened, signal }: Opening,
): Promise<Portion | Refused> {
  const { caller, arrived } = permit.call
  const isAll = arrived.door.kind === 'all'
  return new Promise((resolve) => {
    let isTelling = false
    let leaveListening = (): void => {}
    const guest: Guest = {
      account: caller.account,
      seated: begin,
      turnedAway: (full) => resolve(refused('forward', noRoom('streams', full))),
    }
    const leave = (): void => {
      upstream.streams.leave(guest)
      leaveListening()
    }
    function begin(): void {
      leaveListening = hear({
        acknowledged(taken) {
          isTelling = true
          noteAbsence(parts.absences, upstream, undefined)
          resolve({ upstream, filter: taken })
        },
        changed: (change) => stream.push(isAll ? asFederated(upstream, change) : change),
        ended(ending) {
          const why = refusalOf(ending)
          if (ending.kind === 'failed') noteAbsence(parts.absences, upstream, ending.failure)
          if (!isTelling) resolve(why ?? { upstream, filter: nothing })
          // There are gaps from here on, so its caller listens anew.
          else if (why === undefined || isAll) stream.complete()
          else stream.refuse(why.refusal)
        },
      })
    }
    opened.add(leave)
    if (upstream.streams.take(guest)) begin()
    const giveUp = (): void => {
      leave()
      resolve(fault({ failed: 'cancelled', detail: 'nobody waits any more' }))
    }
    if (signal.aborted) giveUp()
    else signal.addEventListener('abort', () => isTelling || giveUp(), { once: true })
  })
}

function asFederated({ config }: Upstream, change: Change): Change {
  return change.kind === 'list'
    ? change
    : { kind: 'resource', uri: joinUri(config.server, change.uri) }
}

function refusalOf(ending: Ending): Refused | undefined {
  if (ending.kind === 'complete') return undefined
  if (ending.kind === 'failed') return fault(ending.failure)
  const { status, code, message } = ending
  return refused('response', { status, code, message })
}
