import { CountersignError } from '../errors.ts'
import type { ApiClient } from '../kubernetes/api-client.ts'
import {
  discoverPodCertificateVersion,
  servedPodCertificateVersions,
  servesSigningRequests,
} from '../kubernetes/api-discovery.ts'
import type { Delay } from '../kubernetes/backoff.ts'
import { startInformer, type Informer } from '../kubernetes/informer.ts'
import {
  podCertificateRequests,
  type AgentAccount,
  type PodCertificateRequest,
  type PodCertificateVersion,
} from '../kubernetes/pod-certificate-request.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Condition, ConditionBoard } from '../readiness.ts'
import type { History } from './issue/history.ts'
import type { IssuancePorts } from './issue/ports.ts'
import { untilAnswered } from './until-answered.ts'
import { clusterPorts } from './watch/cluster-ports.ts'
import type { Gatherer } from './watch/gather.ts'
import { signingRequestPorts } from './watch/signing-request-ports.ts'
import { followSigningRequests } from './watch/signing-requests.ts'

/** One way in which certificates are asked for: what is asked, and what is written of it. All ways share evidence, history and ledger. */
export interface Lane {
  readonly asked: 'of-kubelets' | 'of-pods'
  readonly requests: Pick<
    Informer<PodCertificateRequest>,
    'get' | 'byUid' | 'list' | 'onEvent' | 'synced' | 'condition'
  >
  readonly ports: IssuancePorts
}

/** Where pods ask by CertificateSigningRequests. */
export interface SigningRequestsOptions {
  /** Whether this program approves, too. */
  readonly approve: boolean
  /** Who may ask for IssuedCertificates; nobody when absent. */
  readonly issuedCertificates?: AgentAccount | undefined
}

export interface LanesOptions {
  readonly client: ApiClient
  readonly signerName: string
  /** Of PodCertificateRequests; `none` where the cluster serves none, and pods ask by themselves alone. */
  readonly version: PodCertificateVersion | 'none'
  readonly gatherer: Gatherer
  readonly signingRequests?: SigningRequestsOptions | undefined
  /** How many requests of that way wait. */
  readonly depthOf: (asked: Lane['asked']) => number
  readonly board: ConditionBoard
  readonly log: Log
  readonly metrics: Metrics
  readonly now: () => number
}

/** A request may have 256 KiB of annotations, and is answered whatever they are. */
const requestBytesMax = 1024 * 1024

/** Requests that are not seen wait: so long, nobody minds. */
const lostSecondsMax = 60

const watches = {
  'of-kubelets': 'watch podcertificaterequests',
  'of-pods': 'watch certificatesigningrequests',
} as const

/** The conditions of the ways that are followed. */
export function laneConditions(options: Pick<LanesOptions, 'signingRequests'>): readonly string[] {
  const { 'of-kubelets': kubelets, 'of-pods': pods } = watches
  return options.signingRequests === undefined ? [kubelets] : [kubelets, pods]
}

const notServed: Omit<Condition, 'name'> = {
  ok: false,
  optional: true,
  reason: 'not served: pods ask by themselves',
}

function ofKubelets(
  options: LanesOptions,
  version: PodCertificateVersion,
  opened: AsyncDisposableStack,
): Lane {
  const { client, signerName, log, metrics } = options
  const requests = opened.use(
    startInformer<PodCertificateRequest>({
      client,
      resource: podCertificateRequests(version),
      fieldSelector: `spec.signerName=${signerName}`,
      keptBytesMax: requestBytesMax,
      log,
      metrics,
    }),
  )
  const depth = (): number => options.depthOf('of-kubelets')
  return { asked: 'of-kubelets', requests, ports: clusterPorts({ ...options, version, depth }) }
}

function ofPods(
  options: LanesOptions,
  { approve, issuedCertificates: agent }: SigningRequestsOptions,
  opened: AsyncDisposableStack,
): Lane {
  const { client, signerName, log, metrics, now } = options
  // Evidence and events are the same whatever is asked, and of no version; but who tells much by the one way silences nobody on the other.
  const depth = (): number => options.depthOf('of-pods')
  const ports = clusterPorts({ ...options, version: 'v1', depth })
  return {
    asked: 'of-pods',
    requests: opened.use(followSigningRequests({ client, signerName, agent, log, metrics })),
    ports: signingRequestPorts({ client, ports, approve, agent, now }),
  }
}

