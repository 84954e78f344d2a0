import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Cluster } from '../../dev/cluster.ts'
import { createApiClient, type ApiClient } from '../../src/kubernetes/api-client.ts'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import { watchRequesterPolicy, type RequesterProof } from '../../src/signer/watch/requester.ts'
import { askedOf, signerName } from '../signer/asked.ts'
import { readDefaultRendering, releaseNamespace, type Rendered } from './chart.ts'
import { eventually } from './eventually.ts'
import { collectionPath } from './installed-chart.ts'

const name = `countersign-requests.${releaseNamespace}`
const policyKind = 'ValidatingAdmissionPolicy'
const bindingKind = 'ValidatingAdmissionPolicyBinding'

const minute = 60_000

/** A change that leaves requests through, or may; and what is said of it. */
const holes: readonly {
  readonly title: string
  readonly kind: string
  readonly spec: object
  readonly why: RegExp
}[] = [
  {
    title: 'a policy that lets requests pass when it fails',
    kind: policyKind,
    spec: { failurePolicy: 'Ignore' },
    why: /failurePolicy is not Fail/,
  },
  {
    title: 'a policy about another signer',
    kind: policyKind,
    spec: {
      matchConditions: [
        { name: 'our-signer', expression: "object.spec.signerName == 'other.example/identity'" },
      ],
    },
    why: /matchConditions leave out/,
  },
  {
    title: 'a policy with one more condition',
    kind: policyKind,
    spec: {
      matchConditions: [
        { name: 'our-signer', expression: `object.spec.signerName == '${signerName}'` },
        { name: 'not-mine', expression: "request.userInfo.username != 'mallory'" },
      ],
    },
    why: /matchConditions leave out/,
  },
  {
    title: 'a policy for labelled namespaces',
    kind: policyKind,
    spec: { matchConstraints: { namespaceSelector: { matchLabels: { team: 'a' } } } },
    why: /does not look at every new request/,
  },
  {
    title: 'a policy that leaves something out',
    kind: policyKind,
    spec: {
      matchConstraints: {
        excludeResourceRules: [
          {
            apiGroups: ['certificates.k8s.io'],
            apiVersions: ['v1beta1'],
            operations: ['CREATE'],
            resources: ['podcertificaterequests'],
          },
        ],
      },
    },
    why: /does not look at every new request/,
  },
  {
    title: 'a policy of one version alone',
    kind: policyKind,
    spec: {
      matchConstraints: {
        resourceRules: [
          {
            apiGroups: ['certificates.k8s.io'],
            apiVersions: ['v1'],
            operations: ['CREATE'],
            resources: ['podcertificaterequests'],
          },
        ],
      },
    },
    why: /does not look at every new request/,
  },
  {
    title: 'a policy about requests of some names',
    kind: policyKind,
    spec: {
      matchConstraints: {
        resourceRules: [
          {
            apiGroups: ['certificates.k8s.io'],
            apiVersions: ['*'],
            operations: ['CREATE'],
            resources: ['podcertificaterequests'],
            resourceNames: ['nobody'],
          },
        ],
      },
    },
    why: /does not look at every new request/,
  },
  {
    title: 'a policy that compares nothing',
    kind: policyKind,
    spec: { validations: [{ expression: "'system:nodes' in request.userInfo.groups" }] },
    why: /no validation compares the user with the node/,
  },
  {
    title: 'a binding that only audits',
    kind: bindingKind,
    spec: { validationActions: ['Audit'] },
    why: /its binding does not deny/,
  },
  {
    title: 'a binding for labelled namespaces',
    kind: bindingKind,
    spec: { matchResources: { namespaceSelector: { matchLabels: { team: 'a' } } } },
    why: /its binding is for a part of the cluster/,
  },
]

