import assert from 'node:assert/strict'
import type { KeyObject } from 'node:crypto'
import { test } from 'node:test'
import { encodeCertificateRequest } from '../../dev/kubelet/certificate-request.ts'
import { staticAuthoritySource } from '../../src/pki/authority.ts'
import { modesOf } from '../../src/signer/verdict/enforcement.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { FakeCluster } from '../support/fake-cluster.ts'
import { newAuthority, populatedCluster, putRequest, startSigner } from './signer-world.ts'
import { declare, newKey, signingRequest } from './signing-request.ts'

/*
 * Whole signers that meet one key twice: each with a ledger of its own, and with nothing in common but the API server.
 */

/** A pod like `worker-0`, in whatever namespace. */
function putPodLike(cluster: FakeCluster, name: string, namespace = 'team-a'): void {
  const like = cluster.get('pods', 'worker-0', 'team-a')
  if (like === undefined) throw new Error('no pod worker-0')
  cluster.put('pods', { ...like, metadata: { name, namespace, uid: `${name}-uid` } })
}

function putRequestFor(
  cluster: FakeCluster,
  pod: { readonly name: string; readonly uid: string; readonly namespace?: string },
  privateKey: KeyObject,
): void {
  const { name, uid, namespace = 'team-a' } = pod
  const { spec, ...rest } = putRequest(new FakeCluster())
  const { pkixPublicKey: _, proofOfPossession: __, ...others } = spec as Record<string, unknown>
  const stubPKCS10Request = encodeCertificateRequest({ privateKey }).toString('base64')
  cluster.put('podcertificaterequests', {
    ...rest,
    metadata: { name: `for-${name}`, namespace, uid: `uid-of-for-${name}` },
    spec: { ...others, podName: name, podUID: uid, stubPKCS10Request },
  })
}

test('a key that another replica certified is refused, though that is gone, and the request with it', async () => {
  requirement('signer.key-of-one-pod')
  const cluster = populatedCluster()
  putPodLike(cluster, 'worker-1')
  const authorities = staticAuthoritySource(newAuthority())
  const key = newKey()
  await using one = await startSigner(cluster, { authorities })
  await eventually('ready', () => one.signer.ready)
  putRequestFor(cluster, { name: 'worker-0', uid: 'pod-uid' }, key)
  assert.equal((await one.terminal('for-worker-0')).conditions[0].type, 'Issued')
  await eventually('the result', () => one.ledger.records.length === 2)
  await one.stop()
  await using two = await startSigner(cluster, { authorities, replica: 'signer-1' })
  await eventually('ready', () => two.signer.ready)
  cluster.remove('podcertificaterequests', 'for-worker-0', 'team-a')
  putRequestFor(cluster, { name: 'worker-1', uid: 'worker-1-uid' }, key)
  assert.equal((await two.terminal('for-worker-1')).conditions[0].reason, 'KeyAlreadyIssued')
  assert.ok(two.ledger.records.every(({ kind }) => kind === 'issuance-refusal'))
})

test('a request waits for an earlier one with its key, and goes on when that is gone', async () => {
  requirement('signer.key-of-one-pod')
  const cluster = populatedCluster()
  putPodLike(cluster, 'elsewhere', 'team-off')
  const key = newKey()
  await using world = await startSigner(cluster, { modeOf: modesOf({ 'team-off': 'off' }) })
  await eventually('ready', () => world.signer.ready)
  const other = { name: 'elsewhere', uid: 'elsewhere-uid', namespace: 'team-off' }
  putRequestFor(cluster, other, key)
  putRequestFor(cluster, { name: 'worker-0', uid: 'pod-uid' }, key)
  await eventually('its pod is told', () =>
    cluster.list('events').some((event) => String(event['message']).includes('for this key')),
  )
  assert.equal(world.statusOf('for-worker-0'), undefined)
  cluster.remove('podcertificaterequests', 'for-elsewhere', 'team-off')
  assert.equal((await world.terminal('for-worker-0')).conditions[0].type, 'Issued')
})

test('what a pod asked by itself of another replica is known by the request that is left of it', async () => {
  requirement('signer.key-of-one-pod')
  const cluster = populatedCluster()
  declare(cluster)
  const plural = 'certificatesigningrequests'
  const options = {
    signingRequests: { approve: true },
    authorities: staticAuthoritySource(newAuthority()),
  }
  const key = newKey()
  const statusOf = (name: string): { certificate?: string; conditions?: { reason: string }[] } =>
    cluster.get(plural, name)?.['status'] as object
  const before = await startSigner(cluster, options)
  cluster.put(plural, signingRequest('csr-1', { key }))
  await eventually('it is issued', () => statusOf('csr-1').certificate !== undefined)
  await before.stop()
  await using world = await startSigner(cluster, { ...options, replica: 'signer-1' })
  cluster.put(plural, signingRequest('csr-2', { key }))
  await eventually('it is denied', () => statusOf('csr-2').conditions !== undefined)
  assert.equal(statusOf('csr-2').conditions?.[0]?.reason, 'KeyAlreadyIssued')
  assert.ok(world.ledger.records.every(({ kind }) => kind === 'issuance-refusal'))
})
