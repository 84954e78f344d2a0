import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Cluster } from '../../dev/cluster.ts'
import { encodeCertificateRequest } from '../../dev/kubelet/certificate-request.ts'
import { watchClaims } from '../../src/gateway/caller/claim-watch.ts'
import { watchNamespaces } from '../../src/gateway/caller/namespace-watch.ts'
import { watchPods } from '../../src/gateway/caller/pod-watch.ts'
import type { WorkloadIdentity } from '../../src/identity/workload-identity.ts'
import { createApiClient } from '../../src/kubernetes/api-client.ts'
import type { OwnerKind } from '../../src/kubernetes/owner-chain.ts'
import { silentLog } from '../../src/log.ts'
import { createMetrics, silentMetrics } from '../../src/metrics.ts'
import { certificateBlocks } from '../../src/pki/pem.ts'
import { parseX509Svid } from '../../src/pki/x509-svid.ts'
import { signerName } from '../signer/asked.ts'
import { startSigner } from '../signer/signer-world.ts'
import { requirement } from '../requirements.ts'
import { specOfAskingPod } from './asking-pod.ts'
import { ownerKinds } from './claims.ts'
import { eventually } from './eventually.ts'
import { FakeCluster } from './fake-cluster.ts'
import { createPlainClient, type PlainClient } from './plain-client.ts'

const system = 'countersign-system'
const namespace = 'pools'
const node = 'node-of-pools'
const [sandboxes, claims] = ownerKinds as readonly [OwnerKind, OwnerKind]

