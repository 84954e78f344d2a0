import assert from 'node:assert/strict'
import { test } from 'node:test'
import { followOwners, readOwners, ownerResource } from '../../src/kubernetes/owner-chain.ts'
import type { KubernetesObject } from '../../src/kubernetes/resource.ts'
import { FakeCluster } from '../support/fake-cluster.ts'
import { requirement } from '../requirements.ts'
import {
  owned,
  ownerKinds as kinds,
  ownerRef,
  sandboxObject,
  claimObject,
} from '../support/claims.ts'

const resources = new Map(
  kinds.map((kind) => [kind, ownerResource(kind, { kinds, labels: () => true })]),
)

interface Case {
  readonly pod?: Parameters<typeof owned>[0]
  readonly sandbox?: Parameters<typeof sandboxObject>[0]
  readonly claim?: Parameters<typeof claimObject>[0]
  readonly leads: string
}

const of = { sandbox: ownerRef('Sandbox'), claim: ownerRef('SandboxClaim') }

const cases: Readonly<Record<string, Case>> = {
  'a pod of a claimed sandbox': { leads: 'claimed claim-uid' },
  'a pod without an owner': { pod: [], leads: 'none' },
  'a pod of a controller of another group': {
    pod: [{ ...of.sandbox, apiVersion: 'apps/v1', kind: 'ReplicaSet' }],
    leads: 'none',
  },
  'a pod with an owner that is not its controller': {
    pod: [{ ...of.sandbox, controller: false }],
    leads: 'none',
  },
  'a reference of another version of the same kind': {
    pod: [{ ...of.sandbox, apiVersion: 'agents.x-k8s.io/v1' }],
    leads: 'claimed claim-uid',
  },
  'a pod that a pool of the same group owns itself': {
    pod: [{ ...of.sandbox, kind: 'SandboxWarmPool' }],
    leads: 'unclaimed no Sandbox owns the pod',
  },
  'a pod of a sandbox of another of the groups': {
    pod: [{ ...of.sandbox, apiVersion: of.claim.apiVersion }],
    leads: 'unclaimed no Sandbox owns the pod',
  },
  'a sandbox of another UID': {
    sandbox: { uid: 'another' },
    leads: 'unclaimed its Sandbox is gone',
  },
  'a sandbox that a pool owns': {
    sandbox: { owners: [{ ...of.claim, kind: 'SandboxWarmPool' }] },
    leads: 'unclaimed no SandboxClaim owns its owner',
  },
  'a sandbox that nobody owns': {
    sandbox: { owners: [] },
    leads: 'unclaimed no SandboxClaim owns its owner',
  },
  'a claim of another UID': {
    claim: { uid: 'another' },
    leads: 'unclaimed its SandboxClaim is gone',
  },
  'a claim that is being deleted': {
    claim: { deletionTimestamp: '2026-11-20T10:00:00Z' },
    leads: 'unclaimed its SandboxClaim is gone',
  },
}

for (const [what, { pod, sandbox, claim, leads }] of Object.entries(cases)) {
  test(`the owners of ${what} lead to ${leads}`, async () => {
    requirement('signer.claim-proved')
    const cluster = new FakeCluster()
    cluster.put('sandboxes', sandboxObject(sandbox))
    cluster.put('sandboxclaims', claimObject(claim))
    const end = await readOwners(cluster, owned(pod), {
      kinds,
      resources,
      signal: new AbortController().signal,
    })
    assert.equal(told(end), leads)
    const found = new Map<string, KubernetesObject>()
    for (const [{ resource, kind }, { parse }] of resources) {
      for (const raw of cluster.list(resource)) found.set(kind, parse(raw))
    }
    assert.equal(told(followOwners(owned(pod), kinds, ({ kind }) => found.get(kind))), leads)
  })
}

test('what is not there owns nothing', async () => {
  const signal = new AbortController().signal
  const end = await readOwners(new FakeCluster(), owned(), { kinds, resources, signal })
  assert.equal(told(end), 'unclaimed its Sandbox is gone')
})

function told(end: ReturnType<typeof followOwners>): string {
  if (end.state === 'none') return 'none'
  return end.state === 'claimed' ? `claimed ${end.claim.metadata.uid}` : `unclaimed ${end.why}`
}
