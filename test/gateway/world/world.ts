import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import { silentLog, type Log } from '../../../src/log.ts'
import { silentMetrics, type Metrics } from '../../../src/metrics.ts'
import { defaultLimits } from '../../../src/gateway/limits.ts'
import { createGateway, type Gateway, type GatewayOptions } from '../../../src/gateway/gateway.ts'
import { oneHandleKey } from '../../../src/gateway/handle/keys.ts'
import type { NamespaceSource, PodSource } from '../../../src/gateway/caller/workload-sources.ts'
import type { Revocation, RevocationSource } from '../../../src/pki/revocation.ts'
import { findDrift } from '../../../src/gateway/caller/workload-sources.ts'
import { createRevocationFinder } from '../../../src/pki/revocation.ts'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'
import type { Bundle } from '../../../src/pki/bundle.ts'
import type { Credential } from '../../../src/pki/credential.ts'
import { createAuthorizer, type Authorizer } from '../../../src/policy/authorizer.ts'
import type { DecisionEvent, DecisionLog } from '../../../src/policy/decision-log.ts'
import type { ApprovalStore } from '../../../src/gateway/approval/store.ts'
import { loadPolicyBundle } from '../../support/load-policy.ts'
import { memoryApprovals } from './memory-approvals.ts'
import { openClient, type TestClient } from './client.ts'
import { householdOf, type Identities, type Wanted } from './identities.ts'
import {
  answerBoth,
  openUpstream,
  type Answer,
  type Stream,
  type TestUpstream,
} from './upstream.ts'

/** A source whose content a test changes. */
export function changeable<T>(first: T): {
  current(): T
  onChange(listener: () => void): () => void
  set(next: T): void
} {
  const listeners = new Set<() => void>()
  let value = first
  return {
    current: () => value,
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    set(next) {
      value = next
      for (const listener of listeners) listener()
    },
  }
}

type Labels = Readonly<Record<string, string>>

/** How old what is known is said to be, in seconds, and how often that was asked. */
interface Stale {
  revocations: number
  pods: number
  namespaces: number
  readonly looks: Record<'revocations' | 'pods' | 'namespaces', number>
}

export interface World extends AsyncDisposable {
  readonly identities: Identities
  readonly gateway: Gateway
  readonly upstreams: Readonly<Record<string, TestUpstream>>
  readonly events: DecisionEvent[]
  readonly decisionLog: { available: boolean; whenAvailable(): Promise<boolean> }
  readonly revocations: { current(): readonly Revocation[]; set(next: readonly Revocation[]): void }
  /** Pod UIDs that are gone. */
  readonly gone: { current(): ReadonlySet<string>; set(next: ReadonlySet<string>): void }
  /** Of the namespace of agents; undefined while it proves whatever is said. */
  readonly labels: { current(): Labels | undefined; set(next: Labels | undefined): void }
  readonly stale: Stale
  readonly credential: { current(): Credential; set(next: Credential): void }
  readonly trustBundle: { current(): Bundle; set(next: Bundle): void }
  /** The pods of a tool server, by UID. */
  podsOf(server: string): readonly string[]
  agent(wanted?: Wanted): Promise<TestClient>
  /** One more gateway, of the same configuration but for this. */
  openReplica(
    more: Partial<
      Pick<GatewayOptions, 'drain' | 'delay' | 'handleKeys' | 'approvals' | 'metrics' | 'foreign'>
    >,
  ): Promise<Gateway>
  /** A connection of an agent, for what no HTTP client would send. */
  rawConnection(credential?: Credential): Promise<TLSSocket>
}

