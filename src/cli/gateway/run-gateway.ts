import { hostname } from 'node:os'
import { createGateway, type Gateway, type GatewayOptions } from '../../gateway/gateway.ts'
import { openApprovalObjects } from '../../gateway/approval/approval-objects.ts'
import { watchClaims } from '../../gateway/caller/claim-watch.ts'
import { watchNamespaces } from '../../gateway/caller/namespace-watch.ts'
import { watchPods } from '../../gateway/caller/pod-watch.ts'
import { watchRevocations } from '../../gateway/caller/revocation-watch.ts'
import type { HistoryStore } from '../../gateway/history/history-store.ts'
import {
  approvalRights,
  claimRights,
  gatewayRights,
  policyEventRights,
  toolServerRights,
} from '../../gateway/rights.ts'
import type { ToolChange } from '../../gateway/upstream/tool-change.ts'
import { startEventWriter, type EventWriter } from '../../gateway/upstream/tool-server-events.ts'
import { startStatusWriter, type StatusWriter } from '../../gateway/upstream/tool-server-status.ts'
import {
  watchToolServers,
  type ToolServerSource,
} from '../../gateway/upstream/tool-server-watch.ts'
import type { Right } from '../../kubernetes/access-review.ts'
import { createApiClient, type ApiClient } from '../../kubernetes/api-client.ts'
import { observeClient } from '../../kubernetes/reachability.ts'
import { watchRights } from '../../kubernetes/rights-watch.ts'
import { workloadOf } from '../../identity/spiffe-id.ts'
import type { Log } from '../../log.ts'
import { createMetrics, type Metrics } from '../../metrics.ts'
import { openBundleFile, type Bundle } from '../../pki/bundle.ts'
import { openCredentialFile, type Credential } from '../../pki/credential.ts'
import { parseIdentityExtensionOid } from '../../pki/identity-extension-oid.ts'
import type { Reloading } from '../../pki/reloading-files.ts'
import { createBoard, isReady, type Condition, type ConditionBoard } from '../../readiness.ts'
import { createAuthorizer } from '../../policy/authorizer.ts'
import { formatStatusPage } from '../../policy/bundle-status.ts'
import { shadowed } from '../../policy/shadow/shadowed-log.ts'
import { openAdminListener } from '../admin-listener.ts'
import {
  credentialState,
  drainingState,
  isThere,
  listenState,
  trustBundleState,
} from './gateway-conditions.ts'
import { acceptHistory } from './accept-history.ts'
import { openFirstUseFolder } from './first-use-folder.ts'
import { followUpstreams } from './follow-upstreams.ts'
import { openFederation, type Federation } from './open-federation.ts'
import { keyOfThisStart, openHandleKeys } from './handle-keys.ts'
import type { GatewayConfig } from './gateway-configuration.ts'
import { pagesOf } from './gateway-pages.ts'
import { listening } from '../listening.ts'
import { decisionLogState } from '../decision-log.ts'
import { openOwnDecisionLog, uploadConditions } from '../open-decision-log.ts'
import { ownPodOf, startPolicyEvents } from '../policy-events.ts'
import { besideConditions, openPolicy, statusesOf } from '../open-policy.ts'
import { openTracer } from './open-tracer.ts'
import { startSigningThreads } from './signing-thread.ts'
import { beginning, type Running } from '../running.ts'

const conditionNames: readonly string[] = [
  'kubernetes',
  'rights',
  'credential',
  'trust-bundle',
  'policy',
  'handle-keys',
  'decision-log',
  'revocations',
  'pods',
  'namespaces',
  'listen',
]

/** What the input of a call has beside the arguments: who calls, and the annotations of the tool. */
const inputOctetsMore = 64 * 1024

/**
 * Starts a gateway from its configuration. What a person wrote (configuration, policy, keys of handles) and what has to be ours (ports, the
 * decision log) is an error at once; what comes from elsewhere (the certificate and the trust bundle, rights, watches) is waited for,
 * and said on the admin listener meanwhile. The MCP port opens as soon as TLS can: with certificate and trust bundle.
 */