/** What a signer says of who made a request, on whichever control plane it is given. */
export function requesterSuite(
  title: string,
  startCluster: (folder: string) => Promise<Cluster>,
): void {
  describe(title, { concurrency: false }, () => {
    let folder: string
    let cluster: Cluster
    let client: ApiClient
    let proof: RequesterProof
    let rendered: readonly Rendered[]
    let now = Date.now()

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'countersign-requester-'))
      cluster = await startCluster(folder)
      client = createApiClient({ kubeconfig: cluster.adminKubeconfig })
      proof = watchRequesterPolicy({
        client,
        name,
        signerName,
        log: silentLog,
        metrics: silentMetrics,
        now: () => now,
      })
      rendered = await readDefaultRendering()
      await proof.synced
    })

    after(async () => {
      await proof[Symbol.asyncDispose]()
      client.close()
      await cluster[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    })

    /** As the chart installs it with admissionPolicy.mode=enforce. */
    async function install(): Promise<void> {
      for (const kind of [policyKind, bindingKind]) {
        const object = rendered.find((each) => each.kind === kind && each.metadata.name === name)
        assert.ok(object)
        const spec = { ...(object['spec'] as object) }
        if (kind === bindingKind) Object.assign(spec, { validationActions: ['Deny', 'Audit'] })
        await client.request({
          method: 'POST',
          path: collectionPath(kind, ''),
          body: { ...object, spec },
        })
      }
      await until(/^countersign-requests\S+ lets nobody but kubelets make requests$/)
    }

    async function remove(): Promise<void> {
      for (const kind of [bindingKind, policyKind]) {
        await client.request({ method: 'DELETE', path: `${collectionPath(kind, '')}/${name}` })
      }
      await until(/there is no policy/)
    }

    async function until(reason: RegExp): Promise<void> {
      let last = ''
      const seen = eventually('what is told of the policy', () => {
        last = proof.condition().reason
        return reason.test(last)
      })
      await seen.catch((error: unknown) => assert.fail(`${String(error)}; last: ${last}`))
    }

    const madeAt = (createdAt: number): string => proof.of(askedOf({ createdAt }))

    test('without a policy nothing is shown', async () => {
      await until(/there is no policy countersign-requests/)
      assert.equal(madeAt(Date.now() + minute), 'not-shown')
    })

    test('a request that was made while it was in force is shown to come from a kubelet, and none from before', async () => {
      now = Date.now()
      await install()
      assert.equal(madeAt(now - minute), 'unknown', 'it was not seen then')
      assert.equal(madeAt(now), 'unknown', 'while it settles')
      assert.equal(madeAt(now + minute), 'shown')
      await remove()
      assert.equal(madeAt(now + minute), 'not-shown')
    })

    for (const { title: hole, kind, spec, why } of holes) {
      test(`${hole} shows nothing`, async () => {
        await install()
        await client.request({
          method: 'PATCH',
          path: `${collectionPath(kind, '')}/${name}`,
          contentType: 'application/merge-patch+json',
          body: { spec },
        })
        await until(why)
        assert.equal(madeAt(Date.now() + minute), 'not-shown')
        await remove()
      })
    }

    for (const [title, kind, weak, strong] of [
      [
        'a Deny that was taken away and given back',
        bindingKind,
        { validationActions: ['Audit'] },
        { validationActions: ['Deny'] },
      ],
      [
        'a condition that was added and taken away',
        policyKind,
        { matchConditions: [{ name: 'not-mine', expression: 'false' }] },
        { matchConditions: null },
      ],
    ] as const) {
      test(`${title} shows nothing of the time between`, async () => {
        now = Date.now()
        await install()
        const before = now + minute
        assert.equal(madeAt(before), 'shown')
        const write = async (spec: object): Promise<void> => {
          const path = `${collectionPath(kind, '')}/${name}`
          const contentType = 'application/merge-patch+json'
          await client.request({ method: 'PATCH', path, contentType, body: { spec } })
        }
        await write(weak)
        await until(/does not deny|leave out/)
        assert.equal(madeAt(before), 'not-shown')
        now += 2 * minute
        await write(strong)
        await until(/lets nobody but kubelets make requests/)
        assert.equal(madeAt(before), 'unknown')
        assert.equal(madeAt(now + minute), 'shown')
        await remove()
      })
    }
  })
}