export interface WorldOptions {
  /** Answers by server; two servers, `files` and `web`, unless told. */
  readonly answers?: Readonly<Record<string, Answer>>
  /** What servers say on the streams of sessions. */
  readonly streams?: Readonly<Record<string, Stream>>
  readonly upstreams?: (
    configs: GatewayOptions['upstreams'],
    identities: Identities,
  ) => GatewayOptions['upstreams'] | Promise<GatewayOptions['upstreams']>
  readonly grants?: object
  /** `data.limits` of the policy. */
  readonly policyLimits?: object
  /** `data.approvals` of the policy. */
  readonly policyApprovals?: object
  /** Where approvals are kept; in memory, for all replicas, unless told. */
  readonly approvals?: ApprovalStore
  readonly history?: GatewayOptions['history']
  readonly authorizer?: (real: Authorizer) => Authorizer
  readonly limits?: GatewayOptions['limits']
  readonly denials?: GatewayOptions['denials']
  readonly workers?: number
  readonly drain?: GatewayOptions['drain']
  readonly delay?: GatewayOptions['delay']
  readonly ready?: GatewayOptions['ready']
  readonly hosts?: readonly string[]
  readonly origins?: readonly string[]
  readonly now?: () => number
  readonly log?: Log
  readonly metrics?: Metrics
  readonly tracer?: GatewayOptions['tracer']
  readonly handleKeys?: GatewayOptions['handleKeys']
  readonly pods?: PodSource
  readonly identityExtensionOid?: string
  /** The CA of everybody is an intermediate. */
  readonly underRoot?: number
  readonly trustBundle?: (bundle: Bundle) => Bundle
  readonly foreign?: GatewayOptions['foreign']
}

export const defaultScopes = 'files:echo,files:big,files:delete,web:*'

/** Tenant acme may echo, and read what is big; it may delete one thing only. */
export const defaultGrants: object = {
  tenants: {
    acme: {
      files: {
        tools: { echo: {}, big: {}, delete: { arguments: { what: ['draft'] } } },
        prefixes: {},
      },
      web: { tools: {}, prefixes: { '': {} } },
    },
  },
  subjects: {},
}

