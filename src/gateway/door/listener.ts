import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Server as TcpServer } from 'node:net'
import { setTimeout as timeout } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import type { Log } from '../../log.ts'
import { tlsOptions, type TlsMaterial } from './tls.ts'

export interface Listener {
  readonly port: number
  /** Ends in order: see `DrainTimes`. */
  close(times: DrainTimes): Promise<void>
}

/**
 * How a listener ends. In the grace everything is served, on connections old and new, and every answer says `connection: close`:
 * those who send traffic here learn that it is over (endpoints are removed, balancers take note), and no client finds its connection
 * gone that it has just been told it may keep. After it nothing new is accepted, and what is under way has `callSecondsMax`.
 */
export interface DrainTimes {
  readonly graceSeconds: number
  readonly callSecondsMax: number
}

export interface ListenerTimes {
  readonly handshakeMilliseconds: number
  /** From the handshake, or from the first octet of a request, to the end of its head. */
  readonly headMilliseconds: number
  /** To the end of its body. */
  readonly requestMilliseconds: number
  /** Between two requests of a connection: longer than clients keep theirs, so that it is they who end it. */
  readonly idleMilliseconds: number
  /** How often the two before are looked at. */
  readonly checkMilliseconds: number
}

export interface ListenerOptions extends TlsMaterial {
  readonly listen: { readonly host: string; readonly port: number }
  /** A connection whose handshake is done, before any request on it. */
  readonly accept: (socket: TLSSocket) => void
  readonly serve: (request: IncomingMessage, response: ServerResponse) => void
  /** Ends the connections that are left when the listener closes, and whatever is open on them. */
  readonly endConnections: () => void
  readonly log: Log
  readonly times?: Partial<ListenerTimes>
  readonly delay?: Delay | undefined
}

/** Resolves after so many milliseconds. */
export type Delay = (milliseconds: number) => Promise<unknown>

const realDelay: Delay = (milliseconds) => timeout(milliseconds, undefined, { ref: false })

const defaultTimes: ListenerTimes = {
  handshakeMilliseconds: 10_000,
  headMilliseconds: 20_000,
  requestMilliseconds: 60_000,
  idleMilliseconds: 75_000,
  checkMilliseconds: 5_000,
}

/**
 * The last word on a connection where no answer is due. A request that crosses it on the way has not been received, and its sender may
 * repeat it, whatever it asks for (RFC 9110 §15.5.9); a bare end would leave that open.
 */
const notReceived = 'HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n'

/** What connections get to take their last octets. */
const lastOctetsMilliseconds = 1500

/**
 * Opens the port: HTTPS with client certificates, nothing else. It knows nothing of what is served. Nothing that comes in ends the
 * process: what is no HTTP is answered by Node itself with a status and no more; CONNECT is hung up on, an upgrade is not made.
 */
export async function openListener(options: ListenerOptions): Promise<Listener> {
  const { listen, log, credential, trustBundle, delay = realDelay } = options
  const open = openAnswers()
  const connections = new Set<TLSSocket>()
  const server = createServer(serverOptions(options), (request, response) => {
    // What comes on a connection that has been ended is not begun: its sender has been told so.
    if (!request.socket.writable) {
      request.resume()
      return
    }
    response.on('error', (error) => log.debug({ error }, 'answer could not be written'))
    open.add(response)
    options.serve(request, response)
  })
  // Node would take an accept that fails (no descriptors, no memory) for the end of the process.
  server.on('error', (error) => log.error({ error }, 'connection could not be accepted'))
  server.on('secureConnection', (socket) => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
    options.accept(socket)
  })
  const reload = (): void => server.setSecureContext(tlsOptions(options))
  const unlisten = [credential.onChange(reload), trustBundle.onChange(reload)]
  const stop = (): void => {
    for (const each of unlisten) each()
  }
  await listening(server, listen).catch((error: unknown) => {
    stop()
    throw error
  })
  const close = async ({ graceSeconds, callSecondsMax }: DrainTimes): Promise<void> => {
    open.beLast()
    await delay(graceSeconds * 1000)
    stop()
    const closed = stopAccepting(server)
    const endIdle = (): void => {
      for (const socket of connections) if (!open.on(socket)) socket.end(notReceived)
    }
    endIdle()
    await Promise.race([open.none(), delay(callSecondsMax * 1000)])
    endIdle()
    options.endConnections()
    for (const socket of connections) socket.destroySoon()
    await Promise.race([closed, delay(lastOctetsMilliseconds)])
    server.closeAllConnections()
    await closed
    server.close()
  }
  let closing: Promise<void> | undefined
  return {
    port: (server.address() as AddressInfo).port,
    close: (times) => (closing ??= close(times)),
  }
}

/** Not the HTTPS server's own `close`: that one destroys idle connections, and with them what a client is just sending. */
function stopAccepting(server: Server): Promise<unknown> {
  return new Promise((resolve) => TcpServer.prototype.close.call(server, resolve))
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

/** The answers that are not at their end, from the request's head to the last octet handed to the kernel. */
interface OpenAnswers {
  add(response: ServerResponse): void
  /** Whether one is open on this connection. */
  on(socket: TLSSocket): boolean
  /** Each answer whose head is still to come is the last one of its connection from now on. */
  beLast(): void
  /** Resolves when none is open. */
  none(): Promise<void>
}

function openAnswers(): OpenAnswers {
  const answers = new Set<ServerResponse>()
  const waiting: (() => void)[] = []
  let last = false
  return {
    add(response) {
      if (last) response.shouldKeepAlive = false
      answers.add(response)
      response.once('close', () => {
        answers.delete(response)
        if (answers.size === 0) for (const resolve of waiting.splice(0)) resolve()
      })
    },
    on: (socket) => [...answers].some(({ req }) => req.socket === socket),
    beLast() {
      last = true
      for (const response of answers) response.shouldKeepAlive = false
    },
    async none() {
      if (answers.size > 0) await new Promise<void>((resolve) => waiting.push(resolve))
    },
  }
}
