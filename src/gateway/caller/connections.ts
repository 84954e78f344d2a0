import type { ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { clearDeadline } from '../../deadline.ts'
import { noForeignDomains } from '../../federation/foreign-domains.ts'
import type { Log } from '../../log.ts'
import type { GatewayLimits } from '../limits.ts'
import { identityRefusal, unavailable, type Refusal } from '../refusal.ts'
import { coalesce } from './coalesce.ts'
import {
  createCallerReader,
  stranger,
  type Caller,
  type CallerOptions,
  type Stranger,
} from './caller.ts'
import {
  createJudge,
  createTrustJudge,
  judgeSources,
  type Judgement,
  type JudgeOptions,
} from './judge.ts'
import type { Account } from '../../shares.ts'
import type { Stay } from '../stay.ts'
import { createUsage, type Taken, type Usage } from './usage.ts'

export interface Callers {
  /** Takes a connection whose handshake is done, and watches it until it ends, if somebody is let in on it. */
  accept(socket: TLSSocket): Accepted
  /**
   * Lets a request in as one of its caller's, as long as there is room for it. It is open until its answer is read and nothing is
   * done for it: else a caller that reads nothing, or goes away, could have any number of them answered.
   */
  enter(response: ServerResponse, stay: Stay): Caller | Stranger
  of(socket: TLSSocket): Caller | Stranger
  judge(caller: Caller): Judgement
  /** What is taken of the gateway now, by all of so many connections. */
  taken(): Taken & { readonly connections: number }
  close(): void
}

export interface Accepted {
  readonly isAdmitted: boolean
  /** Whose it is, as its certificate proves; undefined for a stranger. */
  readonly account: Account | undefined
}

export interface CallersOptions
  extends Omit<CallerOptions, 'unsentOf' | 'bodiesOf' | 'judgeTrust'>, JudgeOptions {
  readonly limits: GatewayLimits
  /** Told of an owner (`Certified`) that was found to be no more while it was connected. */
  readonly identityEnded?: (owner: string) => void
  readonly log: Log
}

interface Connection {
  readonly socket: TLSSocket
  readonly caller: Caller
  timer: NodeJS.Timeout | undefined
  /** Runs while it is not known whether the caller still counts. */
  lookAgain: NodeJS.Timeout | undefined
  unknownSince: number | undefined
}

type End = (connection: Connection, refusal: Refusal) => void

/** The longest delay that `setTimeout` keeps (2^31 - 1 ms); a longer one fires at once. */
const delayMillisecondsMax = 2_147_483_647

/** So late an open answer may end when revocations or pods have become too old. */
const staleCheckMilliseconds = 1000

/** What a caller that does not read gets to take its last octets. */
const destroyAfterMilliseconds = 1000

/**
 * The callers of all open connections. TLS judges a certificate at the handshake and never again, so this does: on every request,
 * at notAfter, whenever revocations, pods or the trust bundle change, and when the first two are not known any more.
 */
export function createCallers(options: CallersOptions): Callers {
  const { log, now } = options
  const known = new WeakMap<TLSSocket, Caller | Stranger>()
  const connections = new Set<Connection>()
  const usage = createUsage(options.limits)
  const judgeTrust = createTrustJudge(options)
  const readCaller = createCallerReader({ ...options, ...usage, judgeTrust })
  const judge = createJudge(options)

  function forget(connection: Connection): boolean {
    clearDeadline(connection.timer)
    clearTimeout(connection.lookAgain)
    const known = connections.delete(connection)
    if (known) usage.disconnect(connection.caller)
    return known
  }
  function end(connection: Connection, refusal: Refusal): void {
    if (!forget(connection)) return
    const { socket, caller } = connection
    const { message: why, detail } = refusal
    log.info({ peer: caller.svid.spiffeId.uri, why, detail }, 'connection of a peer ended')
    known.set(socket, { refusal, svid: caller.svid })
    caller.ended = refusal
    for (const endStream of caller.streams.members()) endStream(refusal)
    socket.destroySoon()
    setTimeout(() => socket.destroy(), destroyAfterMilliseconds).unref()
  }
  const reconsider = createReconsider({ ...options, judge, end })
  const unlisten = listen(options, {
    changed() {
      for (const connection of connections) reconsider(connection)
    },
    unknown(refusal) {
      for (const each of connections) if (each.caller.streams.size > 0) end(each, refusal)
    },
  })

  return {
    accept(socket) {
      const read = readCaller(socket)
      const caller = connect(read, usage)
      known.set(socket, caller)
      // The first request is told why; a connection that never asks ends by the listener's time-outs.
      const account = 'account' in read ? read.account : undefined
      if ('refusal' in caller) return { isAdmitted: false, account }
      const connection: Connection = newConnection(socket, caller)
      connections.add(connection)
      socket.once('close', () => forget(connection))
      arm(connection, now, end)
      return { isAdmitted: true, account }
    },
    enter(response, stay) {
      return begin(known.get(response.req.socket as TLSSocket) ?? unknown, usage, stay)
    },
    of: (socket) => known.get(socket) ?? unknown,
    judge,
    taken: () => ({ ...usage.taken(), connections: connections.size }),
    close() {
      unlisten()
      for (const connection of connections) end(connection, closing)
    },
  }
}

/** Judges what is open anew, and again and again while nobody can tell. */
function createReconsider({
  judge,
  end,
  identityEnded,
  log,
  now,
  staleSecondsMax,
}: Pick<CallersOptions, 'identityEnded' | 'log' | 'now' | 'staleSecondsMax'> & {
  readonly judge: (caller: Caller) => Judgement
  readonly end: End
}): (connection: Connection) => void {
  async function reconsider(connection: Connection): Promise<void> {
    const refusal = await judge(connection.caller)
    if (refusal?.close === true) end(connection, refusal)
    else awaitKnown(connection, refusal)
    if (refusal?.identity === true) identityEnded?.(connection.caller.owner)
  }
  /** Nobody tells when a question can be answered again, so it is asked again; what stays open meanwhile does so only for so long. */
  function awaitKnown(connection: Connection, refusal: Refusal | undefined): void {
    const { caller, socket } = connection
    clearTimeout(connection.lookAgain)
    // Whoever has nothing open is judged when it asks for something.
    if (refusal === undefined || socket.destroyed || caller.streams.size === 0) {
      connection.unknownSince = undefined
      return
    }
    connection.unknownSince ??= now()
    if (now() - connection.unknownSince > staleSecondsMax * 1000) end(connection, refusal)
    else connection.lookAgain = setTimeout(start, staleCheckMilliseconds, connection).unref()
  }
  function start(connection: Connection): void {
    reconsider(connection).catch((error: unknown) => {
      log.error({ error }, 'peer could not be judged')
    })
  }
  return start
}

function newConnection(socket: TLSSocket, caller: Caller): Connection {
  return { socket, caller, timer: undefined, lookAgain: undefined, unknownSince: undefined }
}

const unknown: Stranger = stranger('no client certificate')
/** Whether the call was done nobody knows: nothing here says that it may be made again. */
const closing: Refusal = {
  ...unavailable(502, 'gateway is closing, and the call had no answer yet'),
  close: true,
}

function connect(caller: Caller | Stranger, usage: Usage): Caller | Stranger {
  if ('refusal' in caller) return caller
  const refusal = usage.connect(caller)
  return refusal === undefined ? caller : { refusal, svid: caller.svid }
}

function begin(caller: Caller | Stranger, usage: Usage, stay: Stay): Caller | Stranger {
  if ('refusal' in caller) return caller
  const refusal = usage.begin(caller)
  if (refusal !== undefined) return { refusal, svid: caller.svid }
  stay.atEnd(() => usage.end(caller))
  return caller
}

/** Ends a connection at the notAfter of its certificate. */
function arm(connection: Connection, now: () => number, end: End): void {
  const left = connection.caller.svid.notAfter.getTime() - now()
  if (left <= 0) {
    end(connection, identityRefusal('certificate has expired'))
    return
  }
  const milliseconds = Math.min(left, delayMillisecondsMax)
  connection.timer = setTimeout(arm, milliseconds, connection, now, end).unref()
}

/** Tells of changes, and again and again while the sources are too old: no change tells of that. */
function listen(
  options: JudgeOptions,
  told: { readonly changed: () => void; readonly unknown: (refusal: Refusal) => void },
): () => void {
  const { revocations, pods, namespaces, trustBundle, foreign = noForeignDomains } = options
  const changed = coalesce(told.changed)
  const stops = [revocations, pods, namespaces, trustBundle, foreign].map((source) =>
    source.onChange(changed),
  )
  const timer = setInterval(() => {
    const refusal = judgeSources(options)
    if (refusal !== undefined) told.unknown(refusal)
  }, staleCheckMilliseconds).unref()
  return () => {
    clearInterval(timer)
    for (const stop of stops) stop()
  }
}
