import type { Dispatcher } from 'undici'
import Pool from 'undici/lib/dispatcher/pool.js'
import type { Era } from '../../mcp/message.ts'
import type { SpiffeId } from '../../identity/spiffe-id.ts'
import type { Condition } from '../../readiness.ts'
import type { Log } from '../../log.ts'
import type { BundleSource } from '../../pki/bundle.ts'
import type { CredentialSource } from '../../pki/credential.ts'
import { CountersignError } from '../../errors.ts'
import { createProof, probe } from './proof.ts'
import { createSeats, type Seats, type SeatsOptions } from './seats.ts'
import { connectorTo } from './tls.ts'

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
}

export interface Upstream {
  readonly config: UpstreamConfig
  readonly timeoutMilliseconds: number
  /** Of the exchanges of callers; `startExchange` takes and leaves them. */
  readonly seats: Seats
  /** One request. The octets are sent as they are; redirects are answers like any other. */
  send(request: UpstreamRequest, handler: Dispatcher.DispatchHandler): void
  /** Whether it is there and is who it should be, as far as connections have shown. */
  condition(): Condition
  close(): Promise<void>
}

export interface UpstreamRequest {
  /** DELETE ends a legacy session. Default POST. */
  readonly method?: 'POST' | 'DELETE'
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

export interface UpstreamOptions {
  readonly config: UpstreamConfig
  readonly credential: CredentialSource
  readonly trustBundle: BundleSource
  readonly seats: SeatsOptions
  readonly identityExtensionOid?: string | undefined
  readonly now: () => number
  /** Connects without a caller, too, until the upstream has proved who it is. */
  readonly probes?: boolean | undefined
  readonly log: Log
}

/** Throws `gateway/upstream` for a configuration that cannot be served. */
export function createUpstream(options: UpstreamOptions): Upstream {
  const { config, credential, trustBundle, log } = options
  const url = parseUpstreamUrl(config)
  const path = url.pathname
  const proof = createProof(config, options.now)
  const connector = (): ReturnType<typeof connectorTo> =>
    connectorTo({
      ...options,
      spiffeId: config.spiffeId,
      timeoutMilliseconds: connectTimeoutMilliseconds,
      tried: (error) => proof.tried(error),
    })
  function openPool(): Pool {
    return new Pool(url.origin, {
      connect: connector(),
      connections: options.seats.seatsMax + ownConnections,
      pipelining: 1,
      keepAliveTimeout: idleMilliseconds,
      // Exchanges have time-outs of their own, for the whole of an answer.
      headersTimeout: 0,
      bodyTimeout: 0,
    })
  }
  let pool = openPool()
  /** A new certificate or bundle means new connections; open exchanges end on the old ones. */
  function rotate(): void {
    const old = pool
    pool = openPool()
    log.info({ server: config.server }, 'connections to an upstream are opened anew')
    old.close().catch((error: unknown) => log.warn({ error }, 'old connections did not close'))
  }
  const unlisten = [credential.onChange(rotate), trustBundle.onChange(rotate)]
  const closing = new AbortController()
  const { signal } = closing
  if (options.probes === true) {
    void probe(
      () => proof.condition().ok,
      () => connectOnce(connector(), url),
      signal,
    )
  }
  return {
    config,
    timeoutMilliseconds: (config.timeoutSeconds ?? 60) * 1000,
    seats: createSeats(options.seats),
    send({ method = 'POST', headers, body }, handler) {
      pool.dispatch({ method, path, headers, body }, handler)
    },
    condition: () => proof.condition(),
    async close() {
      closing.abort()
      for (const stop of unlisten) stop()
      await pool.destroy()
    },
  }
}

function connectOnce(connect: ReturnType<typeof connectorTo>, url: URL): Promise<void> {
  const { hostname, host, port } = url
  const target = { hostname, host, port: port === '' ? '443' : port, protocol: 'https:' }
  return new Promise((resolve, reject) => {
    connect(target, (error, socket) => {
      socket?.destroy()
      if (error === null) resolve()
      else reject(error)
    })
  })
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
  return url
}

function invalid(config: UpstreamConfig, what: string): CountersignError {
  return new CountersignError('gateway/upstream', `upstream ${config.server}: ${what}`)
}
