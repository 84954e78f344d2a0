import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { lookAtPolicy, openPolicy } from '../../src/cli/open-policy.ts'
import type { PolicyConfig } from '../../src/cli/shared-configuration.ts'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import type { SelfTest } from '../../src/policy/self-test.ts'
import { archiveOf, shippedAs, signedFiles } from '../policy/archive.ts'
import { openBundleServer, serving, type BundleServer } from '../policy/bundle-server.ts'
import { requirement } from '../requirements.ts'

const author = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const signedAt = 1_000_000

let folder: string
let key: string
let archive: Buffer

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-start-'))
  key = join(folder, 'author.pem')
  await writeFile(key, author.publicKey.export({ format: 'pem', type: 'spki' }))
  const files = signedFiles(await shippedAs('one'), author.privateKey, { iat: signedAt })
  archive = await archiveOf(files)
})

after(() => rm(folder, { recursive: true, force: true }))

const parts = {
  log: silentLog,
  metrics: silentMetrics,
  now: (): number => (signedAt + 60) * 1000,
  selfTest: () => Promise.resolve(),
}

const ended = { code: 'policy/bundle', message: 'told to end before there was a policy' }

function configOf(server: BundleServer, persistenceDirectory: string): PolicyConfig {
  return {
    service: {
      url: server.url,
      resource: 'bundles/gateway',
      responseHeaderTimeoutSeconds: 600,
      polling: { minDelaySeconds: 1, maxDelaySeconds: 2, longPollingTimeoutSeconds: 600 },
    },
    persistenceDirectory,
    signature: { keys: [{ id: 'author', algorithm: 'ES256', publicKey: key }], scope: '' },
    data: [],
  }
}

test('a start asks for what there is, and lets no server hold its question', async () => {
  requirement('policy.bundle-followed')
  await using server = await openBundleServer()
  const answer = serving(archive, '"1"')
  server.answer((request, response) => {
    if (!/wait=/.test(String(request.headers['prefer']))) answer(request, response)
  })
  await using policy = await openPolicy(configOf(server, join(folder, 'held')), parts)
  assert.equal(policy.engine.revision, 'one')
})

test('told to end, a start waits for no bundle server', async () => {
  requirement('policy.bundle-followed')
  await using server = await openBundleServer()
  for (const open of [openPolicy, lookAtPolicy]) {
    const stop = new AbortController()
    server.answer(() => stop.abort())
    const { signal } = stop
    const config = configOf(server, join(folder, 'silent'))
    await assert.rejects(open(config, { ...parts, signal }), ended)
    await assert.rejects(open(config, { ...parts, signal }), ended)
  }
  assert.equal(server.asked.length, 2)
})

test('told to end, a start waits for no test of a bundle', async () => {
  await using server = await openBundleServer()
  server.answer(serving(archive, '"1"'))
  const file = join(folder, 'bundle.tar.gz')
  await writeFile(file, archive)
  const kept = join(folder, 'kept')
  await mkdir(kept)
  await writeFile(join(kept, 'bundle.tar.gz'), archive)
  const { service: _, ...ofFile } = configOf(server, kept)
  const configs = [
    configOf(server, join(folder, 'downloaded')),
    configOf(server, kept),
    { ...ofFile, persistenceDirectory: undefined, bundle: file },
  ]
  for (const config of configs) {
    const stop = new AbortController()
    const endless: SelfTest = async (_tested, signal) => {
      setImmediate(() => stop.abort())
      // It ends when it is told to, and by nothing else.
      await pause(600_000, undefined, signal === undefined ? {} : { signal })
    }
    const { signal } = stop
    await assert.rejects(openPolicy(config, { ...parts, selfTest: endless, signal }))
  }
})
