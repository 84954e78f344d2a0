import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { silentMetrics } from '../../src/metrics.ts'
import type { CredentialFolder } from '../../src/renewal/credential-folder.ts'
import { requirement } from '../requirements.ts'
import { newAuthority } from '../signer/signer-world.ts'
import { eventually } from '../support/eventually.ts'
import { FakeCluster, type RawObject } from '../support/fake-cluster.ts'
import {
  plural,
  bundleName,
  authority,
  clusterWithAnchors,
  publish,
  certificateFor,
  answer,
  issue,
  type World,
  openWorld,
  requestsOf,
} from './keeper-world.ts'

let parent: string

before(async () => {
  parent = await mkdtemp(join(tmpdir(), 'keep-credential-'))
})
after(() => rm(parent, { recursive: true, force: true }))

const open = (cluster: FakeCluster): Promise<World> => openWorld(cluster, parent)

test('a credential is asked for with what the pod declares, verified, written, and told of', async () => {
  requirement('renewal.one-request')
  const cluster = clusterWithAnchors()
  const world = await open(cluster)
  const keeper = world.keeper()
  const stop = new AbortController()
  const done = keeper.run(stop.signal, { once: true })
  await eventually('it asks', () => cluster.list(plural).length === 1)
  const [request] = cluster.list(plural)
  assert.deepEqual(request?.metadata['annotations'], { 'countersign.dev/tenant': 'acme' })
  assert.match(request.metadata.name, /^countersign-[0-9a-f]{32}$/)
  assert.equal(keeper.conditions()[0]?.ok, false)
  issue(cluster)
  await done
  const files = await world.folder.read()
  assert.match(files?.credentialBundle ?? '', /^-----BEGIN PRIVATE KEY-----/)
  assert.ok(files?.trustBundle.includes('BEGIN CERTIFICATE'))
  assert.equal(await world.folder.pending(), undefined)
  assert.equal(world.changes(), 1)
  assert.match(keeper.conditions()[0]?.reason ?? '', /^valid until /)
  // What is good is used again.
  await world.keeper().run(stop.signal, { once: true })
  assert.equal(requestsOf(cluster), 1)
})

test('a process that starts again waits for the request that was sent, with its key', async () => {
  requirement('renewal.one-request')
  const cluster = clusterWithAnchors()
  const world = await open(cluster)
  for (let life = 1; life <= 3; life += 1) {
    const stop = new AbortController()
    const done = world.keeper().run(stop.signal)
    await eventually('it has asked', () => requestsOf(cluster) === life)
    stop.abort()
    await done
  }
  assert.equal(cluster.list(plural).length, 1)
  issue(cluster)
  await world.keeper().run(new AbortController().signal, { once: true })
  assert.ok(await world.folder.read())
})

test('an answer that was lost makes no second request', async () => {
  requirement('renewal.one-request')
  const cluster = clusterWithAnchors()
  const world = await open(cluster)
  cluster.fail(({ method, path }) => method === 'POST' && path.endsWith(plural), { kind: 'lose' })
  const done = world.keeper().run(new AbortController().signal, { once: true })
  await eventually('it asks again', () => requestsOf(cluster) === 2)
  assert.equal(cluster.list(plural).length, 1)
  issue(cluster)
  await done
})

for (const [title, end] of [
  [
    'denied',
    (cluster: FakeCluster) =>
      answer(cluster, {
        conditions: [{ type: 'Denied', reason: 'TenantNotProved', message: 'no' }],
      }),
  ],
  [
    'failed',
    (cluster: FakeCluster) =>
      answer(cluster, { conditions: [{ type: 'Approved' }, { type: 'Failed', reason: 'x' }] }),
  ],
  [
    'gone',
    (cluster: FakeCluster) => cluster.remove(plural, cluster.list(plural)[0]?.metadata.name ?? ''),
  ],
] as const) {
  test(`a request that is ${title} is said to be, and another one is made with another key`, async () => {
    requirement('renewal.one-request')
    const cluster = clusterWithAnchors()
    const world = await open(cluster)
    const keeper = world.keeper()
    const stop = new AbortController()
    const done = keeper.run(stop.signal)
    await eventually('it asks', () => cluster.list(plural).length === 1)
    const first = cluster.list(plural)[0]?.metadata.name
    const key = (await world.folder.pending())?.privateKeyPem
    end(cluster)
    await eventually('it says so', () => keeper.conditions()[0]?.reason.includes(title) === true)
    await eventually('it asks anew', () =>
      cluster.list(plural).some(({ metadata }) => metadata.name !== first),
    )
    await eventually('with another key', async () => {
      const next = (await world.folder.pending())?.privateKeyPem
      return next !== undefined && next !== key
    })
    stop.abort()
    await done
  })
}

