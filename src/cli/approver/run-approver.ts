import { parseAddress, parseRanges } from '../../approver/address.ts'
import { createApprover, type Approver } from '../../approver/approver.ts'
import type { NodeSigner } from '../../approver/node-request.ts'
import type { ApprovalRules } from '../../approver/rules.ts'
import { createApiClient } from '../../kubernetes/api-client.ts'
import { openLedger, readLedger } from '../../ledger/ledger.ts'
import type { Log } from '../../log.ts'
import { createMetrics } from '../../metrics.ts'
import { isReady, type Condition } from '../../readiness.ts'
import { openAdminListener } from '../admin-listener.ts'
import { beginning, type Running } from '../running.ts'
import type { ApproverConfig } from './approver-configuration.ts'

/** Starts an approver from its configuration. What has to be ours (the ledger, the admin port) is an error at once; the cluster is waited for. */
export async function runApprover(
  config: ApproverConfig,
  options: { readonly log: Log; readonly now?: () => number; readonly signal?: AbortSignal },
): Promise<Running> {
  const { log, now = Date.now, signal } = options
  await using opened = new AsyncDisposableStack()
  const metrics = createMetrics({ process: true })
  let approver: Approver | undefined
  const conditions = (): readonly Condition[] => approver?.conditions() ?? [beginning]
  const admin = opened.use(await openAdminListener({ ...config.admin, metrics, conditions }))
  const client = createApiClient({
    kubeconfig: config.kubeconfig,
    environment: process.env,
    userAgent: 'countersign-approver',
  })
  opened.defer(() => client.close())
  const { file } = config.ledger
  const reading = signal === undefined ? {} : { signal }
  const ledger = opened.use(await openLedger({ file, now, log, metrics, ...reading }))
  const signers = signersOf(config)
  if (signers.includes('serving') && config.addressRanges === undefined) {
    log.warn(
      {},
      'nodes may say that they have any address that no other node has: set addressRanges',
    )
  }
  const { replica, approvalsPerHour } = config
  const parts = { client, signers, approvalsPerHour, ledger, replica, log, metrics, now }
  approver = createApprover({ ...parts, rules: rulesOf(config), records: readLedger(file) })
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
    ready: () => isReady(conditions()),
    conditions,
    ended,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

function signersOf({ kubeletServing, kubeletClient }: ApproverConfig): readonly NodeSigner[] {
  return [
    ...(kubeletServing ? ['serving' as const] : []),
    ...(kubeletClient ? ['client' as const] : []),
  ]
}

function rulesOf(config: ApproverConfig): ApprovalRules {
  const { keyTypes, expirationSecondsMax, addressRanges, dnsSuffixes, bootstrap, nodes } = config
  return {
    keyTypes,
    expirationSecondsMax,
    addressRanges: addressRanges && parseRanges(addressRanges),
    dnsSuffixes,
    bootstrap,
    nodes: new Map(
      nodes.map(({ name, serviceAccount, dnsNames, addresses }) => [
        name,
        {
          serviceAccount,
          dnsNames,
          addresses: addresses.flatMap((each) => parseAddress(each) ?? []),
        },
      ]),
    ),
  }
}
