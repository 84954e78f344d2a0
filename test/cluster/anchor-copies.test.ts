import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from '../../dev/cluster.ts'
import { createApiClient } from '../../src/kubernetes/api-client.ts'
import { silentLog } from '../../src/log.ts'
import { parseBundle } from '../../src/pki/bundle.ts'
import { asksForAnnotation } from '../../src/signer/anchors/anchor-copies.ts'
import { anchorsKey } from '../../src/signer/anchors/anchor-place.ts'
import {
  startAnchorPublication,
  type AnchorPublication,
} from '../../src/signer/anchors/anchor-publication.ts'
import { signerName } from '../signer/asked.ts'
import { Rotating, configMap, lease, trustDomain } from '../signer/anchors/trust-bundle-world.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { createPlainClient, type PlainClient } from '../support/plain-client.ts'
import { startRealCluster } from '../support/real-cluster.ts'

/* A control plane without ClusterTrustBundles, and a signer with the rights that docs/ISSUANCE.md names. */

const user = 'signer'
const account = { apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }
const rbac = '/apis/rbac.authorization.k8s.io/v1'
const mapsOf = (namespace: string): string => `/api/v1/namespaces/${namespace}/configmaps`

let cluster: Cluster
let admin: PlainClient
const opened = new AsyncDisposableStack()

before(async () => {
  const runtimeConfig = ['certificates.k8s.io/v1/clustertrustbundles=false']
  cluster = opened.use(await startRealCluster({ serverOnly: true, runtimeConfig }))
  admin = await createPlainClient(cluster.adminKubeconfig)
  const names = [lease.namespace, 'team-a', 'team-b', 'team-c']
  for (const name of names) await create('/api/v1/namespaces', { metadata: { name } })
  await create(`/apis/coordination.k8s.io/v1/namespaces/${lease.namespace}/leases`, {
    metadata: { name: lease.name },
  })
  await create(mapsOf(lease.namespace), { metadata: { name: configMap } })
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: user }
  await create(`${rbac}/clusterroles`, {
    metadata: { name: user },
    rules: [
      {
        apiGroups: [''],
        resources: ['configmaps'],
        resourceNames: [configMap],
        verbs: ['get', 'list', 'patch'],
      },
      { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'patch'] },
    ],
  })
  await create(`${rbac}/clusterrolebindings`, {
    metadata: { name: user },
    roleRef,
    subjects: [account],
  })
})
after(() => opened[Symbol.asyncDispose]())

async function create(path: string, body: object): Promise<void> {
  const answer = await admin({ method: 'POST', path, body })
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
}

async function ask(namespace: string, more: object = {}): Promise<void> {
  const annotations = { [asksForAnnotation]: trustDomain }
  await create(mapsOf(namespace), { metadata: { name: configMap, annotations }, ...more })
}

async function anchorsIn(namespace: string): Promise<string> {
  const { body } = await admin({ path: `${mapsOf(namespace)}/${configMap}` })
  return body.data?.[anchorsKey] ?? ''
}

async function publish(authorities: Rotating): Promise<AnchorPublication> {
  const kubeconfig = await cluster.kubeconfigFor({ name: user, groups: [] })
  const client = createApiClient({ kubeconfig, environment: {}, userAgent: 'test' })
  opened.defer(() => client.close())
  return opened.use(
    startAnchorPublication({
      client,
      signerName,
      trustDomain,
      authorities,
      configMap,
      lease: { ...lease, holder: 'signer-0' },
      propagationSeconds: 0,
      log: silentLog,
      now: Date.now,
      delay: (milliseconds, signal) => sleep(Math.min(milliseconds, 200), undefined, { signal }),
    }),
  )
}

test('without ClusterTrustBundles the anchors are in the ConfigMaps of the namespaces that ask, and in no other', async () => {
  requirement('signer.anchors-copied-to-who-asks')
  requirement('signer.anchors-before-signatures')
  const authorities = new Rotating()
  const first = authorities.authority
  await ask('team-a')
  await ask('team-b', { immutable: true, data: { [anchorsKey]: 'for ever' } })
  await create(mapsOf('team-c'), { metadata: { name: configMap } })
  const publication = await publish(authorities)
  await publication.settled
  assert.equal(publication.authorities.current(), first)
  const own = await anchorsIn(lease.namespace)
  assert.equal(parseBundle(own, trustDomain).anchors.length, 1)
  assert.equal(await anchorsIn('team-a'), own)
  assert.equal(await anchorsIn('team-b'), 'for ever')
  assert.equal(await anchorsIn('team-c'), '')
  assert.match(publication.condition().reason, /1 of 2 ConfigMaps .*: team-b: .*immutable/)
  authorities.rotate()
  await eventually('the next CA', () => publication.authorities.current() !== first)
  const both = await anchorsIn(lease.namespace)
  assert.equal(parseBundle(both, trustDomain).anchors.length, 2)
  assert.equal(await anchorsIn('team-a'), both)
  const { anchors } = publication.counted() ?? assert.fail()
  assert.equal(anchors.length, 2)
})
