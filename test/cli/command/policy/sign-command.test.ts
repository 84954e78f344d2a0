import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { archiveOf, shippedAs } from '../../../policy/archive.ts'
import { runPolicy as policy } from './run-policy.ts'

let folder: string
let bundle: string
let key: string
let publicKey: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-policy-sign-'))
  bundle = join(folder, 'bundle.tar.gz')
  key = join(folder, 'key.pem')
  publicKey = join(folder, 'public.pem')
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await writeFile(key, pair.privateKey.export({ format: 'pem', type: 'pkcs8' }))
  await writeFile(publicKey, pair.publicKey.export({ format: 'pem', type: 'spki' }))
  await writeFile(bundle, await archiveOf(await shippedAs('one')))
})

after(() => rm(folder, { recursive: true, force: true }))

const algorithm = ['--algorithm', 'ES256', '--key-id', 'authors']

test('what was signed verifies, would be in force, and is refused for another scope', async () => {
  const signed = join(folder, 'signed.tar.gz')
  const done = await policy('sign', bundle, '--key', key, ...algorithm, '-o', signed, '--json')
  assert.equal(done.code, 0, done.err)
  const known = [signed, '--public-key', publicKey, ...algorithm]
  assert.deepEqual(await policy('verify', ...known), {
    code: 0,
    out: '5 files are as they were signed\n',
    err: '',
  })
  const checked = await policy('check', ...known, '--json')
  assert.equal((JSON.parse(checked.out) as { signed: boolean }).signed, true)
  const other = await policy('verify', ...known, '--scope', 'production')
  assert.equal(other.code, 1)
  assert.match(other.err, /scope of the signature: want="production" got="" \(policy\/signature\)/)
})

test('a bundle that is not signed does not verify', async () => {
  const { code, err } = await policy('verify', bundle, '--public-key', publicKey, ...algorithm)
  assert.equal(code, 1)
  assert.match(err, /bundle is not signed, want=\.signatures\.json \(policy\/signature\)/)
})

test('without a key nothing is signed or verified, and what cannot be written leaves nothing behind', async () => {
  assert.equal((await policy('sign', bundle)).code, 2)
  assert.equal((await policy('verify', bundle)).code, 2)
  const { code, err } = await policy('sign', bundle, '--key', key, ...algorithm, '-o', folder)
  assert.equal(code, 1)
  assert.match(err, /archive cannot be written, .*\(policy\/bundle\)/)
  const left = await readdir(dirname(folder))
  assert.ok(!left.some((name) => name.startsWith(basename(folder)) && name.endsWith('.part')))
})

const unreadable: Readonly<Record<string, readonly [Readonly<Record<string, string>>, RegExp]>> = {
  'a member of its data twice': [
    { 'data.json': '{"a":1,"a":2}' },
    /data\.json: .*is said twice \(policy\/signature\)/,
  ],
  'a name that only an extended header can say': [
    { [`${'a'.repeat(125)}.rego`]: '' },
    /archive has an extended header, .*\(policy\/bundle\)/,
  ],
}

for (const [what, [files, message]] of Object.entries(unreadable)) {
  test(`${what} is not signed, and nothing is written`, async (t) => {
    const place = await mkdtemp(join(folder, 'unreadable-'))
    t.after(() => rm(place, { recursive: true }))
    for (const [name, text] of Object.entries({ ...(await shippedAs('one')), ...files }))
      await writeFile(join(place, name), text)
    const output = join(folder, 'unreadable.tar.gz')
    const { code, err } = await policy('sign', place, '--key', key, ...algorithm, '-o', output)
    assert.equal(code, 1)
    assert.match(err, message)
    assert.ok(!(await readdir(folder)).includes('unreadable.tar.gz'))
  })
}

test('the archive of a folder needs a place', async () => {
  const { code, err } = await policy('sign', folder, '--key', key, ...algorithm)
  assert.equal(code, 2)
  assert.match(err, /--output: want=file for the bundle of a folder got=none/)
})
