import { CountersignError } from '../../errors.ts'
import { createApiClient } from '../../kubernetes/api-client.ts'
import { createServerClock } from '../../kubernetes/server-clock.ts'
import { openLedger, readLedger } from '../../ledger/ledger.ts'
import type { Log } from '../../log.ts'
import { createMetrics } from '../../metrics.ts'
import { createIssuancePolicy } from '../../policy/issuance-policy.ts'
import { isReady, type Condition } from '../../readiness.ts'
import { createRequestApprover } from '../../signer/request-approver.ts'
import { modesOf } from '../../signer/verdict/enforcement.ts'
import { openAdminListener } from '../admin-listener.ts'
import { openPolicy, policyConditions } from '../open-policy.ts'
import { ownPodOf, startPolicyEvents } from '../policy-events.ts'
import { beginning, type Running } from '../running.ts'
import { profileOf, tellModes } from './run-signer.ts'
import type { SignerConfig } from './signer-configuration.ts'

const userAgent = 'countersign-csr-approver'

/**
 * Starts the approver of a signer from that signer's configuration, so that both hold a request against the same. Of it the CA is never
 * opened, and what the signer alone does (its Lease, what it publishes, the log of its policy's decisions) is not done here.
 */
export async function runRequestApprover(
  config: SignerConfig,
  options: { readonly log: Log; readonly now?: () => number; readonly signal?: AbortSignal },
): Promise<Running> {
  const { log, now = Date.now, signal } = options
  const { issuedCertificates } = approvedByAnother(config)
  await using opened = new AsyncDisposableStack()
  const metrics = createMetrics({ process: true })
  let conditions = (): readonly Condition[] => [beginning]
  const shown = (): readonly Condition[] => conditions()
  const admin = opened.use(await openAdminListener({ ...config.admin, metrics, conditions: shown }))
  const policy = opened.use(
    await openPolicy({ ...config.policy, candidate: undefined }, { log, metrics, signal }),
  )
  const serverClock = createServerClock()
  const { kubeconfig, replica, signerName, clusterDomain, claims, ledger: kept } = config
  const client = createApiClient({ serverClock, kubeconfig, environment: process.env, userAgent })
  opened.defer(() => client.close())
  const pod = ownPodOf(process.env)
  opened.use(startPolicyEvents({ policy, client, pod, component: userAgent, now, log }))
  const { file, segmentOctets } = kept
  const reading = signal === undefined ? {} : { signal }
  const ledger = opened.use(
    await openLedger({ file, segmentOctets, now, log, metrics, ...reading }),
  )
  tellModes(config, log)
  const approver = createRequestApprover({
    client,
    signerName,
    profile: profileOf(config),
    clusterDomain,
    claims,
    issuancePolicy: createIssuancePolicy(policy.engine),
    modeOf: modesOf(config.enforcement.namespaces),
    replica,
    issuedCertificates,
    ledger,
    records: (heldSince) => readLedger(file, { heldSince }),
    serverClock,
    log,
    metrics,
    now,
  })
  conditions = () => [...approver.conditions(), ...policyConditions(policy)]
  const stop = new AbortController()
  const ended = approver.run(stop.signal)
  // Registered last, so disposed first: what is under way is recorded before the ledger closes.
  opened.defer(async () => {
    stop.abort()
    await ended.catch(() => {})
  })
  const running = opened.move()
  return {
    adminUrl: admin.url,
    ready: () => isReady(shown()),
    conditions: shown,
    ended,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

/** One that the signer's configuration speaks of: two that approve would be one step under two accounts. */
function approvedByAnother({
  certificateSigningRequests: requests,
}: SignerConfig): NonNullable<SignerConfig['certificateSigningRequests']> {
  if (requests?.approve === false) return requests
  throw new CountersignError(
    'cli/configuration',
    `certificateSigningRequests: want=approve: false got=${requests === undefined ? 'none' : 'approve: true, where the signer approves itself'}`,
  )
}