/** Begins to follow each way. Their conditions do not hold yet: nobody works on what is seen. */
export function openLanes(options: LanesOptions, opened: AsyncDisposableStack): readonly Lane[] {
  const { signingRequests, board } = options
  const lanes: Lane[] = []
  if (options.version === 'none') board.set(watches['of-kubelets'], () => notServed)
  else lanes.push(ofKubelets(options, options.version, opened))
  if (signingRequests !== undefined) lanes.push(ofPods(options, signingRequests, opened))
  for (const lane of lanes) {
    board.set(watches[lane.asked], () => ({ ...conditionOf(lane, lanes), ok: false }))
  }
  return lanes
}

/** From now on what is seen is worked on. */
export function tellLanes(lanes: readonly Lane[], board: ConditionBoard): void {
  for (const lane of lanes) board.set(watches[lane.asked], () => conditionOf(lane, lanes))
}

/** Without the first there is nothing to do; who asks another way stops nobody who asks by that one. */
function conditionOf(lane: Lane, [first]: readonly Lane[]): Omit<Condition, 'name'> {
  const { ok, reason } = lane.requests.condition(lostSecondsMax)
  return lane === first ? { ok, reason } : { ok, reason, optional: true }
}

/** What was begun while they were answered has nobody here who could settle it. */
export function tellUnfollowed(
  { signingRequests, log }: Pick<LanesOptions, 'signingRequests' | 'log'>,
  { intents }: Pick<History, 'intents'>,
): void {
  if (signingRequests !== undefined) return
  const open = intents.requests().filter(({ kind }) => kind !== undefined)
  if (open.length === 0) return
  log.warn(
    { open: open.length },
    'what pods asked by themselves stays unsettled while it is not answered',
  )
}

/** What is said of every way while none of it is followed, or no more. */
export function quietLanes(
  options: Pick<LanesOptions, 'signingRequests' | 'board'>,
  reason: string,
): void {
  for (const name of laneConditions(options)) options.board.set(name, () => ({ ok: false, reason }))
}

interface VersionOptions extends Pick<
  LanesOptions,
  'client' | 'signingRequests' | 'board' | 'log'
> {
  readonly delay: Delay
  readonly signal: AbortSignal
}

/**
 * The version in which kubelets ask. What is not served is waited for, unless pods may ask by themselves and the API server says plainly
 * that it serves the one and not the other. Undefined when told to end.
 */
export function discoverVersion(
  options: VersionOptions,
): Promise<LanesOptions['version'] | undefined> {
  const told = (reason: string): void => quietLanes(options, reason)
  return untilAnswered(() => askVersion(options), { ...options, told })
}

async function askVersion({
  client,
  log,
  signingRequests,
  signal,
}: VersionOptions): Promise<LanesOptions['version']> {
  try {
    const { version, unreadableNodes: nodes } = await discoverPodCertificateVersion(client, signal)
    if (nodes.length > 0) log.error({ nodes }, oldKubelets)
    return version
  } catch (error) {
    const isMissing = error instanceof CountersignError && error.code === 'kubernetes/not-served'
    if (!isMissing || signingRequests === undefined) throw error
    if (!(await servesSigningRequests(client, signal))) throw error
    log.warn({ error }, 'only what pods ask by themselves is answered')
    return 'none'
  }
}

/** Between two looks at what is served: a control plane is upgraded now and then. */
const lookMilliseconds = 60_000

/** Every so many looks the nodes are read as well, by whose kubelets it is decided where two versions are served. */
const looksWithoutNodes = 10

/**
 * True as soon as kubelets ask in another version than the one that is followed; false when told to end. It has to be so at two looks: API
 * servers that are upgraded one after the other answer by turns. One that does not answer says nothing.
 */
export async function untilOtherVersion(
  options: VersionOptions,
  followed: LanesOptions['version'],
): Promise<boolean> {
  const { client, log, delay, signal } = options
  let before: string | undefined
  let seen = 0
  for (let looks = 0; !signal.aborted; looks += 1) {
    await delay(lookMilliseconds, signal).catch(() => {})
    try {
      const served = (await servedPodCertificateVersions(client, signal)).join()
      if (served === before && seen === 0 && looks % looksWithoutNodes > 0) continue
      before = served
      const version = await askVersion(options)
      seen = version === followed ? 0 : seen + 1
      if (seen < 2) continue
      log.warn({ followed, version }, 'kubelets ask in another version, and are followed anew')
      return true
    } catch {
      seen = 0
    }
  }
  return false
}

const oldKubelets = 'kubelets older than 1.36 write requests whose key v1 does not show'
