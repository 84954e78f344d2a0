import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { writeCertificateRequest } from '../../src/pki/certificate-request-write.ts'
import { formatPem } from '../../src/pki/pem.ts'
import { requirement } from '../requirements.ts'
import { signerName } from '../signer/asked.ts'
import { eventually } from '../support/eventually.ts'
import { FakeCluster } from '../support/fake-cluster.ts'
import { plural, clusterWithAnchors, type World, openWorld, requestsOf } from './keeper-world.ts'

let parent: string

before(async () => {
  parent = await mkdtemp(join(tmpdir(), 'request-certificate-'))
})
after(() => rm(parent, { recursive: true, force: true }))

const open = (cluster: FakeCluster): Promise<World> => openWorld(cluster, parent)

/** A life in which a request is sent, and its name. */
async function askedBy(world: World, cluster: FakeCluster, changed = {}): Promise<string> {
  const stop = new AbortController()
  const before = requestsOf(cluster)
  const done = world.keeper(changed).run(stop.signal)
  await eventually('it has asked', () => requestsOf(cluster) > before)
  stop.abort()
  await done
  return (await world.folder.pending())?.name ?? 'none'
}

for (const changed of [
  { signerName: 'countersign.dev/identty' },
  { annotations: { 'countersign.dev/tenant': 'acne' } },
  { keyType: 'ED25519' },
  { expirationSeconds: 7200 },
] as const) {
  test(`a request with another ${Object.keys(changed)[0]} than is configured now is not waited for`, async () => {
    requirement('renewal.one-request')
    const cluster = clusterWithAnchors()
    const world = await open(cluster)
    const first = await askedBy(world, cluster, changed)
    const second = await askedBy(world, cluster)
    assert.notEqual(second, first)
    assert.equal(await askedBy(world, cluster), second)
    assert.equal(cluster.list(plural).length, 2)
  })
}

test('a request whose key signs nothing is not tried again', async () => {
  const cluster = clusterWithAnchors()
  const world = await open(cluster)
  const first = await askedBy(world, cluster)
  const pending = await world.folder.pending()
  assert.ok(pending !== undefined)
  const { privateKey } = generateKeyPairSync('x25519')
  const privateKeyPem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  await world.folder.keepPending({ ...pending, privateKeyPem })
  assert.notEqual(await askedBy(world, cluster), first)
})

for (const [what, spec] of [
  ['signer', (request: string) => ({ request, signerName: 'example.org/another' })],
  ['thing', () => ({ signerName, request: Buffer.from('rubbish').toString('base64') })],
  ['key', () => ({ signerName, request: requestOfAnother() })],
] as const) {
  test(`what stands under the name of a request and is for another ${what} is not ours`, async () => {
    const cluster = clusterWithAnchors()
    const world = await open(cluster)
    const first = await askedBy(world, cluster)
    const [request] = cluster.list(plural)
    assert.ok(request !== undefined)
    const own = request['spec'] as { request: string }
    cluster.put(plural, { ...request, spec: { ...own, ...spec(own.request) } })
    const stop = new AbortController()
    const done = world.keeper().run(stop.signal)
    await eventually('it asks anew', () => cluster.list(plural).length === 2)
    assert.notEqual((await world.folder.pending())?.name, first)
    stop.abort()
    await done
  })
}

function requestOfAnother(): string {
  const { privateKey } = generateKeyPairSync('ed25519')
  const pem = formatPem('CERTIFICATE REQUEST', writeCertificateRequest(privateKey))
  return Buffer.from(pem).toString('base64')
}
