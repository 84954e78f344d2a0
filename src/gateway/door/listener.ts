import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { createDrain, isTooLate, type Delay, type DrainTimes } from '../../drain.ts'
import type { Log } from '../../log.ts'
import type { Account, SharePercents } from '../../shares.ts'
import { takeTurns } from './handshakes.ts'
import { createOwners } from './owners.ts'
import { boundStrangers } from './strangers.ts'
import { tlsOptions, type TlsMaterial } from './tls.ts'
import { endUnread } from './unread.ts'

export interface Listener {
  readonly port: number
  /** Ends in order: see `DrainTimes`. */
  close(times: DrainTimes): Promise<void>
}

export interface ListenerTimes {
  readonly handshakeMilliseconds: number
  /** One that takes longer leaves its place to another. */
  readonly turnMilliseconds: number
  /** From the handshake, or from the first octet of a request, to the end of its head. */
  readonly headMilliseconds: number
  /** To the end of its body. */
  readonly requestMilliseconds: number
  /** Between two requests of a connection: longer than clients keep theirs, so that it is they who end it. */
  readonly idleMilliseconds: number
  /** How long octets may wait of which the other end takes next to nothing. */
  readonly unreadMilliseconds: number
  /** How often these are looked at. */
  readonly checkMilliseconds: number
}

/** What is known of a connection once its handshake is done. */
export interface Admission {
  /** Whether somebody is let in on it. */
  readonly isAdmitted: boolean
  /** Whose it is, as its certificate proves; undefined for a stranger. */
  readonly account: Account | undefined
}

export interface ListenerOptions extends TlsMaterial {
  readonly listen: { readonly host: string; readonly port: number }
  /** A connection whose handshake is done, before any request on it. */
  readonly accept: (socket: TLSSocket) => Admission
  readonly limits: SharePercents & {
    /** So many connections may be open on which nobody has been let in. */
    readonly strangersMax: number
    readonly handshakesMax: number
  }
  readonly serve: (request: IncomingMessage, response: ServerResponse) => void
  /** Ends the streams that last as long as their callers listen: elsewhere others can be opened. */
  readonly endStreams?: () => void
  /** Ends the connections that are left when the listener closes, and whatever is open on them. */
  readonly endConnections: () => void
  readonly log: Log
  readonly times?: Partial<ListenerTimes>
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly delay?: Delay | undefined
}

const defaultTimes: ListenerTimes = {
  handshakeMilliseconds: 10_000,
  turnMilliseconds: 250,
  headMilliseconds: 20_000,
  requestMilliseconds: 60_000,
  idleMilliseconds: 75_000,
  unreadMilliseconds: 30_000,
  checkMilliseconds: 5_000,
}

/**
 * Opens the port: HTTPS with client certificates, nothing else. It knows nothing of what is served. Nothing that comes in ends the
 * process: what is no HTTP is answered by Node itself with a status and no more; CONNECT is hung up on, an upgrade is not made.
 */
export async function openListener(options: ListenerOptions): Promise<Listener> {
  const { listen, log, credential, trustBundle } = options
  const server = createServer(serverOptions(options), (request, response) => {
    if (isTooLate(request)) {
      request.resume()
      return
    }
    response.on('error', (error) => log.debug({ error }, 'answer could not be written'))
    options.serve(request, response)
  })
  const drain = createDrain(server, options.delay)
  // Node would take an accept that fails (no descriptors, no memory) for the end of the process.
  server.on('error', (error) => log.error({ error }, 'connection could not be accepted'))
  const stopLooking = endUnread(server, { ...defaultTimes, ...options.times })
  const newcomers = boundNewcomers(server, options)
  const reload = (): void => server.setSecureContext(tlsOptions(options))
  const unlisten = [credential, trustBundle].map((source) => source.onChange(reload))
  const stop = (): void => {
    stopLooking()
    for (const each of unlisten) each()
  }
  await listening(server, listen).catch((error: unknown) => {
    stop()
    throw error
  })
  const close = async (times: DrainTimes): Promise<void> => {
    await drain.close(times, {
      ...(options.endStreams === undefined ? {} : { graceOver: options.endStreams }),
      endConnections() {
        options.endConnections()
        newcomers.close()
      },
    })
    stop()
  }
  let closing: Promise<void> | undefined
  return {
    port: (server.address() as AddressInfo).port,
    close: (times) => (closing ??= close(times)),
  }
}

/** Bounds what it costs to find out who comes: by the address that it comes from, and by whose that is as far as it is known. */
function boundNewcomers(
  server: Server,
  { accept, limits, times, now }: ListenerOptions,
): { readonly close: () => void } {
  const { handshakeMilliseconds, turnMilliseconds } = { ...defaultTimes, ...times }
  const owners = createOwners(now)
  const handshakes = takeTurns(server, {
    ...limits,
    waitingMax: limits.strangersMax,
    waitMilliseconds: handshakeMilliseconds,
    turnMilliseconds,
    accountOf: (address) => owners.of(address),
  })
  const strangers = boundStrangers(server, limits.strangersMax, (address) =>
    owners.partyOf(address),
  )
  server.on('secureConnection', (socket) => {
    handshakes.done(socket)
    const { isAdmitted, account } = accept(socket)
    if (account !== undefined) owners.learn(socket.remoteAddress ?? '', account)
    if (isAdmitted) strangers.admitted(socket)
  })
  return handshakes
}

function serverOptions(options: ListenerOptions): Parameters<typeof createServer>[0] {
  const times = { ...defaultTimes, ...options.times }
  return {
    ...tlsOptions(options),
    handshakeTimeout: times.handshakeMilliseconds,
    headersTimeout: times.headMilliseconds,
    requestTimeout: times.requestMilliseconds,
    keepAliveTimeout: times.idleMilliseconds,
    connectionsCheckingInterval: times.checkMilliseconds,
  }
}

function listening(server: Server, { host, port }: ListenerOptions['listen']): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}
