import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from 'node:https'
import { Server as TcpServer } from 'node:net'
import { setTimeout as timeout } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { Bag } from './bag.ts'

/**
 * How a server ends. In the grace everything is served, on connections old and new, and every answer says `connection: close`: those
 * who send traffic here learn that it is over (endpoints are removed, balancers take note), and no client finds its connection gone
 * that it has just been told it may keep. After it nothing new is accepted, and what is under way has `callSecondsMax`.
 */
export interface DrainTimes {
  readonly graceSeconds: number
  readonly callSecondsMax: number
}

/** Resolves after so many milliseconds. */
export type Delay = (milliseconds: number) => Promise<unknown>

export interface Drain {
  /** Ends the server as `DrainTimes` says. */
  close(times: DrainTimes, told?: DrainTold): Promise<void>
}

/** Who is told what of the end. */
export interface DrainTold {
  /** Nothing new is accepted from now on: what would last for ever may end. */
  readonly graceOver?: () => void
  /** What is left is cut off next. */
  readonly endConnections?: () => void
}

const realDelay: Delay = (milliseconds) => timeout(milliseconds, undefined, { ref: false })

/** What connections get to take their last octets. */
const lastOctetsMilliseconds = 1500

/**
 * The last word on a connection where no answer is due. A request that crosses it on the way has not been received, and its sender may
 * repeat it, whatever it asks for (RFC 9110 §15.5.9); a bare end would leave that open. So whoever serves requests must not begin one
 * that comes after it: see `isTooLate`.
 */
const notReceived = 'HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n'

/** Follows the connections and answers of a server, from before it listens, so that it can end them in order. */
export function createDrain(server: Server, delay: Delay = realDelay): Drain {
  const connections = new Set<TLSSocket>()
  const answers = openAnswers()
  let ended = false
  server.on('secureConnection', (socket) => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
    // Its handshake was under way when the others were ended.
    if (ended) socket.end(notReceived)
  })
  server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    if (!isTooLate(request)) answers.add(response)
  })
  function endIdle(): void {
    ended = true
    for (const socket of connections) {
      // One that has been told already still has its last octets to take.
      if (socket.writable && !answers.on(socket)) socket.end(notReceived)
    }
  }
  return {
    async close({ graceSeconds, callSecondsMax }, told) {
      answers.beLast()
      await delay(graceSeconds * 1000)
      const closed = stopAccepting(server)
      told?.graceOver?.()
      endIdle()
      await Promise.race([answers.none(), delay(callSecondsMax * 1000)])
      endIdle()
      told?.endConnections?.()
      for (const socket of connections) socket.destroySoon()
      await Promise.race([closed, delay(lastOctetsMilliseconds)])
      server.closeAllConnections()
      await closed
      server.close()
    },
  }
}

/** The connection of this request has been ended: its sender has been told that it is not received. */
export function isTooLate(request: IncomingMessage): boolean {
  return !request.socket.writable
}

/** Not the HTTPS server's own `close`: that one destroys idle connections, and with them what a client is just sending. */
function stopAccepting(server: Server): Promise<unknown> {
  return new Promise((resolve) => TcpServer.prototype.close.call(server, resolve))
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
  const answers = new Bag<ServerResponse>()
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
    on: (socket) => answers.members().some(({ req }) => req.socket === socket),
    beLast() {
      last = true
      for (const response of answers.members()) response.shouldKeepAlive = false
    },
    async none() {
      if (answers.size > 0) await new Promise<void>((resolve) => waiting.push(resolve))
    },
  }
}
