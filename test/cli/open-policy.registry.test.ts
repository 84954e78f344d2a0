import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openPolicy } from '../../src/cli/open-policy.ts'
import type { PolicyConfig } from '../../src/cli/shared-configuration.ts'
import { archiveOf, shippedAs, signedFiles } from '../policy/archive.ts'
import { descriptorOf, imageOf, layerType, type Image } from '../policy/oci/image.ts'
import { openRegistryServer, type RegistryServer } from '../policy/oci/registry-server.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import {
  author,
  serviceConfig,
  serviceParts,
  signedFirst,
  writeAuthorKey,
} from './service-parts.ts'

const repository = 'policies'

let folder: string
let key: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-registry-'))
  key = await writeAuthorKey(folder)
})

after(() => rm(folder, { recursive: true, force: true }))

function configOf(server: RegistryServer, name: string): PolicyConfig {
  const config = serviceConfig(server, { key, persistenceDirectory: join(folder, name) })
  const { service } = config
  assert.ok(service !== undefined)
  return { ...config, service: { ...service, type: 'oci', resource: `${repository}:live` } }
}

async function archiveAs(revision: string, claims: object): Promise<Buffer> {
  return archiveOf(signedFiles(await shippedAs(revision), author.privateKey, claims))
}

async function signed(revision: string, seconds: number): Promise<Image> {
  return imageOf(await archiveAs(revision, { iat: signedFirst + seconds }))
}

test('a gateway follows a tag, never back, and begins with the last good one where the registry is down', async () => {
  requirement('policy.bundle-followed')
  const server = await openRegistryServer(repository)
  const config = configOf(server, 'follow')
  const [one, two] = [await signed('one', 0), await signed('two', 1)]
  server.tag('live', one)
  {
    await using policy = await openPolicy(config, serviceParts)
    assert.equal(policy.engine.revision, 'one')
    server.tag('live', two)
    await eventually('the tag is followed', () => policy.engine.revision === 'two')
    server.tag('live', one)
    await eventually('an older one is refused', () =>
      /signed before the one in force/.test(policy.status().message ?? ''),
    )
    assert.equal(policy.engine.revision, 'two')
    const kept = await readFile(join(folder, 'follow', 'bundle.tar.gz'))
    assert.deepEqual(kept, two.blobs.get(two.layer))
  }
  {
    await using policy = await openPolicy(config, serviceParts)
    assert.equal(policy.engine.revision, 'two')
    await eventually('it is refused after a restart, too', () =>
      /signed before the one in force/.test(policy.status().message ?? ''),
    )
  }
  await server[Symbol.asyncDispose]()
  await using policy = await openPolicy(config, serviceParts)
  assert.equal(policy.engine.revision, 'two')
  await eventually('nobody answers', () => /ECONNREFUSED/.test(policy.status().message ?? ''))
  assert.equal(policy.condition().optional, true)
})

test('whatever a registry has for a tag, the last good bundle serves on, and the status says why', async () => {
  requirement('policy.bundle-followed')
  requirement('policy.bundle-by-digest')
  await using server = await openRegistryServer(repository)
  const good = await signed('good', 10)
  server.tag('live', good)
  await using policy = await openPolicy(configOf(server, 'faults'), serviceParts)
  const archive = await archiveAs('bad', { iat: signedFirst + 11 })
  const layer = descriptorOf(archive, layerType)
  const faults: readonly (readonly [Image, RegExp])[] = [
    [imageOf(await archiveOf(await shippedAs('unsigned'))), /signature/],
    [imageOf(await archiveAs('undated', {})), /signature says no time/],
    [imageOf(archive.subarray(0, -100)), /cut short/],
    [imageOf(Buffer.from('no archive')), /no gzip archive/],
    [imageOf(archive, { layers: [layer, layer] }), /manifest has 2 layers/],
    [imageOf(archive, { layers: [] }), /manifest has 0 layers/],
    [
      imageOf(archive, { layers: [{ ...layer, size: 1 }] }),
      /archive is too large, want=..1 octets/,
    ],
  ]
  for (const [image, message] of faults) {
    server.tag('live', image)
    await eventually(String(message), () => message.test(policy.status().message ?? ''))
    assert.equal(policy.engine.revision, 'good')
    assert.equal(policy.status().code, 'bundle_error')
  }
  const bad = imageOf(archive)
  server.tag('live', bad)
  server.instead(bad.layer, (_, response) => void response.end(good.blobs.get(good.layer)))
  await eventually('another layer', () =>
    /archive is not what its digest names|too large/.test(policy.status().message ?? ''),
  )
  assert.equal(policy.engine.revision, 'good')
  server.instead(bad.layer, undefined)
  await eventually('as it should be', () => policy.engine.revision === 'bad')
  assert.equal(policy.condition().ok, true)
})