/** A gateway with real TLS on both sides, the shipped policy, and upstreams that a test scripts. */
export async function openWorld(options: WorldOptions = {}): Promise<World> {
  const household = householdOf(options.underRoot)
  const { identities } = household
  const { bundle } = identities
  const { answers = { files: answerBoth({ name: 'files' }), web: answerBoth({ name: 'web' }) } } =
    options
  const upstreams: Record<string, TestUpstream> = {}
  const podUids: Record<string, string> = {}
  const configs: GatewayOptions['upstreams'][number][] = []
  for (const [server, answer] of Object.entries(answers)) {
    const credential = household.toolServer(server)
    const stream = options.streams?.[server]
    const upstream = await openUpstream({ credential, bundle, answer, stream })
    podUids[server] = credential.svid.identity?.pod.uid ?? ''
    upstreams[server] = upstream
    const spiffeId = parseSpiffeId(credential.svid.spiffeId.uri)
    configs.push({ server, url: upstream.url, spiffeId, eras: ['modern', 'legacy'] })
  }
  const engine = await loadPolicyBundle({
    data: {
      grants: options.grants ?? defaultGrants,
      limits: options.policyLimits ?? {},
      approvals: options.policyApprovals ?? {},
    },
  })
  const real = createAuthorizer(engine, { inputOctetsMax: defaultLimits.bodyBytesMax + 65_536 })
  const revocations = changeable<readonly Revocation[]>([])
  const gone = changeable<ReadonlySet<string>>(new Set())
  const labels = changeable<Labels | undefined>(undefined)
  const stale: Stale = {
    revocations: 0,
    pods: 0,
    namespaces: 0,
    looks: { revocations: 0, pods: 0, namespaces: 0 },
  }
  const credential = changeable(household.gateway)
  const trustBundle = changeable(options.trustBundle?.(bundle) ?? bundle)
  const { log: decisionLog, events } = memoryDecisionLog()
  const { now = Date.now, log = silentLog, limits } = options
  const settings: GatewayOptions = {
    listen: { host: '127.0.0.1', port: 0 },
    handleKeys: options.handleKeys ?? oneHandleKey(),
    credential,
    trustBundle,
    foreign: options.foreign,
    authorizer: options.authorizer?.(real) ?? real,
    decisionLog,
    approvals: options.approvals ?? memoryApprovals(),
    history: options.history,
    upstreams: (await options.upstreams?.(configs, identities)) ?? configs,
    revocations: revocationSource(revocations, stale),
    pods: options.pods ?? podSource(gone, stale),
    namespaces: namespaceSource(labels, stale),
    hosts: options.hosts ?? ['gateway.test'],
    origins: options.origins ?? ['https://console.test'],
    ...(limits === undefined ? {} : { limits }),
    workers: options.workers,
    denials: options.denials,
    drain: { graceSeconds: 0, ...options.drain },
    delay: options.delay,
    ready: options.ready,
    ...(options.identityExtensionOid === undefined
      ? {}
      : { identityExtensionOid: options.identityExtensionOid }),
    now,
    log,
    metrics: options.metrics ?? silentMetrics,
    tracer: options.tracer,
  }
  const gateway = await createGateway(settings)
  const replicas: Gateway[] = []
  const clients: TestClient[] = []
  return {
    identities,
    gateway,
    upstreams,
    events,
    decisionLog,
    revocations,
    gone,
    labels,
    stale,
    credential,
    trustBundle,
    podsOf: (server) => [podUids[server] ?? ''],
    async agent(wanted = {}) {
      const own = identities.issue({ toolScopes: defaultScopes, ...wanted })
      const client = openClient({ port: gateway.port, credential: own, bundle })
      clients.push(client)
      return client
    },
    async openReplica(more) {
      const replica = await createGateway({ ...settings, ...more })
      replicas.push(replica)
      return replica
    },
    async rawConnection(own = identities.issue({ toolScopes: defaultScopes })) {
      const { chainPem: cert, privateKeyPem: key } = own
      const { port } = gateway
      const checkServerIdentity = (): undefined => undefined
      const host = '127.0.0.1'
      const socket = connect({ host, port, cert, key, ca: bundle.pem, checkServerIdentity })
      await once(socket, 'secureConnect')
      return socket
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()))
      await Promise.all([gateway, ...replicas].map((each) => each.close()))
      await Promise.all(Object.values(upstreams).map((each) => each[Symbol.asyncDispose]()))
    },
  }
}

function revocationSource(
  revocations: ReturnType<typeof changeable<readonly Revocation[]>>,
  stale: Stale,
): RevocationSource {
  return {
    find: createRevocationFinder(() => revocations.current()),
    get staleSeconds() {
      stale.looks.revocations += 1
      return stale.revocations
    },
    onChange: (listener) => revocations.onChange(listener),
  }
}

function podSource(
  gone: ReturnType<typeof changeable<ReadonlySet<string>>>,
  stale: Stale,
): PodSource {
  return {
    alive: (podUid) => !gone.current().has(podUid),
    get staleSeconds() {
      stale.looks.pods += 1
      return stale.pods
    },
    onChange: (listener) => gone.onChange(listener),
  }
}

function namespaceSource(
  labels: ReturnType<typeof changeable<Labels | undefined>>,
  stale: Stale,
): NamespaceSource {
  return {
    drift(identity) {
      const now = labels.current()
      const isOf = identity.namespace.name === 'agents'
      return isOf && now !== undefined ? findDrift(identity, now) : undefined
    },
    get staleSeconds() {
      stale.looks.namespaces += 1
      return stale.namespaces
    },
    onChange: (listener) => labels.onChange(listener),
  }
}

function memoryDecisionLog(): {
  log: DecisionLog & { available: boolean }
  events: DecisionEvent[]
} {
  const events: DecisionEvent[] = []
  return {
    events,
    log: {
      available: true,
      keeping: true,
      whenAvailable() {
        return Promise.resolve(this.available)
      },
      record: (event) => events.push(event) > 0,
      flush: () => Promise.resolve(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    },
  }
}
