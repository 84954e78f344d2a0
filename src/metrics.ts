import AggregatorRegistry from 'prom-client/lib/cluster.js'
import Counter from 'prom-client/lib/counter.js'
import Gauge from 'prom-client/lib/gauge.js'
import Histogram from 'prom-client/lib/histogram.js'
import eventLoopLag from 'prom-client/lib/metrics/eventLoopLag.js'
import gc from 'prom-client/lib/metrics/gc.js'
import heapSizeAndUsed from 'prom-client/lib/metrics/heapSizeAndUsed.js'
import osMemoryHeap from 'prom-client/lib/metrics/osMemoryHeap.js'
import processCpuTotal from 'prom-client/lib/metrics/processCpuTotal.js'
import processMaxFileDescriptors from 'prom-client/lib/metrics/processMaxFileDescriptors.js'
import processOpenFileDescriptors from 'prom-client/lib/metrics/processOpenFileDescriptors.js'
import processStartTime from 'prom-client/lib/metrics/processStartTime.js'
import Registry from 'prom-client/lib/registry.js'

type Kind = 'counter' | 'gauge' | 'histogram'

export type MetricName =
  | 'countersign_signer_verdicts_total'
  | 'countersign_signer_would_deny_total'
  | 'countersign_signer_issuance_seconds'
  | 'countersign_signer_queue_depth'
  | 'countersign_signer_replicas'
  | 'countersign_signer_errors_total'
  | 'countersign_signer_events_total'
  | 'countersign_issuer_expiry_seconds'
  | 'countersign_bundle_sequence'
  | 'countersign_bundle_requests_total'
  | 'countersign_federation_reads_total'
  | 'countersign_signer_authority_state'
  | 'countersign_signer_authority_reloads_total'
  | 'countersign_signer_authority_requests_total'
  | 'countersign_signer_rotation_due_seconds'
  | 'countersign_signer_rotation_steps_total'
  | 'countersign_agent_requests_total'
  | 'countersign_agent_expiry_seconds'
  | 'countersign_agent_source'
  | 'countersign_approver_verdicts_total'
  | 'countersign_approver_queue_depth'
  | 'countersign_intermediate_verdicts_total'
  | 'countersign_ledger_records_total'
  | 'countersign_ledger_unpublished_records'
  | 'countersign_ledger_publish_failures_total'
  | 'countersign_watch_restarts_total'
  | 'countersign_watch_malformed_total'
  | 'countersign_gateway_requests_total'
  | 'countersign_gateway_refusals_total'
  | 'countersign_gateway_request_seconds'
  | 'countersign_gateway_connections'
  | 'countersign_gateway_open_requests'
  | 'countersign_gateway_body_octets'
  | 'countersign_gateway_unsent_octets'
  | 'countersign_gateway_catalogue_octets'
  | 'countersign_gateway_limited_total'
  | 'countersign_gateway_limit_windows'
  | 'countersign_gateway_history_identities'
  | 'countersign_gateway_history_refused_total'
  | 'countersign_gateway_upstream_calls'
  | 'countersign_gateway_upstream_waiting'
  | 'countersign_gateway_upstream_streams'
  | 'countersign_gateway_upstream_connections'
  | 'countersign_gateway_bad_tools_total'
  | 'countersign_gateway_quarantined_total'
  | 'countersign_gateway_trusted_total'
  | 'countersign_gateway_approvals_elsewhere_total'
  | 'countersign_gateway_worker_exits_total'
  | 'countersign_trace_spans_total'
  | 'countersign_policy_evaluation_seconds'
  | 'countersign_policy_steps'
  | 'countersign_policy_errors_total'
  | 'countersign_policy_reloads_total'
  | 'countersign_policy_activation_seconds'
  | 'countersign_policy_bundle_requests_total'
  | 'countersign_policy_shadow_decisions_total'
  | 'countersign_policy_shadow_dropped_total'
  | 'countersign_decision_log_lost_total'
  | 'countersign_decision_log_dropped_total'
  | 'countersign_decision_log_waiting_octets'
  | 'countersign_decision_log_unsigned_lines'
  | 'countersign_decision_log_faults_total'
  | 'countersign_decision_log_uploads_total'
  | 'countersign_decision_log_uploaded_events_total'
  | 'countersign_decision_log_reduced_events_total'
  | 'countersign_decision_log_torn_lines_total'
  | 'countersign_decision_log_unsent_octets'

