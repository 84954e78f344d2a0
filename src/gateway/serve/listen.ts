import { isEmptyFilter, parseChangeFilter, type ChangeFilter } from '../../mcp/changes.ts'
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
import { isRefused, refused, type Refused } from '../refusal.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { ChangeStream } from './change-stream.ts'
import { fault } from './fault.ts'
import { gather, metaOfMissing } from './gather.ts'
import { tasksAsked, type TasksAsked } from './listen-tasks.ts'
import { nothing, openWhole, togetherOf, type Portion } from './listen-there.ts'
import type { Parts } from './serve.ts'
import { servesOffer } from '../upstream/upstream.ts'

/** What one request may name; who wants more listens to lists, or twice. */
const urisMax = 256
/** Each is a decision, and its result may wait to be read. */
const tasksMax = 32

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
  const open = (
    portion: Portion,
    signal: AbortSignal,
    answers?: () => void,
  ): Promise<Portion | Refused> =>
    openWhole(portion, { permit, parts, stream, opened, signal, answers })
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
      (upstream, late, answers) => {
        const portion = wanted.get(upstream) ?? { upstream, filter: nothing }
        return open(portion, AbortSignal.any([late, gone.signal]), answers)
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
