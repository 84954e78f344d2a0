import { randomUUID } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { Bag } from '../bag.ts'
import type { Delay, DrainTimes } from '../drain.ts'
import { noForeignDomains, type ForeignDomains } from '../federation/foreign-domains.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { BundleSource } from '../pki/bundle.ts'
import type { CredentialSource } from '../pki/credential.ts'
import type { RevocationSource } from '../pki/revocation.ts'
import type { Condition } from '../readiness.ts'
import type { Authorizer } from '../policy/authorizer.ts'
import type { DecisionLog } from '../policy/decision-log.ts'
import { createTokenSigner, type TokenSignerOptions } from '../token/sign.ts'
import { createApprovals } from './approval/approvals.ts'
import type { ApprovalStore } from './approval/store.ts'
import type { Caller } from './caller/caller.ts'
import { createCallers } from './caller/connections.ts'
import { coalesce } from './caller/coalesce.ts'
import { createAbsentJudge, createServerJudge } from './caller/judge.ts'
import type { NamespaceSource, PodSource } from './caller/workload-sources.ts'
import { createCatalogues } from './catalogue/catalogues.ts'
import { createQuarantinedTools } from './catalogue/quarantined-tools.ts'
import { createQuarantine, type FirstUse } from './catalogue/pins.ts'
import { createDoors } from './door/doors.ts'
import { openListener } from './door/listener.ts'
import { createCallHandler } from './handle-call.ts'
import { oneHandleKey, type HandleKeySource } from './handle/keys.ts'
import { createSeal } from './handle/seal.ts'
import type { HistoryStore } from './history/history-store.ts'
import { createOwnHistory } from './history/kept-history.ts'
import { defaultLimits, limitsOfServer, type GatewayLimits } from './limits.ts'
import { forgetServer, measure } from './measure.ts'
import { createAuthorize } from './permit/authorize.ts'
import type { DenialMode } from './permit/hide.ts'
import { createCallLimits, type CallLimits } from './permit/call-limits.ts'
import { createCarryOut, createCarryOutTold } from './permit/carry-out.ts'
import { createHoldOut } from './permit/hold-out.ts'
import { createDecisions } from './permit/policy.ts'
import { createAsks } from './serve/asks.ts'
import { createEars } from './serve/ears.ts'
import { createLevels } from './serve/levels.ts'
import { createRunning } from './serve/running.ts'
import { cancelTasks } from './serve/cancel-tasks.ts'
import { createOwnTasks } from './serve/own-tasks.ts'
import { createSessionStreams } from './serve/session-streams.ts'
import type { Parts } from './serve/serve.ts'
import { createPages } from './serve/pages.ts'
import { createSubscriptions } from './serve/subscriptions.ts'
import { createTalks } from './serve/talks.ts'
import { createReadiness } from './readiness.ts'
import type { SharePercents } from '../shares.ts'
import type { Tracer } from './trace/tracer.ts'
import { createAbsences } from './upstream/absences.ts'
import { createRefusalLog } from './refusal-log.ts'
import { createListenings } from './upstream/listenings.ts'
import { createHeldSessions, type Held, type HeldSessions } from './upstream/held-sessions.ts'
import { closeLegacySession } from './upstream/legacy-session.ts'
import { eraThere } from './translate/era.ts'
import { createTurns } from './turns.ts'
import type { TellChange } from './upstream/tool-change.ts'
import { createUpstreams, type Upstreams } from './upstream/upstreams.ts'
import { createUpstream, type Upstream, type UpstreamConfig } from './upstream/upstream.ts'

