import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { formatPem } from '../../src/pki/pem.ts'
import {
  readAnchorFile,
  readAnchors,
  readServingAnchors,
} from '../../src/renewal/published-anchors.ts'
import { requirement } from '../requirements.ts'
import { newAuthority, profile } from '../signer/signer-world.ts'
import { signerName } from '../signer/asked.ts'
import { FakeCluster } from '../support/fake-cluster.ts'

const { trustDomain } = profile
const trustBundle = newAuthority()
  .anchors.map((der) => formatPem('CERTIFICATE', der))
  .join('')
const name = 'countersign.dev:identity:example.org'
const { signal } = new AbortController()

test('anchors are those of the signer’s own bundle, and of its trust domain', async () => {
  requirement('renewal.verified-before-written')
  const cluster = new FakeCluster()
  const read = (): ReturnType<typeof readAnchors> =>
    readAnchors({ client: cluster, signerName, trustDomain, signal })
  await assert.rejects(read(), { code: 'renewal/trust-bundle', message: /is not published yet/ })
  cluster.put('clustertrustbundles', { metadata: { name }, spec: { trustBundle } })
  await assert.rejects(read(), { code: 'renewal/trust-bundle', message: /is of another signer/ })
  cluster.put('clustertrustbundles', { metadata: { name }, spec: { signerName, trustBundle } })
  assert.equal((await read()).pem, trustBundle)
  cluster.put('clustertrustbundles', {
    metadata: { name },
    spec: { signerName, trustBundle: 'none' },
  })
  await assert.rejects(read(), { code: 'pki/bundle' })
  cluster.served.set('certificates.k8s.io/v1', [])
  await assert.rejects(read(), { code: 'renewal/trust-bundle', message: /the cluster serves none/ })
})

test('anchors of a file are read within a bound', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'published-anchors-'))
  const file = join(folder, 'anchors.pem')
  await assert.rejects(readAnchorFile(file, trustDomain), { message: /is not there/ })
  await writeFile(file, trustBundle)
  assert.equal((await readAnchorFile(file, trustDomain)).pem, trustBundle)
  await writeFile(file, 'x'.repeat(1024 * 1024 + 1))
  await assert.rejects(readAnchorFile(file, trustDomain), {
    message: /too large, want=\.\.1048576/,
  })
  await assert.rejects(readAnchorFile('/dev/zero', trustDomain), { message: /not a regular file/ })
  execFileSync('mkfifo', [join(folder, 'pipe')])
  await assert.rejects(readAnchorFile(join(folder, 'pipe'), trustDomain), {
    message: /not a regular file/,
  })
  await rm(folder, { recursive: true })
})

test('anchors of a node’s certificate are certificates, and nothing else', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'serving-anchors-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'anchors.pem')
  await writeFile(file, trustBundle)
  assert.equal(await readServingAnchors(file), trustBundle)
  for (const text of ['', 'x', `${trustBundle}${formatPem('PRIVATE KEY', Buffer.alloc(8))}`]) {
    await writeFile(file, text)
    await assert.rejects(readServingAnchors(file), { code: 'pki/bundle' })
  }
  await assert.rejects(readServingAnchors(join(folder, 'none')), { message: /is not there/ })
})
