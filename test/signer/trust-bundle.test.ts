import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { silentLog } from '../../src/log.ts'
import type { Authority, AuthoritySource } from '../../src/pki/authority.ts'
import { startTrustBundlePublisher, trustBundleName } from '../../src/signer/trust-bundle.ts'
import type { TrustBundlePublisher } from '../../src/signer/trust-bundle.ts'
import { eventually } from '../support/eventually.ts'
import { FakeCluster } from '../support/fake-cluster.ts'
import { newAuthority } from './signer-world.ts'
import { signerName } from './workload.ts'

const trustDomain = parseTrustDomain('example.org')
const name = 'countersign.dev:identity:example.org'

class Rotating implements AuthoritySource {
  authority: Authority = newAuthority()
  readonly #listeners = new Set<() => void>()
  current(): Authority {
    return this.authority
  }
  anchors(): readonly Buffer[] {
    return this.authority.anchors
  }
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
  rotate(): void {
    this.authority = newAuthority()
    for (const listener of this.#listeners) listener()
  }
}

function start(cluster: FakeCluster, authorities: AuthoritySource): TrustBundlePublisher {
  return startTrustBundlePublisher({
    client: cluster,
    version: 'v1',
    signerName,
    trustDomain,
    authorities,
    log: silentLog,
    random: () => 0,
  })
}

function bundleOf(cluster: FakeCluster): string {
  const spec = cluster.get('clustertrustbundles', name)?.['spec']
  return (spec as { trustBundle?: string } | undefined)?.trustBundle ?? ''
}

const writes = (cluster: FakeCluster): number =>
  cluster.requests.filter(({ method }) => method !== 'GET').length

test('the name is that of the signer with the trust domain, which may hold what names may not', () => {
  assert.equal(trustBundleName(signerName, trustDomain), name)
  assert.equal(
    trustBundleName('example.com/a.b', parseTrustDomain('my_domain.test')),
    'example.com:a.b:my-domain.test',
  )
})

test('no authority signs before its anchors are published', async () => {
  const cluster = new FakeCluster()
  const authorities = new Rotating()
  cluster.fail(({ method }) => method === 'POST', { kind: 'refuse', status: 403 }, 1)
  await using publisher = start(cluster, authorities)
  assert.throws(() => publisher.authorities.current(), { code: 'pki/authority-unavailable' })
  await publisher.published
  assert.equal(publisher.authorities.current(), authorities.authority)
  assert.ok(bundleOf(cluster).startsWith('-----BEGIN CERTIFICATE-----\n'))
})

test('a new authority takes over once its anchors are published, and is announced', async () => {
  const cluster = new FakeCluster()
  const authorities = new Rotating()
  await using publisher = start(cluster, authorities)
  await publisher.published
  const [first, text] = [authorities.authority, bundleOf(cluster)]
  let announced = 0
  const stop = publisher.authorities.onChange(() => {
    announced += 1
  })
  cluster.fail(({ method }) => method === 'PATCH', { kind: 'drop' }, 1)
  authorities.rotate()
  assert.equal(publisher.authorities.current(), first)
  await eventually('the new anchors', () => bundleOf(cluster) !== text)
  await eventually('the new authority', () => announced === 1)
  assert.equal(publisher.authorities.current(), authorities.authority)
  stop()
})

test('a bundle that says it already is not written', async () => {
  const cluster = new FakeCluster()
  const authorities = new Rotating()
  {
    await using publisher = start(cluster, authorities)
    await publisher.published
  }
  assert.equal(writes(cluster), 1)
  await using second = start(cluster, authorities)
  await second.published
  assert.equal(writes(cluster), 1)
})

test('a publisher that is stopped before it published says so', async () => {
  const cluster = new FakeCluster()
  cluster.fail(() => true, { kind: 'drop' }, 1000)
  const publisher = start(cluster, new Rotating())
  await publisher[Symbol.asyncDispose]()
  await assert.rejects(publisher.published, { code: 'signer/stopped' })
})