export interface GatewayOptions extends Pick<TokenSignerOptions, 'startSigningThread'> {
  readonly listen: { readonly host: string; readonly port: number }
  /** The gateway's own certificate, on both sides. */
  readonly credential: CredentialSource
  readonly trustBundle: BundleSource
  /** Other trust domains, whose agents may call, too. */
  readonly foreign?: ForeignDomains | undefined
  readonly authorizer: Authorizer
  readonly decisionLog: DecisionLog
  readonly upstreams: readonly UpstreamConfig[]
  readonly revocations: RevocationSource
  readonly pods: PodSource
  readonly namespaces: NamespaceSource
  /** Values of the Host header that are served, with the port where it is not 443. */
  readonly hosts: readonly string[]
  /** Values of the Origin header that are served; a request without one is no browser's. */
  readonly origins: readonly string[]
  /** How long revocations and pods may be out of touch with the cluster before nobody is served. Default 120. */
  readonly staleSecondsMax?: number
  readonly limits?: Partial<GatewayLimits>
  /** Processes that serve together: of what policy limits each allows its part. Default 1. */
  readonly workers?: number | undefined
  /** How it closes. Default: a grace of 5 seconds, then 10 for what is under way. */
  readonly drain?: Partial<DrainTimes>
  /** What has to hold once before anybody is served. Later each check refuses by itself what it cannot know. */
  readonly ready?: (() => readonly Condition[]) | undefined
  /** Connects to upstreams without a caller, too, until each has proved who it is. Default false. */
  readonly probes?: boolean | undefined
  /** What handles are sealed with, the same on all replicas; one is made at start when absent. */
  readonly handleKeys?: HandleKeySource | undefined
  /** What is trusted on first use is remembered there; without it nothing is. */
  readonly firstUse?: FirstUse | undefined
  /** How what is denied is told: `explicit` unless told. */
  readonly denials?: DenialMode | undefined
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly delay?: Delay | undefined
  /** Told what becomes of tools by their definitions. */
  readonly toolChanged?: TellChange | undefined
  /** Where what policy wants kept of callers is kept, for all workers; one process alone keeps it itself unless told. */
  readonly history?: HistoryStore | undefined
  /** Where approvals are kept, for all replicas; undefined: no call can wait for one. */
  readonly approvals?: ApprovalStore | undefined
  /** Follows calls for a collector of traces. */
  readonly tracer?: Tracer | undefined
  readonly log: Log
  readonly metrics: Metrics
  readonly identityExtensionOid?: string | undefined
}

export interface Gateway {
  readonly url: string
  readonly port: number
  /** True from the moment that it is told to close: it serves for a while, and is to be sent nothing new. */
  readonly draining: boolean
  /** One for each upstream; a warning while it is not proved, because the others are served. */
  conditions(): readonly Condition[]
  /** Sets the gauges of what is open at this moment. */
  measure(): void
  /** The keys that transaction tokens are signed with, a JWK set as JSON. */
  jwks(): string
  /** From now on these tool servers: see `Upstreams`. Throws `gateway/upstream`, and then nothing changes. */
  replaceUpstreams(configs: readonly UpstreamConfig[]): void
  /** Closes as `drain` says. */
  close(): Promise<void>
}

/** An acknowledgement repeats what was asked for: 256 URIs of 2048 characters, which may be escaped. */
const subscriptionOctetsMax = 4 * 1024 * 1024

const defaultDrain: DrainTimes = { graceSeconds: 5, callSecondsMax: 10 }

/** Opens an MCP gateway. Throws `gateway/upstream`. */
export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  const { listen, now, log, metrics, staleSecondsMax = 120 } = options
  const limits = { ...defaultLimits, ...options.limits }
  const tools = openUpstreams(options, limits, (server) => sessions.forgetServer(server))
  const { current: upstreams } = tools
  const { sessions, ending } = holdSessions(upstreams, { now, shares: limits })
  const identityEnded = (owner: string): void => endOwner(owner, parts)
  const callers = createCallers({ ...options, staleSecondsMax, limits, identityEnded })
  // After the callers do: who has ended is told that, and not that a server has.
  const unlisten = judgeAgain(options, upstreams, () => parts)
  const newDecisionId = (): string => randomUUID()
  const turns = createTurns()
  const history = options.history ?? createOwnHistory({ ...options, ...limits })
  const decisions = createDecisions({ ...options, ...limits, history, turns, newDecisionId })
  const known = { ...limits, turns, upstreams, shares: limits, now, log, metrics }
  const { of: catalogueOf, forgetGone, takenOctets } = createCatalogues(known)
  const permits = createPermits(options, limits, { decisions, catalogueOf })
  const refusals = createRefusalLog({ log })
  const made = { upstreams, sessions, ...permits.known, turns, tokens: createTokenSigner(options) }
  const parts = createParts(options, limits, { ...made, judge: (caller) => callers.judge(caller) })
  const told = { tracer: options.tracer, log, metrics, now, newDecisionId }
  const handle = createCallHandler({
    unmet: createReadiness(options.ready),
    callers,
    served: { hosts: lowerCase(options.hosts), origins: lowerCase(options.origins) },
    authorize: permits.known.authorize,
    parts,
    refusals,
    ...told,
  })
  const listener = await openListener({
    ...options,
    serve: createDoors(handle, ({ socket }) => 'refusal' in callers.of(socket as TLSSocket)),
    accept: (socket) => callers.accept(socket),
    times: { unreadMilliseconds: limits.unsentSecondsMax * 1000 },
    limits,
    endStreams: () => parts.streams.endAll(),
    endConnections: () => callers.close(),
  })
  let draining = false
  return {
    port: listener.port,
    url: `https://${listen.host}:${listener.port}`,
    get draining() {
      return draining
    },
    conditions: () => [...upstreams.values()].map((upstream) => upstream.condition()),
    measure() {
      const octets = { catalogueOctets: takenOctets(), histories: history?.size ?? 0 }
      const taken = { ...callers.taken(), ...permits.counted(), ...octets }
      measure(metrics, taken, upstreams)
    },
    jwks: () => parts.tokens.currentJwks(),
    replaceUpstreams(configs) {
      tools.replace(configs)
      permits.follow(configs)
      forgetGone()
    },
    async close() {
      draining = true
      for (const end of parts.listens.members()) end()
      await listener.close({ ...defaultDrain, ...options.drain })
      endTalks(parts)
      unlisten()
      clearInterval(ending)
      refusals.close()
      await tools.close()
    },
  }
}

