import { isIP } from 'node:net'
import type { Era } from '../../mcp/message.ts'
import type { SpiffeId } from '../../identity/spiffe-id.ts'
import { coversOffer, type OfferScope, type ScopedKind } from '../../identity/offer-scope.ts'
import { coversTool, type ToolScope } from '../../identity/tool-scope.ts'
import type { Condition } from '../../readiness.ts'
import type { Log } from '../../log.ts'
import type { BundleSource } from '../../pki/bundle.ts'
import type { CredentialSource } from '../../pki/credential.ts'
import { CountersignError } from '../../errors.ts'
import { createLane, type Lane, type LaneOptions } from '../../lane.ts'
import type { ServerLimits } from '../limits.ts'
import type { Answering } from './http/connection.ts'
import { formatRequest } from './http/format-request.ts'
import { Pool, type Asking } from './http/pool.ts'
import { createProof, probe } from './proof.ts'
import { isLoopbackHost, isReachable } from './reachable.ts'
import { createSeats, type Seats, type SeatsOptions } from '../seats.ts'
import { createConnector, hostOf, type Connector, type Refuses } from './tls.ts'

/** A tool server behind the gateway. Only configuration names one, never a request. */
export interface UpstreamConfig {
  /** Lower-case letters, digits and dashes: tools are `<server>_<tool>` at the door of all upstreams. */
  readonly server: string
  /** https */
  readonly url: string
  readonly spiffeId: SpiffeId
  readonly eras: readonly Era[]
  /** For a whole answer; for the first octet of a stream. Default 60. */
  readonly timeoutSeconds?: number
  /** Approved definitions: the digest of each tool that may be called. */
  readonly pins?: Readonly<Record<string, string>>
  /** A tool without a pin may be called as it was seen first. */
  readonly trustOnFirstUse?: boolean
  /** The tools that it is asked for at most, whoever asks. Without: all that it has. */
  readonly scopes?: readonly ToolScope[]
  /** The prompts of which the same is true. */
  readonly prompts?: readonly OfferScope[]
  /** The resources and templates of which the same is true. */
  readonly resources?: readonly OfferScope[]
  readonly limits?: ServerLimits
  /** Of the ToolServer that it stands for, whose share of memory it takes. Without: the operators'. */
  readonly namespace?: string
}

export interface Upstream {
  readonly config: UpstreamConfig
  readonly timeoutMilliseconds: number
  /** The most octets of one answer, however many more are asked for. */
  readonly answerBytesMax: number
  /** Of the exchanges of callers; `startExchange` takes and leaves them. */
  readonly seats: Seats
  /** Of the streams that callers have open, of changes or of their sessions: they stay, and calls need not wait for them. */
  readonly streams: Seats
  /** Of the ends of sessions that nobody waits for: a pod that is gone may leave hundreds. */
  readonly endings: Lane
  /**
   * One request; `fresh`: on no connection that has been idle. The octets are sent as they are; redirects are answers like any other. No
   * end is told before this has returned.
   */
  send(request: UpstreamRequest, answering: Answering, fresh?: boolean): Asking
  /** Ends the connections whose other end would not be let in any more; others are opened when they are needed. */
  judgeAgain(): void
  /** Open connections to it. */
  readonly connections: number
  /** Whether it is there and is who it should be, as far as connections have shown. */
  condition(): Condition
  close(): Promise<void>
}

export interface UpstreamRequest {
  /** DELETE ends a legacy session, GET opens its stream. Default POST. */
  readonly method?: 'POST' | 'DELETE' | 'GET'
  readonly headers: string[]
  readonly body: Buffer | null
}

const serverName = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
const connectTimeoutMilliseconds = 5000

/**
 * Between two requests of a connection, where the server does not say how long it keeps one (`Keep-Alive: timeout`): it must be us who
 * end it, and widely used servers end it after 5 seconds.
 */
const idleMilliseconds = 3_000

/** Beside those for callers: the gateway lists the tools of an upstream that is busy, too. */
const ownConnections = 4

/** Fewer at a time than are beside those for callers. What has no place is left to the server's own time-out. */
const endings: LaneOptions = { openMax: 2, waitingMax: 1024, waitingOctetsMax: 0 }

export interface UpstreamOptions {
  readonly config: UpstreamConfig
  readonly credential: CredentialSource
  readonly trustBundle: BundleSource
  readonly seats: SeatsOptions
  /** The most streams of changes and of sessions, of all callers together. Default none. */
  readonly streamsMax?: number
  readonly answerBytesMax: number
  readonly identityExtensionOid?: string | undefined
  /** Why a certificate is not let in though it is good: it is revoked, or its pod is gone. */
  readonly refuses?: Refuses | undefined
  readonly now: () => number
  /** Connects without a caller, too, until the upstream has proved who it is. */
  readonly probes?: boolean | undefined
  readonly log: Log
}