/** Every metric that we export: kind, help, label names. One table, so that docs and dashboards have one source. */
const table: Readonly<Record<MetricName, readonly [Kind, string, readonly string[]]>> = {
  countersign_signer_verdicts_total: [
    'counter',
    'verdicts on certificate requests',
    ['verdict', 'reason'],
  ],
  countersign_signer_would_deny_total: [
    'counter',
    'certificates without what an enforced namespace would be denied for',
    ['reason'],
  ],
  countersign_signer_issuance_seconds: ['histogram', 'request created to status written', []],
  countersign_signer_queue_depth: ['gauge', 'requests waiting in the work queue', []],
  countersign_signer_replicas: ['gauge', 'replicas that share the requests', []],
  countersign_signer_errors_total: ['counter', 'failures while handling a request', ['code']],
  countersign_signer_events_total: ['counter', 'Events on pods', ['outcome']],
  countersign_issuer_expiry_seconds: ['gauge', 'seconds until the issuing certificate expires', []],
  countersign_signer_authority_state: [
    'gauge',
    '1 for the state of each self-signed CA',
    ['authority', 'state'],
  ],
  countersign_signer_authority_reloads_total: [
    'counter',
    'changes of the files of the CA',
    ['outcome'],
  ],
  countersign_bundle_sequence: [
    'gauge',
    'sequence number of the anchors that were served last',
    [],
  ],
  countersign_bundle_requests_total: [
    'counter',
    'requests for the bundle of the trust domain, by whether it was known',
    ['result'],
  ],
  countersign_signer_rotation_due_seconds: [
    'gauge',
    'seconds until the next step of the rotation of the CA is due',
    [],
  ],
  countersign_signer_authority_requests_total: [
    'counter',
    'answers to the requests by which the signer asks for its CA',
    ['outcome'],
  ],
  countersign_signer_rotation_steps_total: [
    'counter',
    'steps of the rotation of the CA that were due',
    ['step', 'outcome'],
  ],
  countersign_federation_reads_total: [
    'counter',
    'reads of the bundles of other trust domains',
    ['trust_domain', 'result'],
  ],
  countersign_agent_requests_total: [
    'counter',
    'requests for a certificate, by what became of them',
    ['outcome'],
  ],
  countersign_agent_expiry_seconds: ['gauge', 'seconds until the kept certificate expires', []],
  countersign_agent_source: ['gauge', '1 for the source of the kept certificate', ['source']],
  countersign_approver_verdicts_total: [
    'counter',
    'verdicts on requests for certificates of nodes',
    ['verdict', 'reason'],
  ],
  countersign_approver_queue_depth: ['gauge', 'requests of nodes that wait', ['signer']],
  countersign_intermediate_verdicts_total: [
    'counter',
    'what was said of requests for CAs of another cluster',
    ['verdict'],
  ],
  countersign_ledger_records_total: ['counter', 'records appended to the ledger', ['kind']],
  countersign_ledger_unpublished_records: ['gauge', 'records that no checkpoint covers yet', []],
  countersign_ledger_publish_failures_total: ['counter', 'checkpoints that were not written', []],
  countersign_watch_restarts_total: ['counter', 'list and watch restarts', ['resource', 'cause']],
  countersign_watch_malformed_total: [
    'counter',
    'objects in a watch that could not be read',
    ['resource'],
  ],
  countersign_gateway_requests_total: [
    'counter',
    'requests by door and outcome',
    ['door', 'outcome'],
  ],
  countersign_gateway_refusals_total: ['counter', 'refusals by check and code', ['check', 'code']],
  countersign_gateway_request_seconds: ['histogram', 'request received to answer sent', ['door']],
  countersign_gateway_connections: ['gauge', 'open agent connections', []],
  countersign_gateway_open_requests: ['gauge', 'requests whose answer is not read yet', []],
  countersign_gateway_body_octets: ['gauge', 'octets of the bodies of open requests', []],
  countersign_gateway_unsent_octets: [
    'gauge',
    'octets of large answers on their way or not read yet',
    [],
  ],
  countersign_gateway_catalogue_octets: ['gauge', 'octets of what is known of tools', []],
  countersign_gateway_limited_total: ['counter', 'calls beyond a limit of policy', ['limit']],
  countersign_gateway_limit_windows: ['gauge', 'windows in which calls are counted', []],
  countersign_gateway_history_identities: [
    'gauge',
    'identities of which policy has something kept',
    [],
  ],
  countersign_gateway_history_refused_total: [
    'counter',
    'permits that could not be kept',
    ['reason'],
  ],
  countersign_gateway_upstream_calls: ['gauge', 'calls open with a tool server', ['server']],
  countersign_gateway_upstream_waiting: ['gauge', 'calls that wait for a place', ['server']],
  countersign_gateway_upstream_streams: ['gauge', 'open streams of changes', ['server']],
  countersign_gateway_upstream_connections: [
    'gauge',
    'open connections to a tool server',
    ['server'],
  ],
  countersign_gateway_bad_tools_total: ['counter', 'definitions left out as unfit', ['server']],
  countersign_gateway_quarantined_total: [
    'counter',
    'definitions that nobody has approved',
    ['server'],
  ],
  countersign_gateway_trusted_total: ['counter', 'definitions trusted on first use', ['server']],
  countersign_gateway_approvals_elsewhere_total: [
    'counter',
    'approvals met that are sealed with a key that is not here',
    [],
  ],
  countersign_gateway_worker_exits_total: ['counter', 'workers that ended unasked', []],
  countersign_trace_spans_total: ['counter', 'spans for the collector', ['outcome']],
  countersign_policy_evaluation_seconds: ['histogram', 'one policy evaluation', ['entrypoint']],
  countersign_policy_steps: ['histogram', 'steps of one policy evaluation', ['entrypoint']],
  countersign_policy_errors_total: [
    'counter',
    'evaluations that failed and were refused',
    ['code'],
  ],
  countersign_policy_reloads_total: [
    'counter',
    'changes of the policy bundle and of policy data',
    ['source', 'outcome'],
  ],
  countersign_policy_activation_seconds: [
    'histogram',
    'bundle or data offered to decided on',
    ['source', 'outcome'],
  ],
  countersign_policy_bundle_requests_total: [
    'counter',
    'questions to the bundle server, and what came of them',
    ['outcome'],
  ],
  countersign_policy_shadow_decisions_total: [
    'counter',
    'decisions that a candidate was asked, and how it decides',
    ['change', 'rule'],
  ],
  countersign_policy_shadow_dropped_total: [
    'counter',
    'decisions that a candidate was not asked',
    [],
  ],
  countersign_decision_log_lost_total: ['counter', 'decisions that the log does not hold', []],
  countersign_decision_log_dropped_total: ['counter', 'decisions that rules have dropped', []],
  countersign_decision_log_waiting_octets: ['gauge', 'octets of events not yet written', []],
  countersign_decision_log_unsigned_lines: ['gauge', 'lines that no checkpoint covers yet', []],
  countersign_decision_log_faults_total: ['counter', 'files found changed, by others', ['reason']],
  countersign_decision_log_uploads_total: ['counter', 'chunks sent to the receiver', ['outcome']],
  countersign_decision_log_uploaded_events_total: ['counter', 'events the receiver has taken', []],
  countersign_decision_log_reduced_events_total: [
    'counter',
    'events sent without what is too large for the receiver',
    [],
  ],
  countersign_decision_log_torn_lines_total: ['counter', 'lines of the log that are no events', []],
  countersign_decision_log_unsent_octets: ['gauge', 'octets of events not yet sent', []],
}

