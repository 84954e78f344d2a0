import { once } from 'node:events'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { CountersignError, quoted } from '../../errors.ts'
import { createForwarder } from '../../guard/forward.ts'
import { parseInside, type Inside } from '../../guard/inside.ts'
import { watchInside } from '../../guard/watch-inside.ts'
import { parseSpiffeId } from '../../identity/spiffe-id.ts'
import { parseTrustDomain } from '../../identity/trust-domain.ts'
import type { Log } from '../../log.ts'
import { createMetrics } from '../../metrics.ts'
import { isReady, type Condition } from '../../readiness.ts'
import {
  requireCountersign,
  type Countersign,
  type RequireCountersignOptions,
} from '../../toolserver/require-countersign.ts'
import { openAdminListener } from '../admin-listener.ts'
import { listening } from '../listening.ts'
import type { Running } from '../running.ts'

export interface GuardOptions {
  readonly to?: string
  readonly gateway?: readonly string[]
  readonly callerTrustDomain?: readonly string[]
  readonly server?: string
  readonly credentialBundle?: string
  readonly trustBundle?: string
  readonly identityExtensionOid?: string
  readonly revocations?: string
  readonly listen: string
  readonly admin: string
  readonly graceSeconds: string
  readonly production: boolean
}

interface Address {
  readonly host: string
  readonly port: number
}

export interface GuardConfig {
  readonly inside: Inside
  readonly countersign: RequireCountersignOptions
  readonly listen: Address
  readonly admin: Address
  readonly graceSeconds: number
}

const graceSecondsMax = 600

/** What can be seen to be wrong before anything is opened. Throws `cli/usage`, `guard/inside` and `identity/spiffe-id`. */
export function parseGuardOptions(options: GuardOptions): GuardConfig {
  const inside = parseInside(required(options.to, 'to'))
  const gateways = options.gateway ?? []
  const [first] = gateways
  const listen = parseAddress('listen', options.listen)
  if (listen.port === inside.port) {
    throw usage(`listen: want=another port than the server's inside got=${listen.port}`)
  }
  const graceSeconds = Number(options.graceSeconds)
  if (!/^\d+$/.test(options.graceSeconds) || graceSeconds > graceSecondsMax) {
    throw usage(`grace-seconds: want=0..${graceSecondsMax} got=${quoted(options.graceSeconds)}`)
  }
  return {
    inside,
    listen,
    admin: parseAddress('admin', options.admin),
    graceSeconds,
    countersign: {
      credentialBundle: required(options.credentialBundle, 'credential-bundle'),
      trustBundle: required(options.trustBundle, 'trust-bundle'),
      trustDomain: trustDomainOf(required(first, 'gateway')),
      gateways,
      callerTrustDomains: (options.callerTrustDomain ?? []).map(parseTrustDomain),
      production: options.production,
      ...(options.server === undefined ? {} : { server: options.server }),
      ...(options.identityExtensionOid === undefined
        ? {}
        : { identityExtensionOid: options.identityExtensionOid }),
      ...(options.revocations === undefined ? {} : { revocations: sourceOf(options.revocations) }),
    },
  }
}

function sourceOf(revocations: string): true | { readonly file: string } {
  return revocations === 'cluster' ? true : { file: revocations }
}

function trustDomainOf(gateway: string): string {
  try {
    return parseSpiffeId(gateway).trustDomain
  } catch (cause) {
    throw new CountersignError('cli/usage', 'guard: gateway', {
      cause,
      hint: 'such as spiffe://agents.example/ns/countersign-system/sa/countersign-gateway',
    })
  }
}

function required(value: string | undefined, name: string): string {
  if (value !== undefined && value !== '') return value
  throw usage(`${name}: required`)
}

function parseAddress(name: string, text: string): Address {
  const [, host, port] = /^(\[[0-9a-fA-F:.]+\]|[0-9.]+):(\d{1,5})$/.exec(text) ?? []
  if (host === undefined || Number(port) > 65_535) {
    throw usage(`${name}: want=<address>:<port> got=${quoted(text)}`)
  }
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) }
}

function usage(message: string): CountersignError {
  return new CountersignError('cli/usage', `guard: ${message}`, {
    hint: 'countersign guard --help',
  })
}

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
  const watch = opened.use(await watchInside({ port: config.inside.port, log }))
  const { inside } = config
  const forwarder = opened.use(
    createForwarder({ inside, requestsMax, shut: () => watch.shut(), log }),
  )
  const server = createGuardServer(countersign, countersign.guard(forwarder.listener))
  await listening('listen', config.listen, () => bind(server, config.listen))
  const { port } = server.address() as AddressInfo
  let draining = false
  opened.defer(() => {
    draining = true
    return countersign.close({ graceSeconds: config.graceSeconds, callSecondsMax })
  })
  const conditions = (): readonly Condition[] => [
    { name: 'inside', ...watch.state() },
    { name: 'listen', ok: true, reason: `port ${port}` },
    draining
      ? { name: 'draining', ok: false, reason: 'it was told to end' }
      : { name: 'draining', ok: true, reason: 'no' },
  ]
  const metrics = createMetrics({ process: true })
  const admin = await openAdminListener({ ...config.admin, metrics, conditions })
  log.info({ port, inside: inside.port }, 'guarding')
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
