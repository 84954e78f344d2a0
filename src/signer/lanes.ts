import type { ApiClient } from '../kubernetes/api-client.ts'
import { startInformer, type Informer } from '../kubernetes/informer.ts'
import {
  podCertificateRequests,
  type PodCertificateRequest,
  type PodCertificateVersion,
} from '../kubernetes/pod-certificate-request.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { ConditionBoard } from '../readiness.ts'
import type { IssuancePorts } from './issue/ports.ts'
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

export interface LanesOptions {
  readonly client: ApiClient
  readonly signerName: string
  readonly version: PodCertificateVersion
  readonly gatherer: Gatherer
  /** Where pods ask by CertificateSigningRequests: whether this program approves, too. */
  readonly signingRequests?: { readonly approve: boolean } | undefined
  /** How many requests wait. */
  readonly depth: () => number
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

/** Begins to follow each way. Their conditions do not hold yet: nobody works on what is seen. */
export function openLanes(options: LanesOptions, opened: AsyncDisposableStack): readonly Lane[] {
  const { client, signerName, version, signingRequests, board, log, metrics, now } = options
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
  const ports = clusterPorts(options)
  const lanes: Lane[] = [{ asked: 'of-kubelets', requests, ports }]
  if (signingRequests !== undefined) {
    const { approve } = signingRequests
    lanes.push({
      asked: 'of-pods',
      requests: opened.use(followSigningRequests({ client, signerName, log, metrics })),
      ports: signingRequestPorts({ client, ports, approve, now }),
    })
  }
  for (const lane of lanes) {
    board.set(watches[lane.asked], () => ({
      ...lane.requests.condition(lostSecondsMax),
      ok: false,
    }))
  }
  return lanes
}

/** From now on what is seen is worked on. */
export function tellLanes(lanes: readonly Lane[], board: ConditionBoard): void {
  for (const { asked, requests } of lanes) {
    board.set(watches[asked], () => requests.condition(lostSecondsMax))
  }
}

/** What is said of every way while none of it is followed, or no more. */
export function quietLanes(
  options: Pick<LanesOptions, 'signingRequests' | 'board'>,
  reason: string,
): void {
  for (const name of laneConditions(options)) options.board.set(name, () => ({ ok: false, reason }))
}