export type Labels = Readonly<Record<string, string>>

/** What the rooms count with. They never see the library. */
export interface Metrics {
  /** Adds to a counter. */
  count(name: MetricName, labels?: Labels, amount?: number): void
  /** Puts one value, in the unit of the metric's name, into a histogram. */
  observe(name: MetricName, value: number, labels?: Labels): void
  /** Sets a gauge. */
  set(name: MetricName, value: number, labels?: Labels): void
  /** What these labels name is no more: a counter or a gauge shows nothing of it any longer. */
  remove(name: MetricName, labels: Labels): void
}

/** Metrics that keep nothing. */
export const silentMetrics: Metrics = {
  count: () => {},
  observe: () => {},
  set: () => {},
  remove: () => {},
}

/** Of a histogram; all others are of seconds. */
const buckets: Partial<Record<MetricName, readonly number[]>> = {
  countersign_policy_steps: [10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000, 300_000, 1e6],
}

const seconds = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60]

/** The metrics of one process as they are at one moment, fit to be sent to another. */
export type MetricsSnapshot = readonly object[]

/** A Prometheus text page. */
export interface MetricsPage {
  page(): Promise<string>
  readonly contentType: string
}

/** Of Node and the process, as every dashboard for Node asks for them. */
const ofProcess = [
  processCpuTotal,
  processStartTime,
  osMemoryHeap,
  processOpenFileDescriptors,
  processMaxFileDescriptors,
  eventLoopLag,
  heapSizeAndUsed,
  gc,
]