/**
 * Judges tool servers, and callers who may have gone while their call is open at one, whenever what is watched has changed; gives how
 * to stop that.
 */
function judgeAgain(
  options: GatewayOptions,
  upstreams: ReadonlyMap<string, Upstream>,
  partsOf: () => Parts,
): () => void {
  const { revocations, pods, namespaces, foreign = noForeignDomains, log } = options
  const judge = createAbsentJudge(options)
  const judgeAbsent = async (caller: Caller): Promise<void> => {
    const refusal = await judge(caller)
    if (refusal?.identity === true) endOwner(caller.owner, partsOf())
  }
  const judgeAll = coalesce(() => {
    for (const upstream of upstreams.values()) upstream.judgeAgain()
    for (const caller of partsOf().talks.callers()) {
      judgeAbsent(caller).catch((error: unknown) => {
        log.error({ error }, 'caller of an open call could not be judged')
      })
    }
  })
  const stops = [revocations, pods, namespaces, foreign].map((each) => each.onChange(judgeAll))
  return () => {
    for (const stop of stops) stop()
  }
}

/** Whether calls may be made, and what is counted for that. */
function createPermits(
  options: GatewayOptions,
  limits: GatewayLimits,
  made: Pick<Parts, 'decisions' | 'catalogueOf'>,
): {
  /** What listing is decided with, too. */
  readonly known: Pick<
    Parts,
    | 'decisions'
    | 'catalogueOf'
    | 'quarantineOf'
    | 'seal'
    | 'approvals'
    | 'authorize'
    | 'authorizeTold'
  >
  readonly counted: () => CallLimits['size']
  readonly follow: (configs: readonly UpstreamConfig[]) => void
} {
  const { workers, denials, firstUse, now, log, metrics } = options
  const callLimits = createCallLimits({ ...limits, workers, now })
  const seal = createSeal({ keys: options.handleKeys ?? oneHandleKey() })
  const store = options.approvals
  const approvals = store && createApprovals({ ...limits, seal, store, now, log, metrics })
  const holdOut = approvals && createHoldOut({ ...options, ...made, approvals })
  const carryOut = createCarryOut({ ...made, callLimits, holdOut, log, metrics })
  const quarantinedTools = options.toolChanged && createQuarantinedTools(options.toolChanged)
  const quarantineOf = createQuarantine({ firstUse, quarantinedTools, log, metrics })
  const known = { ...made, quarantineOf, seal, approvals }
  const authorize = createAuthorize({ ...known, denials, carryOut })
  const authorizeTold = createAuthorize({ ...known, denials, carryOut: createCarryOutTold(known) })
  return {
    known: { ...known, authorize, authorizeTold },
    counted: () => callLimits.size,
    follow: (configs) => quarantinedTools?.follow(configs),
  }
}