/** Throws `gateway/upstream` for a configuration that cannot be served. */
export function createUpstream(options: UpstreamOptions): Upstream {
  const { config, credential, trustBundle, log, streamsMax = 0 } = options
  const url = parseUpstreamUrl(config)
  const target = { path: url.pathname, host: url.host }
  const proof = createProof(config, options.now)
  const connector = createConnector({
    ...options,
    url,
    spiffeId: config.spiffeId,
    timeoutMilliseconds: connectTimeoutMilliseconds,
    tried: (error) => proof.tried(error),
  })
  const openPool = (): Pool =>
    new Pool({
      connect: (done) => connector.connect(done),
      connectionsMax: options.seats.seatsMax + streamsMax + ownConnections,
      idleMilliseconds,
    })
  let pool = openPool()
  /** A new certificate or bundle means new connections; open exchanges end on the old ones, as far as those are still trusted. */
  function rotate(): void {
    const old = pool
    connector.renew()
    pool = openPool()
    log.info({ server: config.server }, 'connections to an upstream are opened anew')
    old.close('connections are opened anew')
    connector.judgeAgain()
  }
  const unlisten = [credential.onChange(rotate), trustBundle.onChange(rotate)]
  const closing = new AbortController()
  const { signal } = closing
  if (options.probes === true) {
    void probe(
      () => proof.condition().ok,
      () => connectOnce(connector),
      signal,
    )
  }
  return {
    config,
    timeoutMilliseconds: (config.timeoutSeconds ?? 60) * 1000,
    answerBytesMax: options.answerBytesMax,
    seats: createSeats(options.seats),
    streams: createSeats({ ...options.seats, seatsMax: streamsMax, waitMilliseconds: 0 }),
    endings: createLane(endings),
    send({ method = 'POST', headers, body }, answering, fresh) {
      const octets = formatRequest(target, { method, headers, body })
      if (octets !== undefined) return pool.send(octets, answering, fresh)
      // After this has returned, as whatever else is told: who hears of an end may have something to undo that is done after it.
      queueMicrotask(() => answering.failed(unwritable))
      return over
    },
    get connections() {
      return pool.size
    },
    condition: () => proof.condition(),
    judgeAgain: () => connector.judgeAgain(),
    close() {
      closing.abort()
      for (const stop of unlisten) stop()
      pool.destroy('gateway closes')
      return Promise.resolve()
    },
  }
}

const unwritable = {
  wrong: 'request',
  code: undefined,
  detail: 'a header of the request cannot be written',
} as const
const over: Asking = { resume: () => {}, abort: () => {}, leave: () => {} }

function connectOnce(connector: Connector): Promise<void> {
  return new Promise((resolve, reject) => {
    connector.connect((error, socket) => {
      socket?.destroy()
      if (error === null) resolve()
      else reject(error)
    })
  })
}

/** The scopes of a tool server are a ceiling, too: nobody asks it for another tool, whatever certificate and policy say. */
export function servesTool(
  { scopes, server }: Pick<UpstreamConfig, 'scopes' | 'server'>,
  tool: string,
): boolean {
  return scopes === undefined || scopes.some((scope) => coversTool(scope, server, tool))
}

/** The same of its prompts, resources and templates. */
export function servesOffer(
  { prompts, resources }: Pick<UpstreamConfig, 'prompts' | 'resources'>,
  kind: ScopedKind,
  name: string,
): boolean {
  const scopes = kind === 'prompt' ? prompts : resources
  return scopes === undefined || coversOffer(scopes, kind, name)
}

function parseUpstreamUrl(config: UpstreamConfig): URL {
  if (!serverName.test(config.server)) {
    throw invalid(config, 'server is no name, want=lower-case letters, digits, dashes')
  }
  if (config.eras.length === 0) throw invalid(config, 'eras are empty')
  const url = URL.parse(config.url)
  if (url?.protocol !== 'https:') throw invalid(config, 'url is of the wrong kind, want=https')
  if (url.username !== '' || url.password !== '') throw invalid(config, 'url holds credentials')
  // It would stand in /readyz, in the log and in what the doctor says.
  if (url.search !== '') throw invalid(config, 'url holds a query')
  const host = hostOf(url)
  if (isIP(host) !== 0 && !isReachable(host, isLoopbackHost(host))) {
    throw invalid(config, 'url is at an address of no tool server')
  }
  return url
}

function invalid(config: UpstreamConfig, what: string): CountersignError {
  return new CountersignError('gateway/upstream', `upstream ${config.server}: ${what}`)
}
