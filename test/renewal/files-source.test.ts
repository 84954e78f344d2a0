import assert from 'node:assert/strict'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { CountersignError } from '../../src/errors.ts'
import { realDelay } from '../../src/kubernetes/backoff.ts'
import { silentLog } from '../../src/log.ts'
import type { Offered } from '../../src/renewal/credential-source.ts'
import { openFilesSource, type FilesOfOthers } from '../../src/renewal/files-source.ts'
import { requirement } from '../requirements.ts'
import { createTestAuthority } from '../support/test-authority.ts'

let parent: string

before(async () => {
  parent = await mkdtemp(join(tmpdir(), 'files-source-'))
})
after(() => rm(parent, { recursive: true, force: true }))

const leaf = createTestAuthority().issue()
const bundle = leaf.credentialPem
const at = bundle.indexOf('-----BEGIN CERTIFICATE-----')
const [key, chain] = [bundle.slice(0, at), bundle.slice(at)]
const otherKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ format: 'pem', type: 'pkcs8' })
  .toString()

async function offered(files: FilesOfOthers): Promise<Offered> {
  const anchors = (): Promise<string> => Promise.resolve('')
  await using source = await openFilesSource({ files, anchors, log: silentLog })
  const signal = AbortSignal.timeout(20_000)
  const isInForce = (): boolean => false
  const waits = (): void => {}
  return await source.next({ signal, isInForce, waits, delay: realDelay, random: () => 0 })
}

async function inOne(text: string): Promise<Offered> {
  const credentialBundle = join(await mkdtemp(join(parent, 'x')), 'credential-bundle.pem')
  await writeFile(credentialBundle, text)
  return offered({ credentialBundle })
}

async function inTwo(certificateText: string, keyText: string): Promise<Offered> {
  const folder = await mkdtemp(join(parent, 'x'))
  const [certificate, privateKey] = [join(folder, 'tls.crt'), join(folder, 'tls.key')]
  await writeFile(certificate, certificateText)
  await writeFile(privateKey, keyText)
  return offered({ certificate, privateKey })
}

test('a credential is taken from one file and from two, its key in the form that all take', async () => {
  const sec1 = createPrivateKey(key).export({ format: 'pem', type: 'sec1' }).toString()
  assert.match(sec1, /BEGIN EC PRIVATE KEY/)
  for (const found of [await inOne(bundle), await inTwo(chain, key), await inTwo(chain, sec1)]) {
    assert.equal(found.kind, 'issued')
    assert.equal('credentialBundle' in found && found.credentialBundle, bundle)
  }
})

const bad: Readonly<Record<string, readonly [() => Promise<Offered>, RegExp]>> = {
  'nothing there': [
    () => offered({ credentialBundle: join(parent, 'none') }),
    /^files\.credentialBundle: ".*none" is not there$/,
  ],
  'a folder': [
    () => offered({ credentialBundle: parent }),
    /^files\.credentialBundle: ".*" (?:is no file|cannot be read)/,
  ],
  'a MiB': [
    () => inOne('x'.repeat(1024 * 1024)),
    /^files\.credentialBundle: ".*" is too large, want=\.\.131072$/,
  ],
  'no key': [() => inOne(chain), /^files: credentialBundle: want=one private key got=0$/],
  'no certificate': [() => inOne(key), /want=1\.\.9 certificates got=0$/],
  'two keys': [() => inOne(key + bundle), /want=one private key got=2$/],
  'ten certificates': [() => inOne(key + chain.repeat(10)), /want=1\.\.9 certificates got=10$/],
  'a block of another kind': [
    () =>
      inOne(
        `${bundle}-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n`,
      ),
    /^files: credentialBundle: a block is of no use, EC PARAMETERS$/,
  ],
  'half a block': [() => inOne(bundle.slice(0, -40)), /^files\.credentialBundle has a PEM block/],
  'the key of another': [
    () => inTwo(chain, otherKey),
    /^files: certificate and privateKey: key and certificate do not belong together$/,
  ],
  'a key beside the certificate': [
    () => inTwo(chain + key, key),
    /^files\.certificate: a block stands in the other file, PRIVATE KEY$/,
  ],
  'files the wrong way around': [
    () => inTwo(key, chain),
    /^files\.certificate: a block stands in the other file, PRIVATE KEY$/,
  ],
}

for (const [what, [work, said]] of Object.entries(bad)) {
  test(`${what}: the error says which file, and nothing of a key`, async () => {
    requirement('renewal.verified-before-written')
    await assert.rejects(work, (error: unknown) => {
      assert.ok(error instanceof CountersignError)
      assert.equal(error.code, 'renewal/source')
      assert.match(error.message, said)
      const octets = key.split('\n')[1] ?? ''
      assert.ok(!error.message.includes(octets.slice(0, 16)))
      return true
    })
  })
}