/** What serving works with. */
function createParts(
  { workers = 1, now, log }: GatewayOptions,
  limits: GatewayLimits,
  made: Omit<
    Parts,
    | 'listenings'
    | 'listens'
    | 'absences'
    | 'running'
    | 'asks'
    | 'talks'
    | 'ears'
    | 'levels'
    | 'subscriptions'
    | 'pages'
    | 'isOnlyWorker'
    | 'streams'
    | 'ownTasks'
    | 'limits'
    | 'now'
    | 'log'
  >,
): Parts {
  // Longer than the wait, so that of many callers one alone waits for what is away.
  const pauseMilliseconds = 2 * limits.federationWaitMilliseconds
  const absences = createAbsences({ now, pauseMilliseconds })
  const listenings = createListenings({
    octetsMax: Math.min(limits.answerBytesMax, subscriptionOctetsMax),
    listChanged(upstream, changed) {
      if (changed === 'tools')
        made.catalogueOf(upstream, eraThere('modern', upstream.config)).changed()
    },
  })
  const listens = new Bag<() => void>()
  const own = {
    listenings,
    listens,
    absences,
    running: createRunning(),
    asks: createAsks({ limits, now }),
    talks: createTalks({ limits }),
    ears: createEars({ ...made, limits }),
    levels: createLevels(limits),
    subscriptions: createSubscriptions(limits),
    pages: createPages(limits),
    streams: createSessionStreams(),
    ownTasks: createOwnTasks({ shares: limits, now }),
  }
  return { ...made, ...own, isOnlyWorker: workers === 1, limits, now, log }
}

/** What is opened for clients without sessions is ended when none of them has used it for so long. */
const unusedMilliseconds = 600_000

function holdSessions(
  upstreams: ReadonlyMap<string, Upstream>,
  { shares, now }: { readonly shares: SharePercents; readonly now: () => number },
): { readonly sessions: HeldSessions; readonly ending: NodeJS.Timeout } {
  const close = (held: Held): void => endSessions([held], upstreams)
  const sessions = createHeldSessions({ shares, now, close })
  const endUnused = (): void =>
    endSessions(sessions.endUnused(now() - unusedMilliseconds), upstreams)
  return { sessions, ending: setInterval(endUnused, unusedMilliseconds / 10).unref() }
}

/** Whoever is no more has nothing open at legacy servers. */
function endOwner(owner: string, parts: Parts): void {
  const { talks, ears, subscriptions, ownTasks, sessions, upstreams } = parts
  talks.endOwner(owner)
  ears.endOwner(owner)
  subscriptions.endOwner(owner)
  const lastIn = cancelTasks(ownTasks.endOwner(owner), () => sessions.nextId())
  endSessions(sessions.endOwner(owner), upstreams, lastIn)
}

function endTalks({ talks, ears }: Parts): void {
  talks.endAll()
  ears.endAll()
}

/** Tells upstreams that sessions are over, and waits for none. */
function endSessions(
  held: readonly Held[],
  upstreams: ReadonlyMap<string, Upstream>,
  lastIn: ReturnType<typeof cancelTasks> = () => [],
): void {
  for (const { server, session } of held) {
    const upstream = upstreams.get(server)
    if (upstream?.config.spiffeId.uri === session.spiffeId)
      closeLegacySession({ upstream }, session, lastIn(session))
  }
}

function openUpstreams(
  options: GatewayOptions,
  limits: GatewayLimits,
  removed: (server: string) => void,
): Upstreams {
  const refuses = createServerJudge(options)
  const create = (config: UpstreamConfig): Upstream => {
    const own = limitsOfServer(limits, config.limits)
    const { answerBytesMax, upstreamConnectionsMax, upstreamWaitMilliseconds } = own
    const streamsMax = own.upstreamStreamsMax
    const seatsMax = upstreamConnectionsMax
    const seats = { ...own, seatsMax, waitMilliseconds: upstreamWaitMilliseconds }
    return createUpstream({ ...options, config, seats, streamsMax, answerBytesMax, refuses })
  }
  return createUpstreams(options.upstreams, {
    create,
    log: options.log,
    removed(server) {
      forgetServer(options.metrics, server)
      removed(server)
    },
  })
}

function lowerCase(values: readonly string[]): ReadonlySet<string> {
  return new Set(values.map((value) => value.toLowerCase()))
}
