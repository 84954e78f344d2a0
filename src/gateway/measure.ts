import type { Metrics } from '../metrics.ts'
import type { Callers } from './caller/connections.ts'
import type { CallLimits } from './permit/call-limits.ts'
import type { Upstream } from './upstream/upstream.ts'

/** What is counted of one tool server. */
const ofServer = [
  'countersign_gateway_upstream_calls',
  'countersign_gateway_upstream_waiting',
  'countersign_gateway_upstream_streams',
  'countersign_gateway_upstream_connections',
  'countersign_gateway_bad_tools_total',
  'countersign_gateway_quarantined_total',
  'countersign_gateway_trusted_total',
] as const

/** A tool server that is gone is shown no longer: who may name ever new ones would make the page grow for ever. */
export function forgetServer(metrics: Metrics, server: string): void {
  for (const name of ofServer) metrics.remove(name, { server })
}

/** Sets the gauges of what is open at this moment. */
export function measure(
  metrics: Metrics,
  taken: ReturnType<Callers['taken']> &
    CallLimits['size'] & { readonly catalogueOctets: number; readonly histories: number },
  upstreams: ReadonlyMap<string, Upstream>,
): void {
  metrics.set('countersign_gateway_connections', taken.connections)
  metrics.set('countersign_gateway_open_requests', taken.requests)
  metrics.set('countersign_gateway_body_octets', taken.bodyOctets)
  metrics.set('countersign_gateway_unsent_octets', taken.unsentOctets)
  metrics.set('countersign_gateway_catalogue_octets', taken.catalogueOctets)
  metrics.set('countersign_gateway_limit_windows', taken.windows)
  metrics.set('countersign_gateway_history_identities', taken.histories)
  for (const [server, { seats, streams, connections }] of upstreams) {
    const { seated, waiting } = seats.counts()
    metrics.set('countersign_gateway_upstream_calls', seated, { server })
    metrics.set('countersign_gateway_upstream_waiting', waiting, { server })
    metrics.set('countersign_gateway_upstream_streams', streams.counts().seated, { server })
    metrics.set('countersign_gateway_upstream_connections', connections, { server })
  }
}
