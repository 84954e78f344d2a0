import { readMetadata } from '../../src/kubernetes/resource.ts'
import type { Owned, OwnerKinds } from '../../src/kubernetes/owner-chain.ts'
import type { RawObject } from './fake-cluster.ts'

/** Pods that are given away as by agent-sandbox: a claim owns the sandbox that owns the pod. */
export const ownerKinds: OwnerKinds = [
  { group: 'agents.x-k8s.io', version: 'v1beta1', resource: 'sandboxes', kind: 'Sandbox' },
  {
    group: 'extensions.agents.x-k8s.io',
    version: 'v1beta1',
    resource: 'sandboxclaims',
    kind: 'SandboxClaim',
  },
]

const named = {
  Sandbox: { group: 'agents.x-k8s.io', name: 'sandbox-0', uid: 'sandbox-uid' },
  SandboxClaim: { group: 'extensions.agents.x-k8s.io', name: 'claim-0', uid: 'claim-uid' },
  SandboxWarmPool: { group: 'extensions.agents.x-k8s.io', name: 'pool', uid: 'pool-uid' },
} as const

export interface RawOwner {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller: boolean
}

/** The reference of what such an object controls. */
export function ownerRef(kind: keyof typeof named): RawOwner {
  const { group, name, uid } = named[kind]
  return { apiVersion: `${group}/v1beta1`, kind, name, uid, controller: true }
}

/** A pod, as far as its owners; unless told it is of the sandbox. */
export function owned(owners: readonly RawOwner[] = [ownerRef('Sandbox')]): Owned {
  return {
    metadata: readMetadata({
      metadata: {
        name: 'worker-0',
        namespace: 'team-a',
        uid: 'pod-uid',
        resourceVersion: '1',
        ownerReferences: owners,
      },
    }),
  }
}

interface Changes {
  readonly uid?: string
  readonly namespace?: string
  readonly owners?: readonly RawOwner[]
  readonly labels?: Readonly<Record<string, string>>
  readonly deletionTimestamp?: string
}

/** The sandbox of the pod; unless told it is of the claim. */
export function sandboxObject(changes: Changes = {}): RawObject {
  return objectOf('Sandbox', { owners: [ownerRef('SandboxClaim')], ...changes })
}

export function claimObject(changes: Changes = {}): RawObject {
  return objectOf('SandboxClaim', changes)
}

function objectOf(kind: keyof typeof named, changes: Changes): RawObject {
  const { name, uid } = named[kind]
  const { owners = [], labels = {}, deletionTimestamp, namespace = 'team-a' } = changes
  return {
    metadata: {
      name,
      namespace,
      uid: changes.uid ?? uid,
      resourceVersion: '1',
      labels,
      ownerReferences: owners,
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    },
    // What is of no interest: it must not be kept.
    spec: { template: 'x' },
  }
}