/** A kind of custom resource in which anything may stand, as far as claims are concerned. */
function definitionOf({ group, version, resource, kind }: OwnerKind): object {
  const schema = {
    openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
  }
  return {
    metadata: { name: `${resource}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, plural: resource, singular: kind.toLowerCase(), listKind: `${kind}List` },
      versions: [{ name: version, served: true, storage: true, schema }],
    },
  }
}

const pathOf = ({ group, version, resource }: OwnerKind): string =>
  `/apis/${group}/${version}/namespaces/${namespace}/${resource}`

interface Made {
  readonly metadata: { readonly name: string; readonly uid: string }
}

/** The reference of what such an object controls. */
function controlledBy({ group, version, kind }: OwnerKind, { metadata }: Made): object {
  const { name, uid } = metadata
  return { apiVersion: `${group}/${version}`, kind, name, uid, controller: true }
}

/** A pod of a pool that is claimed, and given to another, with signer and gateway on whichever control plane. */
export function claimSuite(
  title: string,
  startCluster: (folder: string) => Promise<Cluster>,
): void {
  describe(title, { concurrency: false }, () => {
    const opened = new AsyncDisposableStack()
    const metrics = createMetrics()
    let admin: PlainClient
    let sandbox: Made
    let gateway: ReturnType<typeof watchClaims>
    let identity: WorkloadIdentity
    const made = new Map<string, Made>()

    async function create(path: string, body: object): Promise<Made> {
      const answer = await admin({ method: 'POST', path, body })
      assert.equal(answer.status, 201, JSON.stringify(answer.body))
      return answer.body
    }

    async function createKinds(): Promise<void> {
      const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
      for (const kind of ownerKinds) {
        await create(definitions, definitionOf(kind))
        await eventually(
          `${kind.resource} are served`,
          async () => (await admin({ path: pathOf(kind) })).status === 200,
        )
      }
    }

    async function createClaim(name: string, tenant: string): Promise<void> {
      const labels = { 'countersign.dev/tenant': tenant }
      const { group, version, kind } = claims
      const body = { apiVersion: `${group}/${version}`, kind, metadata: { name, labels } }
      made.set(name, await create(pathOf(claims), body))
    }

    /** What the controller of a pool does: it makes the claim the owner of the sandbox. */
    async function give(claim: string): Promise<void> {
      const ownerReferences = [controlledBy(claims, made.get(claim) as Made)]
      const path = `${pathOf(sandboxes)}/${sandbox.metadata.name}`
      const answer = await admin({ method: 'PATCH', path, body: { metadata: { ownerReferences } } })
      assert.equal(answer.status, 200, JSON.stringify(answer.body))
    }

    /** How long it took, in milliseconds, until the gateway said so. */
    async function until(drift: string | undefined): Promise<number> {
      const since = performance.now()
      await eventually(
        `the gateway says ${drift}`,
        async () => (await gateway.drift(identity)) === drift,
      )
      return performance.now() - since
    }

    before(async () => {
      const folder = await mkdtemp(join(tmpdir(), 'countersign-claims-'))
      opened.defer(() => rm(folder, { recursive: true, force: true }))
      const cluster = opened.use(await startCluster(folder))
      admin = await createPlainClient(cluster.adminKubeconfig)
      await createKinds()
      await create('/api/v1/namespaces', { metadata: { name: system } })
      for (const name of ['countersign-trust-bundle', 'countersign-trust-bundle-members']) {
        await create(`/apis/coordination.k8s.io/v1/namespaces/${system}/leases`, {
          metadata: { name },
        })
      }
      const labels = Object.fromEntries(
        ['blue', 'green'].map((tenant) => [`tenants.countersign.dev/${tenant}`, 'allow']),
      )
      await create('/api/v1/namespaces', { metadata: { name: namespace, labels } })
      const client = createApiClient({ kubeconfig: cluster.adminKubeconfig })
      opened.defer(() => client.close())
      opened.use(
        await startSigner(new FakeCluster(), {
          client,
          metrics,
          propagationSeconds: 0,
          claims: { owners: ownerKinds, unclaimed: 'wait' },
        }),
      )
      const watched = { client, log: silentLog, metrics: silentMetrics }
      const pods = opened.use(await watchPods({ ...watched, now: Date.now, owners: ownerKinds }))
      const namespaces = opened.use(await watchNamespaces(watched))
      const { ownedOf } = pods
      const parts = { ...watched, kinds: ownerKinds, ownedOf, namespaces, staleSecondsMax: 120 }
      gateway = opened.use(watchClaims(parts))
    })

    after(() => opened.disposeAsync())

    test('a pod of a pool waits, and has the identity of whoever claims it when they do', async (t) => {
      requirement('signer.unclaimed-serves-nobody')
      requirement('signer.claim-proved')
      const nodeMade = await create('/api/v1/nodes', { metadata: { name: node } })
      const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`
      const account = await create(accounts, { metadata: { name: 'worker' } })
      const { group, version, kind } = sandboxes
      sandbox = await create(pathOf(sandboxes), {
        apiVersion: `${group}/${version}`,
        kind,
        metadata: { name: 'warm-0' },
      })
      await createClaim('of-blue', 'blue')
      await createClaim('of-green', 'green')
      const pod = await create(`/api/v1/namespaces/${namespace}/pods`, {
        metadata: { name: 'warm-0', ownerReferences: [controlledBy(sandboxes, sandbox)] },
        spec: specOfAskingPod(node, { signerName }),
      })
      const requests = `/apis/certificates.k8s.io/v1/namespaces/${namespace}/podcertificaterequests`
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      await create(requests, {
        metadata: { name: 'asks' },
        spec: {
          signerName,
          podName: 'warm-0',
          podUID: pod.metadata.uid,
          serviceAccountName: 'worker',
          serviceAccountUID: account.metadata.uid,
          nodeName: node,
          nodeUID: nodeMade.metadata.uid,
          maxExpirationSeconds: 3600,
          stubPKCS10Request: encodeCertificateRequest({ privateKey }).toString('base64'),
        },
      })
      await eventually('the signer waits', async () =>
        (await metrics.page()).includes('signer_verdicts_total{verdict="wait"'),
      )
      const status = async (): Promise<{ readonly certificateChain?: string }> =>
        (await admin({ path: `${requests}/asks` })).body.status
      assert.equal((await status()).certificateChain, undefined)
      const since = performance.now()
      await give('of-blue')
      await eventually('a certificate', async () => (await status()).certificateChain !== undefined)
      t.diagnostic(`claimed to certified: ${Math.round(performance.now() - since)} ms`)
      const [leaf] = certificateBlocks((await status()).certificateChain ?? '')
      assert.ok(leaf)
      const svid = parseX509Svid(leaf)
      assert.ok(svid.identity)
      identity = svid.identity
      assert.equal(identity.tenant, 'blue')
      assert.deepEqual(identity.claim, { name: 'of-blue', uid: made.get('of-blue')?.metadata.uid })
    })

    test('the identity counts while the pod is of that claim, and ends when it is of another', async (t) => {
      requirement('gateway.claim-moves')
      await until(undefined)
      await give('of-green')
      t.diagnostic(
        `moved to refused: ${Math.round(await until('pod was given to another claim'))} ms`,
      )
      await give('of-blue')
      await until(undefined)
    })

    test('it ends with its claim', async (t) => {
      requirement('gateway.claim-moves')
      await admin({ method: 'DELETE', path: `${pathOf(claims)}/of-blue` })
      const milliseconds = await until('claim of the certificate is gone')
      t.diagnostic(`deleted to refused: ${Math.round(milliseconds)} ms`)
    })
  })
}
