import { version } from '../version.ts'

/** The state of a bundle as OPA's Status API has it. */
export interface BundleStatus {
  readonly name: string
  readonly active_revision?: string
  /** RFC 3339; of what has never happened, the year 1. */
  readonly last_request: string
  readonly last_successful_request: string
  readonly last_successful_download: string
  readonly last_successful_activation: string
  readonly type: 'snapshot'
  /** Octets of the last download, packed. */
  readonly size?: number
  readonly code?: 'bundle_error'
  readonly message?: string
  readonly http_code?: number
}

/** What has happened so far, in milliseconds since the epoch. */
export interface BundleTimes {
  lastRequest?: number
  lastSuccessfulRequest?: number
  lastSuccessfulDownload?: number
  lastSuccessfulActivation?: number
  size?: number
}

const never = '0001-01-01T00:00:00Z'

export function formatBundleStatus(
  times: Readonly<BundleTimes>,
  state: {
    readonly name: string
    readonly revision: string | undefined
    readonly problem: (Error & { readonly httpCode?: number | undefined }) | undefined
  },
): BundleStatus {
  const { name, revision, problem } = state
  const time = (at: number | undefined): string =>
    at === undefined ? never : new Date(at).toISOString()
  return {
    name,
    ...(revision === undefined ? {} : { active_revision: revision }),
    last_request: time(times.lastRequest),
    last_successful_request: time(times.lastSuccessfulRequest),
    last_successful_download: time(times.lastSuccessfulDownload),
    last_successful_activation: time(times.lastSuccessfulActivation),
    type: 'snapshot',
    ...(times.size === undefined ? {} : { size: times.size }),
    ...(problem === undefined ? {} : { code: 'bundle_error', message: problem.message }),
    ...(problem?.httpCode === undefined ? {} : { http_code: problem.httpCode }),
  }
}

/** As OPA answers to `GET /v1/status`. */
export function formatStatusPage(statuses: readonly BundleStatus[], decisionLogs?: object): string {
  const bundles = Object.fromEntries(statuses.map((status) => [status.name, status]))
  const told = decisionLogs === undefined ? {} : { decision_logs: decisionLogs }
  const result = { labels: { version }, bundles, ...told }
  return `${JSON.stringify({ result })}\n`
}
