import type { TLSSocket } from 'node:tls'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import {
  createJudge,
  judgeSources,
  parsePeer,
  type Judgement,
  type Peer,
  stranger,
  type PeerOptions,
  type Stranger,
  type Usage,
} from './caller.ts'
import { badRequest, identityRefusal, type Refusal } from '../refusal.ts'

export interface Peers {
  /** Takes a connection whose handshake is done, and watches it until it ends. False: nobody is let in on it. */
  accept(socket: TLSSocket): boolean
  of(socket: TLSSocket): Peer | Stranger
  judge(peer: Peer): Judgement
  close(): void
}

export interface PeersOptions extends PeerOptions {
  /** Of one identity. */
  readonly connectionsMax: number
  readonly log: Log
  readonly metrics: Metrics
}

interface Connection {
  readonly socket: TLSSocket
  readonly peer: Peer
  timer: NodeJS.Timeout | undefined
}

type End = (connection: Connection, refusal: Refusal) => void

/** The longest delay that `setTimeout` keeps (2^31 - 1 ms); a longer one fires at once. */
const delayMillisecondsMax = 2_147_483_647

/** So late an open answer may end when revocations or pods have become too old. */
const staleCheckMilliseconds = 1000

/** What a peer that does not read gets to take its last octets. */
const destroyAfterMilliseconds = 1000

/**
 * The peers of all open connections. TLS judges a certificate at the handshake and never again, so this does: on every request,
 * at notAfter, whenever revocations, pods or the trust bundle change, and when the first two are not known any more.
 */
export function createPeers(options: PeersOptions): Peers {
  const { log, metrics, now } = options
  const known = new WeakMap<TLSSocket, Peer | Stranger>()
  const connections = new Set<Connection>()
  const usages = createUsages(options.connectionsMax)
  const judge = createJudge(options)

  function forget(connection: Connection): boolean {
    clearTimeout(connection.timer)
    const known = connections.delete(connection)
    if (known) usages.release(connection.peer)
    metrics.set('countersign_gateway_connections', connections.size)
    return known
  }
  function end(connection: Connection, refusal: Refusal): void {
    if (!forget(connection)) return
    const { socket, peer } = connection
    const { message: why, detail } = refusal
    log.info({ peer: peer.svid.spiffeId.uri, why, detail }, 'connection of a peer ended')
    known.set(socket, { refusal, svid: peer.svid })
    for (const endStream of peer.streams) endStream()
    socket.destroySoon()
    setTimeout(() => socket.destroy(), destroyAfterMilliseconds).unref()
  }
  async function reconsider(connection: Connection): Promise<void> {
    try {
      const refusal = await judge(connection.peer)
      if (refusal?.close === true) end(connection, refusal)
    } catch (error) {
      log.error({ error }, 'peer could not be judged')
    }
  }
  const unlisten = listen(options, {
    changed() {
      for (const connection of connections) void reconsider(connection)
    },
    unknown(refusal) {
      for (const each of connections) if (each.peer.streams.size > 0) end(each, refusal)
    },
  })

  return {
    accept(socket) {
      const peer = usages.admit(parsePeer(socket, options))
      known.set(socket, peer)
      // The first request is told why; a connection that never asks ends by the listener's time-outs.
      if ('refusal' in peer || now() >= peer.svid.notAfter.getTime()) return false
      usages.take(peer)
      const connection: Connection = { socket, peer, timer: undefined }
      connections.add(connection)
      metrics.set('countersign_gateway_connections', connections.size)
      socket.once('close', () => forget(connection))
      arm(connection, now, end)
      return true
    },
    of: (socket) => known.get(socket) ?? stranger('no client certificate'),
    judge,
    close() {
      unlisten()
      for (const connection of connections) end(connection, identityRefusal('gateway is closing'))
    },
  }
}

/** Ends a connection at the notAfter of its certificate. */
function arm(connection: Connection, now: () => number, end: End): void {
  const left = connection.peer.svid.notAfter.getTime() - now()
  if (left <= 0) {
    end(connection, identityRefusal('certificate has expired'))
    return
  }
  const milliseconds = Math.min(left, delayMillisecondsMax)
  connection.timer = setTimeout(arm, milliseconds, connection, now, end).unref()
}

/** Tells of changes, and again and again while the sources are too old: no change tells of that. */
function listen(
  options: PeerOptions,
  told: { readonly changed: () => void; readonly unknown: (refusal: Refusal) => void },
): () => void {
  const { revocations, pods, trustBundle } = options
  const changed = coalesce(told.changed)
  const stops = [revocations, pods, trustBundle].map((source) => source.onChange(changed))
  const timer = setInterval(() => {
    const refusal = judgeSources(options)
    if (refusal !== undefined) told.unknown(refusal)
  }, staleCheckMilliseconds).unref()
  return () => {
    clearInterval(timer)
    for (const stop of stops) stop()
  }
}

interface Usages {
  /** The peer with the usage that it shares with the other connections of its identity, if there is room for one more. */
  admit(peer: Peer | Stranger): Peer | Stranger
  take(peer: Peer): void
  release(peer: Peer): void
}

function createUsages(connectionsMax: number): Usages {
  const usages = new Map<string, Usage>()
  return {
    admit(peer) {
      if ('refusal' in peer) return peer
      const usage = usages.get(peer.owner) ?? peer.usage
      if (usage.connections < connectionsMax) return { ...peer, usage }
      return { refusal: tooManyConnections, svid: peer.svid }
    },
    take({ owner, usage }) {
      usage.connections += 1
      usages.set(owner, usage)
    },
    release({ owner, usage }) {
      usage.connections -= 1
      if (usage.connections === 0) usages.delete(owner)
    },
  }
}

const tooManyConnections: Refusal = {
  ...badRequest(429, 'too many connections of one identity'),
  close: true,
}

/** Many changes of one moment are one change: a rollout deletes hundreds of pods at once. */
function coalesce(work: () => void): () => void {
  let due = false
  return () => {
    if (due) return
    due = true
    setImmediate(() => {
      due = false
      work()
    })
  }
}