test('a certificate that no published anchor vouches for is not taken, and the one before stays', async () => {
  requirement('renewal.verified-before-written')
  const cluster = clusterWithAnchors()
  const world = await open(cluster)
  const first = world.keeper().run(new AbortController().signal, { once: true })
  await eventually('it asks', () => cluster.list(plural).length === 1)
  issue(cluster)
  await first
  const before = await world.folder.read()
  cluster.remove(plural, cluster.list(plural)[0]?.metadata.name ?? '')
  // Half its life is over.
  const keeper = world.keeper({ now: () => Date.now() + 50 * 60_000 })
  const stop = new AbortController()
  const done = keeper.run(stop.signal)
  await eventually('it asks anew', () => cluster.list(plural).length === 1)
  issue(cluster, newAuthority())
  await eventually(
    'it says so',
    () => keeper.conditions()[0]?.reason.includes('is not taken') === true,
  )
  assert.equal(keeper.conditions()[0]?.ok, true, 'the one before is still good')
  assert.deepEqual(await world.folder.read(), before)
  stop.abort()
  await done
})

test('a certificate for another key is not taken', async () => {
  requirement('renewal.verified-before-written')
  const cluster = clusterWithAnchors()
  const other = await open(cluster)
  const stop = new AbortController()
  const others = other.keeper().run(stop.signal)
  await eventually('another asks', () => cluster.list(plural).length === 1)
  const [request] = cluster.list(plural)
  assert.ok(request !== undefined)
  const certificate = Buffer.from(certificateFor(request)).toString('base64')
  const world = await open(cluster)
  const keeper = world.keeper()
  const done = keeper.run(stop.signal)
  await eventually('it asks', () => cluster.list(plural).length === 2)
  const own = cluster.list(plural).find(({ metadata }) => metadata.name !== request.metadata.name)
  cluster.put(plural, { ...(own as RawObject), status: { certificate } })
  await eventually(
    'it says so',
    () => keeper.conditions()[0]?.reason.includes('does not belong') === true,
  )
  assert.equal(await world.folder.read(), undefined)
  stop.abort()
  await Promise.all([done, others])
})

test('a key that is in use already is asked for no more, after a crash before its request was forgotten', async () => {
  requirement('renewal.one-request')
  const cluster = clusterWithAnchors()
  const world = await open(cluster)
  const once = { once: true }
  const first = world.keeper().run(new AbortController().signal, once)
  await eventually('it asks', () => cluster.list(plural).length === 1)
  const pending = await world.folder.pending()
  issue(cluster)
  await first
  await world.folder.keepPending(pending)
  await world.keeper().run(new AbortController().signal, once)
  assert.equal(await world.folder.pending(), undefined)
  // The same where it is over by now.
  await world.folder.keepPending(pending)
  const stop = new AbortController()
  const done = world.keeper({ now: () => Date.now() + 50 * 60_000 }).run(stop.signal)
  await eventually('it asks anew', () => cluster.list(plural).length === 2)
  assert.notEqual((await world.folder.pending())?.privateKeyPem, pending?.privateKeyPem)
  stop.abort()
  await done
})

