import { randomBytes } from 'node:crypto'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import {
  createSelfSignedAuthority,
  parseAuthority,
  staticAuthoritySource,
} from '../../src/pki/authority.ts'
import type { Authority, AuthoritySource } from '../../src/pki/authority.ts'
import { createProfile } from '../../src/pki/profile.ts'
import type { Profile } from '../../src/pki/profile.ts'
import { createSigner } from '../../src/signer/controller.ts'
import type { Signer, SignerOptions } from '../../src/signer/controller.ts'
import { eventually } from '../support/eventually.ts'
import { FakeCluster } from '../support/fake-cluster.ts'
import type { RawObject } from '../support/fake-cluster.ts'
import { memoryLedger } from '../support/memory-ledger.ts'
import type { MemoryLedger } from '../support/memory-ledger.ts'
import { askedOf, signerName } from './asked.ts'
import { profile as evaluationProfile } from './workload.ts'

export const profile: Profile = createProfile({
  ...evaluationProfile,
  cluster: 'test',
  production: false,
})

export function newAuthority(): Authority {
  return parseAuthority({
    ...createSelfSignedAuthority({
      trustDomain: profile.trustDomain,
      lifetimeSeconds: 864_000,
      now: Date.now,
    }),
    trustDomain: profile.trustDomain,
    now: Date.now,
  })
}

export interface SignerWorld extends AsyncDisposable {
  readonly cluster: FakeCluster
  readonly ledger: MemoryLedger
  readonly signer: Signer
  /** Settles when `run` does. */
  readonly ended: Promise<void>
  stop(): Promise<void>
  /** Waits for the terminal condition of a request and gives its status. */
  terminal(name?: string): Promise<Status>
  statusOf(name?: string): Status | undefined
}

export interface Status {
  readonly conditions: readonly [
    { readonly type: string; readonly reason: string; readonly message: string },
  ]
  readonly certificateChain?: string
}

/** A cluster with everything that request `req-1` of pod `worker-0` needs, but the request. */
export function populatedCluster(): FakeCluster {
  const cluster = new FakeCluster()
  cluster.put('namespaces', { metadata: { name: 'team-a', uid: 'namespace-uid' } })
  cluster.put('nodes', { metadata: { name: 'node1', uid: 'node-uid' } })
  cluster.put('serviceaccounts', {
    metadata: { name: 'worker', namespace: 'team-a', uid: 'account-uid' },
  })
  putPod(cluster)
  return cluster
}

export function putPod(cluster: FakeCluster, changed: { readonly nodeName?: string } = {}): void {
  cluster.put('pods', {
    metadata: { name: 'worker-0', namespace: 'team-a', uid: 'pod-uid', labels: { app: 'worker' } },
    spec: {
      nodeName: changed.nodeName ?? 'node1',
      serviceAccountName: 'worker',
      volumes: [
        {
          name: 'identity',
          projected: {
            sources: [
              {
                podCertificate: {
                  signerName,
                  keyType: 'ECDSAP256',
                  credentialBundlePath: 'credential-bundle.pem',
                },
              },
            ],
          },
        },
      ],
    },
    status: { phase: 'Pending' },
  })
}

export function putRequest(cluster: FakeCluster, name = 'req-1'): RawObject {
  const { spec: asked } = askedOf()
  if (asked.key?.kind !== 'proof') throw new Error('askedOf gives a proof')
  return cluster.put('podcertificaterequests', {
    metadata: {
      name,
      namespace: 'team-a',
      uid: `uid-of-${name}`,
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'worker-0', uid: 'pod-uid' }],
    },
    spec: {
      signerName,
      podName: asked.pod.name,
      podUID: asked.pod.uid,
      serviceAccountName: asked.serviceAccount.name,
      serviceAccountUID: asked.serviceAccount.uid,
      nodeName: asked.node.name,
      nodeUID: asked.node.uid,
      maxExpirationSeconds: 3600,
      pkixPublicKey: Buffer.from(asked.key.spki).toString('base64'),
      proofOfPossession: Buffer.from(asked.key.proof).toString('base64'),
    },
    status: {},
  })
}

export async function startSigner(
  cluster: FakeCluster,
  changed: Partial<SignerOptions> & { readonly authorities?: AuthoritySource } = {},
): Promise<SignerWorld> {
  const ledger = memoryLedger()
  const signer = createSigner({
    client: cluster,
    signerName,
    profile,
    authorities: staticAuthoritySource(newAuthority()),
    ledger,
    issuancePolicy: {
      decide: () => ({
        allow: true,
        reasons: [],
        policy: { revision: 'r1', digest: 'd'.repeat(64) },
      }),
    },
    replica: 'signer-0',
    lease: { namespace: 'countersign-system', name: 'countersign-trust-bundle' },
    log: silentLog,
    metrics: silentMetrics,
    now: Date.now,
    randomBytes,
    ...changed,
  })
  const stop = new AbortController()
  const ended = signer.run(stop.signal)
  ended.catch(() => {})
  const statusOf = (name = 'req-1'): Status | undefined => {
    const status = cluster.get('podcertificaterequests', name, 'team-a')?.['status']
    return (status as Partial<Status> | undefined)?.conditions === undefined
      ? undefined
      : (status as Status)
  }
  return {
    cluster,
    ledger,
    signer,
    ended,
    statusOf,
    async stop() {
      stop.abort()
      await ended
    },
    async terminal(name) {
      await eventually('a terminal condition', () => statusOf(name) !== undefined)
      return statusOf(name) as Status
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      await ended.catch(() => {})
    },
  }
}