/** Each look wakes the process, and lags of interest are longer. */
const lookMilliseconds = 100

/** Metrics with a Prometheus text page; `process`: those of the process and of Node, too. */
export function createMetrics(
  options: { readonly process?: boolean } = {},
): Metrics & MetricsPage & { snapshot(): Promise<MetricsSnapshot> } {
  const registry = new Registry()
  if (options.process === true) {
    const config = { eventLoopMonitoringPrecision: lookMilliseconds }
    for (const collect of ofProcess) collect(registry, config)
  }
  const counters = new Map<string, Counter>()
  const gauges = new Map<string, Gauge>()
  const histograms = new Map<string, Histogram>()
  for (const [name, [kind, help, labels]] of Object.entries(table)) {
    const common = { name, help, labelNames: [...labels], registers: [registry] }
    if (kind === 'counter') counters.set(name, new Counter(common))
    else if (kind === 'gauge') gauges.set(name, new Gauge({ ...common, registers: [] }))
    else {
      const bounds = buckets[name as MetricName] ?? seconds
      histograms.set(name, new Histogram({ ...common, buckets: [...bounds] }))
    }
  }
  return {
    count: (name, labels = {}, amount = 1) => counters.get(name)?.inc(labels, amount),
    observe: (name, value, labels = {}) => histograms.get(name)?.observe(labels, value),
    set(name, value, labels = {}) {
      const gauge = gauges.get(name)
      if (gauge === undefined) return
      // A gauge that nobody has set would stand at 0 and mean it; the gateway has no issuer that is about to expire.
      if (registry.getSingleMetric(name) === undefined) registry.registerMetric(gauge)
      gauge.set(labels, value)
    },
    remove(name, labels) {
      counters.get(name)?.remove(labels)
      gauges.get(name)?.remove(labels)
    },
    page: () => registry.metrics(),
    snapshot: () => registry.getMetricsAsJSON(),
    contentType: registry.contentType,
  }
}

/** One page for several processes: what they count is summed. */
export function formatMetrics(snapshots: readonly MetricsSnapshot[]): Promise<string> {
  return AggregatorRegistry.aggregate([...snapshots]).metrics()
}

/** One snapshot of several. */
export function addMetrics(snapshots: readonly MetricsSnapshot[]): Promise<MetricsSnapshot> {
  return AggregatorRegistry.aggregate([...snapshots]).getMetricsAsJSON()
}