export async function runGateway(
  config: GatewayConfig,
  options: { readonly log: Log; readonly now?: () => number; readonly signal?: AbortSignal },
): Promise<Running> {
  const { log, now = Date.now, signal } = options
  await using opened = new AsyncDisposableStack()
  const metrics = createMetrics({ process: true })
  let gateway: OpenGateway | undefined
  const conditions = (): readonly Condition[] => gateway?.conditions() ?? [beginning]
  const admin = opened.use(
    await openAdminListener({
      ...config.admin,
      metrics: {
        contentType: metrics.contentType,
        page() {
          gateway?.measure()
          return metrics.page()
        },
      },
      conditions,
      pages: pagesOf(() => gateway),
    }),
  )
  const ofThisStart = await keyOfThisStart(config, log)
  gateway = opened.use(await openGateway(config, { log, now, metrics, ofThisStart, signal }))
  const { ended } = gateway
  const all = opened.move()
  return {
    adminUrl: admin.url,
    ready: () => isReady(conditions()),
    conditions,
    ended,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

/** A gateway in this process, without its admin listener. */
interface OpenGateway extends AsyncDisposable {
  conditions(): readonly Condition[]
  trustBundlePem(): string | undefined
  /** Sets the gauges of what is open at this moment. */
  measure(): void
  jwks(): string | undefined
  policyStatus(): string
  /** Rejects when it cannot go on. */
  readonly ended: Promise<void>
}

export interface OpenGatewayOptions {
  readonly log: Log
  readonly now: () => number
  readonly metrics: Metrics
  /** Seals handles where no keys are configured, the same in all processes of a start. */
  readonly ofThisStart: Buffer
  /** Of the process, in the events of the decision log. */
  readonly labels?: Readonly<Record<string, string>>
  /** Whether it says of ToolServers that they are served; of several workers one does. Default true. */
  readonly tellsStatus?: boolean
  /** Of all processes of a start; one alone keeps its own. */
  readonly history?: HistoryStore | undefined
  /** Ends a start that waits for its policy. */
  readonly signal?: AbortSignal | undefined
}

/** Who writes a decision log, in its events and in the name of its checkpoints. */
function writerOf(
  { trustDomain }: GatewayConfig,
  id: () => string,
  own: Readonly<Record<string, string>> = {},
): Pick<Parameters<typeof openOwnDecisionLog>[1], 'labels' | 'origin' | 'worker'> {
  const origin = `${trustDomain}/decisions/${hostname()}`
  return { labels: () => ({ id: id(), ...own }), origin, worker: own['worker'] }
}

/** Opens what `runGateway` says. */
export async function openGateway(
  config: GatewayConfig,
  options: OpenGatewayOptions,
): Promise<OpenGateway> {
  const { log, now, metrics, tellsStatus = true, signal, history } = options
  await using opened = new AsyncDisposableStack()
  const handleKeys = opened.use(await openHandleKeys(config, options))
  const settings = { ...settingsOf(config), handleKeys, ...ownMeans(config, log) }
  const told = { log, metrics, signal, accept: acceptHistory(config) }
  const policy = opened.use(await openPolicy(config.policy, told))
  const board = createBoard(conditionNames)
  board.set('policy', () => policy.condition())
  board.set('handle-keys', () => handleKeys.condition())
  const parts = { log, metrics, now, opened, board, tellsStatus }
  const { resources, events, client, ...watches } = await openWatches(config, parts)
  const pod = tellsStatus ? ownPodOf(process.env) : undefined
  opened.use(startPolicyEvents({ policy, client, pod, component: 'countersign-gateway', now, log }))
  const { credential, trustBundle, federation } = await openFiles(config, { ...parts, settings })
  const ownNamespace = (): string | undefined =>
    isThere(credential) ? workloadOf(credential.current().svid.spiffeId)?.namespace : undefined
  const tools = opened.use(await followUpstreams(config, { log, ownNamespace, ...resources }))
  const inputOctetsMax = config.limits.bodyBytesMax + inputOctetsMore
  const id = (): string => credential.current().svid.spiffeId.uri
  const writer = writerOf(config, id, options.labels)
  const logged = { ...writer, log, metrics, now, engine: policy.engine, inputOctetsMax }
  const kept = opened.use(await openOwnDecisionLog(config.decisionLog, logged))
  const { decisionLog } = kept
  board.set('decision-log', () => decisionLogState(decisionLog))
  let gateway: Gateway | undefined
  board.set('listen', () => listenState(gateway, [credential, trustBundle]))
  const ready = (): readonly Condition[] => [
    ...board.list(),
    ...besideConditions(policy),
    ...uploadConditions(kept),
  ]
  const tracer = openTracer(config, parts)
  const door = opened.use(new AsyncDisposableStack())
  const authorizer = createAuthorizer(policy.engine, { metrics, inputOctetsMax, ...policy.tenants })
  const open = async (): Promise<void> => {
    const { domains: foreign } = federation
    const sources = { ...watches, credential, trustBundle, foreign, authorizer }
    const toolChanged =
      events && ((change: ToolChange) => events.tell(tools.objectOf(change.server), change))
    const recorded = { decisionLog: shadowed(decisionLog, policy.candidate?.shadow), history }
    const process = { ...recorded, toolChanged, ready, probes: true, tracer, now, log, metrics }
    const made = await listening('listen', config.listen, () =>
      createGateway({ ...settings, upstreams: tools.current(), ...sources, ...process }),
    )
    gateway = made
    tools.follow((upstreams) => made.replaceUpstreams(upstreams))
    door.defer(() => made.close())
  }
  const { ended } = await openWhenThere([credential, trustBundle], { open, opened })
  const all = opened.move()
  return {
    conditions: () => [
      ...ready(),
      ...tools.conditions(),
      ...federation.conditions(),
      ...(gateway?.conditions() ?? []),
      { ...drainingState(gateway), name: 'draining' },
    ],
    measure: () => gateway?.measure(),
    trustBundlePem: () => (isThere(trustBundle) ? trustBundle.current().pem : undefined),
    jwks: () => gateway?.jwks(),
    policyStatus: () => formatStatusPage(statusesOf(policy), kept.upload?.status()),
    ended,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

/** What a gateway has of this process: a folder, and a thread where it needs one. */
function ownMeans(
  { firstUseFolder }: GatewayConfig,
  log: Log,
): Pick<GatewayOptions, 'firstUse' | 'startSigningThread'> {
  return {
    firstUse: firstUseFolder === undefined ? undefined : openFirstUseFolder(firstUseFolder, log),
    startSigningThread: startSigningThreads(log),
  }
}

interface Files {
  readonly credential: Reloading<Credential>
  readonly trustBundle: Reloading<Bundle>
  readonly federation: Federation
}

async function openFiles(
  config: GatewayConfig,
  parts: {
    readonly log: Log
    readonly metrics: Metrics
    readonly now: () => number
    readonly opened: AsyncDisposableStack
    readonly settings: { readonly identityExtensionOid: string }
    readonly board: ConditionBoard
  },
): Promise<Files> {
  const { log, now, opened, settings, board } = parts
  const { identityExtensionOid } = settings
  const { trustDomain } = config
  const awaited = true
  const credential = opened.use(
    await openCredentialFile({ file: config.credentialBundle, log, identityExtensionOid, awaited }),
  )
  const trustBundle = opened.use(
    await openBundleFile({ file: config.trustBundle, trustDomain, now, log, awaited }),
  )
  board.set('credential', () => credentialState(credential, now()))
  board.set('trust-bundle', () => trustBundleState(trustBundle, now()))
  const federation = opened.use(await openFederation(config, parts))
  return { credential, trustBundle, federation }
}

/** Opens at once where all is there, so that what is wrong with the port is the start's own failure; else as soon as it is. */
async function openWhenThere(
  sources: readonly Reloading<unknown>[],
  { open, opened }: { readonly open: () => Promise<void>; readonly opened: AsyncDisposableStack },
): Promise<{ readonly ended: Promise<void> }> {
  const stop = new AbortController()
  const stopped = new Promise<void>((resolve) => {
    stop.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  if (sources.every(isThere)) {
    await open()
    return { ended: stopped }
  }
  const there = new Promise<void>((resolve) => {
    for (const source of sources) {
      source.onChange(() => {
        if (sources.every(isThere)) resolve()
      })
    }
  })
  const work = async (): Promise<void> => {
    await Promise.race([there, stopped])
    if (!stop.signal.aborted) await open()
    await stopped
  }
  const ended = work()
  // Registered last, so disposed first: nothing is opened any more while the rest is closed.
  opened.defer(async () => {
    stop.abort()
    await ended.catch(() => {})
  })
  return { ended }
}

type Settings =
  'listen' | 'hosts' | 'origins' | 'denials' | 'staleSecondsMax' | 'drain' | 'limits' | 'workers'

/** What the configuration says by itself. Throws `cli/configuration`, `pki/identity-extension-oid`. */
function settingsOf(
  config: GatewayConfig,
): Pick<GatewayOptions, Settings> & { readonly identityExtensionOid: string } {
  const { listen, hosts, origins, denials, staleSecondsMax, drain, limits, workers } = config
  const identityExtensionOid = parseIdentityExtensionOid(config.identityExtensionOid, config)
  const settings = { listen, hosts, origins, denials, staleSecondsMax, drain, limits, workers }
  return { ...settings, identityExtensionOid }
}

type Watches = Pick<GatewayOptions, 'revocations' | 'pods' | 'namespaces' | 'approvals'> & {
  readonly resources: {
    readonly toolServers?: ToolServerSource
    readonly status?: StatusWriter
  }
  /** Each process tells what it sees: under one name, so that it is there once. */
  readonly events: EventWriter | undefined
  readonly client: ApiClient
}

async function openWatches(
  config: GatewayConfig,
  parts: {
    readonly log: Log
    readonly metrics: Metrics
    readonly now: () => number
    readonly opened: AsyncDisposableStack
    readonly board: ConditionBoard
    readonly tellsStatus: boolean
  },
): Promise<Watches> {
  const { opened, board, tellsStatus, ...rest } = parts
  const direct = createApiClient({
    kubeconfig: config.kubeconfig,
    environment: process.env,
    userAgent: 'countersign-gateway',
  })
  opened.defer(() => direct.close())
  const client = observeClient(direct, parts.now)
  const rights = opened.use(watchRights({ client, rights: rightsOf(config) }))
  // Whoever calls before the first list is there is told that the gateway is not ready.
  const watch = { client, ...rest, firstListSeconds: 0 }
  const revocations = opened.use(await watchRevocations(watch))
  const { staleSecondsMax, claims } = config
  const pods = opened.use(await watchPods({ ...watch, owners: claims?.owners }))
  const labels = opened.use(await watchNamespaces(watch))
  const followed =
    claims &&
    opened.use(
      watchClaims({
        ...watch,
        kinds: claims.owners,
        ownedOf: pods.ownedOf,
        namespaces: labels,
        staleSecondsMax,
      }),
    )
  const namespaces = followed ?? labels
  // The watches say for themselves whether they are fresh: an API server that is away for a moment ends no call.
  board.set('kubernetes', () => ({ ...client.condition(), optional: true }))
  board.set('rights', () => rights.condition())
  board.set('revocations', () => revocations.condition(staleSecondsMax))
  board.set('pods', () => pods.condition(staleSecondsMax))
  board.set('namespaces', () => labels.condition(staleSecondsMax))
  followed?.conditions().forEach(({ name }, index) => {
    board.set(name, () => followed.conditions()[index] ?? beginning)
  })
  const { namespace } = config.approvals ?? {}
  const approvals = namespace === undefined ? undefined : openApprovalObjects({ client, namespace })
  const watches = { revocations, pods, namespaces, approvals }
  if (!config.toolServers) return { ...watches, client, resources: {}, events: undefined }
  const toolServers = opened.use(watchToolServers(watch))
  const resources = tellsStatus
    ? { toolServers, status: opened.use(startStatusWriter({ ...watch, source: toolServers })) }
    : { toolServers }
  const events = startEventWriter({ ...watch, source: toolServers })
  return { ...watches, client, resources, events }
}

function rightsOf({ toolServers, approvals, claims }: GatewayConfig): readonly Right[] {
  const pod = ownPodOf(process.env)
  return [
    ...gatewayRights,
    ...(toolServers ? toolServerRights : []),
    ...(approvals === undefined ? [] : approvalRights(approvals.namespace)),
    ...claimRights(claims?.owners ?? []),
    ...(pod === undefined ? [] : policyEventRights(pod.namespace)),
  ]
}