test('what the signer publishes later is written beside the same credential', async () => {
  const cluster = clusterWithAnchors()
  const world = await open(cluster)
  const keeper = world.keeper()
  const stop = new AbortController()
  const done = keeper.run(stop.signal)
  await eventually('it asks', () => cluster.list(plural).length === 1)
  issue(cluster)
  await eventually('it is written', () => world.changes() === 1)
  const before = await world.folder.read()
  const next = newAuthority()
  publish(cluster, { ...authority, anchors: [...authority.anchors, ...next.anchors] })
  await eventually('it is written', () => world.changes() === 2)
  const files = await world.folder.read()
  assert.equal(files?.credentialBundle, before?.credentialBundle)
  assert.equal(files?.trustBundle.match(/BEGIN/g)?.length, 2)
  cluster.remove('clustertrustbundles', bundleName)
  await eventually('it says so', () => keeper.conditions()[1]?.ok === false)
  assert.deepEqual(await world.folder.read(), files, 'the last good one stays')
  stop.abort()
  await done
  assert.ok(new X509Certificate(authority.certificate.der))
})

test('while a renewal waits or backs off, anchors, expiry and conditions are those of now', async () => {
  const cluster = clusterWithAnchors()
  const world = await open(cluster)
  let time = Date.now()
  let expiry = 0
  const metrics = { ...silentMetrics, set: (_name: string, value: number) => void (expiry = value) }
  const keeper = world.keeper({ now: () => time, metrics })
  const reasonOf = (): string => keeper.conditions()[0]?.reason ?? ''
  const stop = new AbortController()
  const done = keeper.run(stop.signal)
  await eventually('it asks', () => cluster.list(plural).length === 1)
  await eventually('it says so', () => reasonOf().includes('asked for at 20'))
  issue(cluster)
  await eventually('it is written', () => world.changes() === 1)
  cluster.remove(plural, cluster.list(plural)[0]?.metadata.name ?? '')
  assert.doesNotMatch(reasonOf(), /asked/)
  time += 50 * 60_000
  await eventually('it asks anew', () => cluster.list(plural).length === 1)
  const next = newAuthority()
  publish(cluster, { ...authority, anchors: [...authority.anchors, ...next.anchors] })
  await eventually('anchors are written', () => world.changes() === 2)
  assert.equal((await world.folder.read())?.trustBundle.match(/BEGIN/g)?.length, 2)
  await eventually('expiry is told', () => expiry > 0 && expiry < 11 * 60)
  assert.match(reasonOf(), /^valid until .*; the next one: asked for at .*, not answered yet$/)
  cluster.remove('clustertrustbundles', bundleName)
  await eventually('it says so', () => keeper.conditions()[1]?.ok === false)
  stop.abort()
  await done
})

test('anchors and a credential that come at once are written one after the other', async () => {
  const cluster = clusterWithAnchors()
  const world = await open(cluster)
  let time = Date.now()
  const writing = { now: 0, most: 0, held: Promise.resolve() }
  const folder: CredentialFolder = {
    ...world.folder,
    async write(files) {
      writing.now += 1
      writing.most = Math.max(writing.most, writing.now)
      await writing.held
      await world.folder.write(files)
      writing.now -= 1
    },
  }
  const keeper = world.keeper({ folder, now: () => time })
  const stop = new AbortController()
  const done = keeper.run(stop.signal)
  await eventually('it asks', () => cluster.list(plural).length === 1)
  issue(cluster)
  await eventually('it is written', () => world.changes() === 1)
  cluster.remove(plural, cluster.list(plural)[0]?.metadata.name ?? '')
  const { promise, resolve } = Promise.withResolvers<void>()
  writing.held = promise
  const next = newAuthority()
  publish(cluster, { ...authority, anchors: [...authority.anchors, ...next.anchors] })
  await eventually('anchors are being written', () => writing.now === 1)
  time += 50 * 60_000
  await eventually('it asks anew', () => cluster.list(plural).length === 1)
  const before = (await world.folder.read())?.credentialBundle
  issue(cluster)
  // It has its answer well before.
  await new Promise((after) => setTimeout(after, 100))
  resolve()
  await eventually('both are written', () => world.changes() === 3)
  const files = await world.folder.read()
  assert.notEqual(files?.credentialBundle, before)
  assert.equal(files?.trustBundle.match(/BEGIN/g)?.length, 2)
  assert.equal(writing.most, 1)
  stop.abort()
  await done
})
