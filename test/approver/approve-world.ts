import type { KeyObject } from 'node:crypto'
import { createApproval, type Handled } from '../../src/approver/approve.ts'
import { claimingNodes } from '../../src/approver/claiming-nodes.ts'
import type { NodeEvidence } from '../../src/approver/evidence.ts'
import { createPace } from '../../src/approver/pace.ts'
import type { ApprovalRules } from '../../src/approver/rules.ts'
import { gatherNode } from '../../src/approver/gather-node.ts'
import type { NodeVerdict } from '../../src/ledger/record.ts'
import { keyTypes } from '../../src/pki/subject-key.ts'
import { FakeCluster, type RawObject } from '../support/fake-cluster.ts'
import { memoryLedger, type MemoryLedger } from '../support/memory-ledger.ts'
import { nodeName, requestOf, type AskedNames } from './request.ts'

export const plural = 'certificatesigningrequests'
export const ownAddress = '10.77.0.2'

export const openRules: ApprovalRules = {
  keyTypes,
  expirationSecondsMax: 86_400,
  addressRanges: undefined,
  dnsSuffixes: undefined,
  nodes: new Map(),
  bootstrap: undefined,
}

export function nodeObject(
  name: string,
  ...addresses: readonly (readonly [string, string])[]
): RawObject {
  return {
    metadata: { name, uid: `uid-of-${name}` },
    status: { addresses: addresses.map(([type, address]) => ({ type, address })) },
  }
}

/** A request of node-b for its serving certificate, as the API server stores it. */
export function storedRequest(
  asked: AskedNames = { dnsNames: [nodeName], addresses: [ownAddress] },
  changed: { readonly spec?: object; readonly name?: string; readonly key?: KeyObject } = {},
): RawObject {
  const { spec = {}, name = 'csr-1', key } = changed
  return {
    metadata: { name, uid: `uid-of-${name}`, creationTimestamp: '2026-11-30T12:00:00Z' },
    spec: {
      signerName: 'kubernetes.io/kubelet-serving',
      request: requestOf(asked, key),
      usages: ['digital signature', 'server auth'],
      username: `system:node:${nodeName}`,
      groups: ['system:nodes', 'system:authenticated'],
      ...spec,
    },
    status: {},
  }
}

/** Where the API server is, as it says itself. */
export function putApiServer(cluster: FakeCluster): void {
  const metadata = { name: 'kubernetes', namespace: 'default' }
  cluster.put('services', { metadata, spec: { clusterIPs: ['10.0.0.1'] } })
  const labels = { 'kubernetes.io/service-name': 'kubernetes' }
  const endpoints = [{ addresses: ['10.77.0.1'] }]
  cluster.put('endpointslices', { metadata: { ...metadata, labels }, endpoints })
}

export interface ApprovalWorld {
  readonly cluster: FakeCluster
  readonly ledger: MemoryLedger
  readonly open: Map<string, NodeVerdict>
  handle(name?: string): Promise<Handled>
  conditions(name?: string): readonly { readonly type: string; readonly reason: string }[]
  /** `verdict outcome` of each record. */
  recorded(): readonly string[]
}

export const noon: number = Date.parse('2026-11-30T12:00:05Z')

/** One approval of requests, on an API server in memory with node-b. */
export function approvalWorld(
  options: {
    readonly rules?: Partial<ApprovalRules>
    readonly others?: readonly RawObject[]
    /** Names of nodes that cannot be read. */
    readonly unreadable?: readonly string[]
    readonly perHour?: number
    readonly denialsPerHour?: number
    readonly now?: () => number
    /** What happens between two looks at the cluster. */
    readonly meanwhile?: (cluster: FakeCluster, look: number) => void
  } = {},
): ApprovalWorld {
  const {
    unreadable = [],
    rules = {},
    others = [],
    perHour = 12,
    denialsPerHour = 60,
    now = () => noon,
    meanwhile,
  } = options
  const cluster = new FakeCluster()
  putApiServer(cluster)
  cluster.put('nodes', nodeObject(nodeName, ['Hostname', nodeName], ['InternalIP', ownAddress]))
  const ledger = memoryLedger()
  const open = new Map<string, NodeVerdict>()
  const nodes = {
    unreadable: new Set(unreadable),
    list: () =>
      others.map(({ metadata, ...rest }) =>
        claimingNodes.parse({ metadata: { ...metadata, resourceVersion: '1' }, ...rest }),
      ),
  }
  let looks = 0
  const approval = createApproval({
    client: cluster,
    rules: { ...openRules, ...rules },
    ledger,
    pace: createPace({ perHour, now }),
    denials: createPace({ perHour: denialsPerHour, now }),
    open,
    replica: 'approver-0',
    now,
    gather: async (asked, request, signal): Promise<NodeEvidence> => {
      looks += 1
      meanwhile?.(cluster, looks)
      return gatherNode({ client: cluster, nodes }, asked, { request, signal })
    },
  })
  return {
    cluster,
    ledger,
    open,
    handle: (name = 'csr-1') =>
      approval.handle({ name, uid: `uid-of-${name}` }, AbortSignal.timeout(10_000)),
    conditions(name = 'csr-1') {
      const status = cluster.get(plural, name)?.['status'] as { conditions?: [] } | undefined
      return status?.conditions ?? []
    },
    recorded: () =>
      ledger.records.map((record) =>
        record.kind === 'node-verdict' ? `${record.verdict} ${record.outcome}` : record.kind,
      ),
  }
}
