import { once } from 'node:events'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { startChild } from '../../guard/child.ts'
import { createForwarder } from '../../guard/forward.ts'
import { keepStandby } from '../../guard/standby.ts'
import { createStdioDoor } from '../../guard/stdio.ts'
import { watchInside } from '../../guard/watch-inside.ts'
import type { Log } from '../../log.ts'
import { createMetrics } from '../../metrics.ts'
import { isReady, type Condition } from '../../readiness.ts'
import {
  requireCountersign,
  type Countersign,
  type VerifiedListener,
} from '../../toolserver/require-countersign.ts'
import { openAdminListener } from '../admin-listener.ts'
import { listening } from '../listening.ts'
import type { Running } from '../running.ts'
import type { Address, GuardConfig, Guarded } from './guard-options.ts'

/** Requests under way, those that stream among them: four gateways with all the connections that they may have, twice. */
const requestsMax = 1024

/** Connections, those in their handshake among them. */
const connectionsMax = 2048

const headMilliseconds = 10_000
const requestMilliseconds = 60_000

/** Longer than gateways keep a connection that nobody uses: it is never this end that closes one first. */
const keepAliveMilliseconds = 75_000

const callSecondsMax = 10

/** Opens a guard: it serves from now on, and is ready when the server inside answers. */
export async function openGuard(config: GuardConfig, log: Log): Promise<Running> {
  await using opened = new AsyncDisposableStack()
  const countersign = opened.use(await requireCountersign({ ...config.countersign, log }))
  const guarded = await openGuarded(config.guarded, opened, log)
  const server = createGuardServer(countersign, countersign.guard(guarded.listener))
  await listening('listen', config.listen, () => bind(server, config.listen))
  const { port } = server.address() as AddressInfo
  let draining = false
  opened.defer(() => {
    draining = true
    return countersign.close({ graceSeconds: config.graceSeconds, callSecondsMax })
  })
  const conditions = (): readonly Condition[] => [
    { name: 'inside', ...guarded.state() },
    { name: 'listen', ok: true, reason: `port ${port}` },
    draining
      ? { name: 'draining', ok: false, reason: 'it was told to end' }
      : { name: 'draining', ok: true, reason: 'no' },
  ]
  const metrics = createMetrics({ process: true })
  const admin = await openAdminListener({ ...config.admin, metrics, conditions })
  log.info({ port, inside: guarded.what }, 'guarding')
  const all = opened.move()
  return {
    adminUrl: admin.url,
    ready: () => isReady(conditions()),
    conditions,
    ended: new Promise<void>(() => {}),
    async [Symbol.asyncDispose]() {
      // The last to go: it says that the guard is draining.
      await all.disposeAsync()
      await admin[Symbol.asyncDispose]()
    },
  }
}

interface OpenGuarded {
  readonly listener: VerifiedListener
  state(): Omit<Condition, 'name'>
  /** For the log; a command may have words that are nobody's. */
  readonly what: number | 'stdio'
}

async function openGuarded(
  guarded: Guarded,
  opened: AsyncDisposableStack,
  log: Log,
): Promise<OpenGuarded> {
  if ('stdio' in guarded) {
    const { command, path, sessionsMax } = guarded.stdio
    const standby = opened.use(keepStandby({ start: () => startChild(command, { log }), log }))
    const door = opened.use(createStdioDoor({ standby, path, sessionsMax }))
    return { listener: door.listener, state: () => standby.state(), what: 'stdio' }
  }
  const { inside } = guarded
  const watch = opened.use(await watchInside({ port: inside.port, log }))
  const forwarder = opened.use(
    createForwarder({ inside, requestsMax, shut: () => watch.shut(), log }),
  )
  return { listener: forwarder.listener, state: () => watch.state(), what: inside.port }
}

function createGuardServer(
  countersign: Countersign,
  listener: ReturnType<Countersign['guard']>,
): Server {
  const server = createServer(
    {
      ...countersign.tlsOptions,
      handshakeTimeout: headMilliseconds,
      headersTimeout: headMilliseconds,
      requestTimeout: requestMilliseconds,
      keepAliveTimeout: keepAliveMilliseconds,
      insecureHTTPParser: false,
    },
    listener,
  )
  server.maxConnections = connectionsMax
  // A connection that cannot be accepted would be the end of the process.
  server.on('error', () => {})
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  countersign.attach(server)
  return server
}

async function bind(server: Server, { host, port }: Address): Promise<void> {
  server.listen(port, host)
  await once(server, 'listening')
}
