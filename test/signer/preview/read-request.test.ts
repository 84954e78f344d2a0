import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readRequest } from '../../../src/signer/preview/read-request.ts'
import { FakeCluster } from '../../support/fake-cluster.ts'
import { signingRequest } from '../signing-request.ts'

const { signal } = new AbortController()

test('a CertificateSigningRequest is read as what its pod asks, by what the API server states of it', async () => {
  const cluster = new FakeCluster()
  cluster.put('certificatesigningrequests', signingRequest('csr-1'))
  const request = await readRequest(cluster, { kind: 'csr', name: 'csr-1' }, signal)
  assert.equal(request?.metadata.namespace, 'team-a')
  assert.equal(request.spec.pod.uid, 'pod-uid')
  assert.equal(request.stated?.isPod, true)
})

test('one that is not there is undefined', async () => {
  const cluster = new FakeCluster()
  assert.equal(await readRequest(cluster, { kind: 'csr', name: 'csr-1' }, signal), undefined)
})
