import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import {
  chmod,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { openPolicy } from '../../../../src/cli/open-policy.ts'
import { replaceAt } from '../../../../src/cli/command/policy/promote-place.ts'
import { silentLog } from '../../../../src/log.ts'
import { silentMetrics } from '../../../../src/metrics.ts'
import { readBundle } from '../../../../src/policy/bundle-place.ts'
import { verifyBundle } from '../../../../src/policy/bundle-signature.ts'
import {
  archiveOf,
  shippedAs,
  shippedFiles,
  signedFiles,
  type Files,
} from '../../../policy/archive.ts'
import { assembleModule } from '../../../policy/policy-module.ts'
import { requirement } from '../../../requirements.ts'
import { eventually } from '../../../support/eventually.ts'
import { runPolicy, type Ended } from './run-policy.ts'

let folder: string
let to: string
let key: string
let publicKey: string
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-policy-promote-'))
  key = join(folder, 'key.pem')
  publicKey = join(folder, 'public.pem')
  await writeFile(key, pair.privateKey.export({ format: 'pem', type: 'pkcs8' }))
  await writeFile(publicKey, pair.publicKey.export({ format: 'pem', type: 'spki' }))
})

let number = 0

beforeEach(async () => {
  number += 1
  await mkdir(join(folder, String(number)))
  to = join(folder, String(number), 'bundle.tar.gz')
})

after(() => rm(folder, { recursive: true, force: true }))

async function promote(...words: readonly string[]): Promise<Ended> {
  return runPolicy('promote', ...words, '--to', to)
}

async function put(name: string, files: Files): Promise<string> {
  const file = join(folder, String(number), name)
  await writeFile(file, await archiveOf(files))
  return file
}

function signed(files: Files, iat: number, by: KeyObject = pair.privateKey): Files {
  return signedFiles(files, by, { iat })
}

async function revisionAt(place: string): Promise<string> {
  const { files } = await readBundle(place)
  return (JSON.parse(String(files.get('.manifest'))) as { revision: string }).revision
}

interface PromotionRecord {
  readonly by: string
  readonly account: string
  readonly act: string
  readonly from?: string
  readonly to: { readonly revision: string }
  readonly outcome?: string
}

async function recorded(): Promise<readonly PromotionRecord[]> {
  const text = await readFile(`${to}.promotions.jsonl`, 'utf8').catch(() => '')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as PromotionRecord)
    .filter(({ outcome }) => outcome === undefined)
}

test('a candidate is put in its place, and what was there comes back with one command', async () => {
  requirement('policy.promoted-as-named')
  await put('bundle.tar.gz', await shippedAs('one'))
  const candidate = await put('candidate.tar.gz', await shippedAs('two'))
  const done = await promote(candidate, '--revision', 'two', '--by', 'ada')
  assert.equal(done.code, 0, done.err)
  assert.match(done.out, /^revision two, with its data [0-9a-f]{64}, is in /)
  assert.equal(await revisionAt(to), 'two')
  const back = await promote('--roll-back', '--revision', 'one', '--json')
  assert.equal(back.code, 0, back.err)
  assert.equal(await revisionAt(to), 'one')
  // And forth.
  assert.equal((await promote('--roll-back', '--revision', 'two')).code, 0)
  assert.equal(await revisionAt(to), 'two')
  const acts = (await recorded()).map(({ act, from, to: { revision } }) => [act, from, revision])
  assert.deepEqual(acts, [
    ['promote', 'one', 'two'],
    ['roll-back', 'two', 'one'],
    ['roll-back', 'one', 'two'],
  ])
  const [first, second] = await recorded()
  assert.equal(first?.by, 'ada')
  assert.match(first?.account ?? '', /.@./)
  assert.equal(second?.by, second?.account.split('@')[0])
})

test('the first one needs nothing before it', async () => {
  const candidate = await put('candidate.tar.gz', await shippedAs('one'))
  assert.equal((await promote(candidate, '--revision', 'one')).code, 0)
  assert.equal(await revisionAt(to), 'one')
  assert.equal((await promote('--roll-back')).code, 2)
  const { code, err } = await promote('--roll-back', '--revision', 'none')
  assert.equal(code, 2)
  assert.match(err, /bundle cannot be read, got=".*previous/)
})

test('a bundle that is broken where it is is in nobody’s way', async () => {
  const candidate = await put('candidate.tar.gz', await shippedAs('two'))
  for (const manifest of ['no JSON', 'null']) {
    await put('bundle.tar.gz', { '.manifest': manifest })
    const { code, err } = await promote(candidate, '--revision', 'two')
    assert.equal(code, 0, err)
    assert.equal((await recorded()).at(-1)?.from, 'none')
  }
})

test('only what was named is promoted, by its revision and by its digest', async () => {
  requirement('policy.promoted-as-named')
  await put('bundle.tar.gz', await shippedAs('one'))
  const candidate = await put('candidate.tar.gz', await shippedAs('two'))
  const other = await promote(candidate, '--revision', 'three')
  assert.equal(other.code, 1)
  assert.match(other.err, /another revision than the one that is named, want="three" got="two"/)
  const digest = ['--revision', 'two', '--digest', '00']
  assert.match((await promote(candidate, ...digest)).err, /with this data is another one/)
  assert.equal((await promote(candidate)).code, 2)
  assert.equal(await revisionAt(to), 'one')
  assert.deepEqual(await recorded(), [])
})

test('a candidate that gateways would refuse changes nothing', async () => {
  requirement('policy.promoted-as-named')
  const present = await put('bundle.tar.gz', await shippedAs('one'))
  const octets = await readFile(present)
  const trap = assembleModule({ behaviour: { trap: true } })
  const manifest = JSON.stringify({ revision: 'two', roots: [''] })
  const candidate = await put(
    'candidate.tar.gz',
    await shippedFiles({ 'policy.wasm': trap, '.manifest': manifest }),
  )
  const { code, err } = await promote(candidate, '--revision', 'two')
  assert.equal(code, 1)
  assert.match(err, /do not answer alike/)
  const data = join(folder, 'wrong.json')
  await writeFile(data, '{"grants": []}')
  const good = await put('good.tar.gz', await shippedAs('two'))
  assert.equal((await promote(good, '--revision', 'two', '--data', data)).code, 1)
  const again = await promote(present, '--revision', 'one')
  assert.equal(again.code, 1)
  assert.match(again.err, /it is there already, got="one"/)
  assert.ok(octets.equals(await readFile(to)))
  assert.deepEqual(await recorded(), [])
})

test('where a signed bundle is, a signature of the same signer has to be, and no older one', async () => {
  requirement('policy.promoted-as-named')
  await put('bundle.tar.gz', signed(await shippedAs('one'), 1000))
  const known = ['--public-key', publicKey, '--algorithm', 'ES256']
  const unsigned = await put('unsigned.tar.gz', await shippedAs('two'))
  const plain = await promote(unsigned, '--revision', 'two')
  assert.equal(plain.code, 2)
  assert.match(plain.err, /what is there is signed, want=--public-key of its signer, or --key/)
  assert.match((await promote(unsigned, '--revision', 'two', ...known)).err, /is not signed/)
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const strange = await put('strange.tar.gz', signed(await shippedAs('two'), 2000, stranger))
  assert.equal((await promote(strange, '--revision', 'two', ...known)).code, 1)
  const older = await put('older.tar.gz', signed(await shippedAs('two'), 999))
  const late = await promote(older, '--revision', 'two', ...known)
  assert.match(late.err, /was signed before the one in force, want=1000\.\. got=999/)
  assert.equal(await revisionAt(to), 'one')
  const newer = await put('newer.tar.gz', signed(await shippedAs('two'), 1001))
  assert.equal((await promote(newer, '--revision', 'two', ...known)).code, 0)
  assert.equal(await revisionAt(to), 'two')
})

test('one that is signed for a time to come, at the same second, or at no time, is not promoted', async () => {
  requirement('policy.promoted-as-named')
  await put('bundle.tar.gz', signed(await shippedAs('one'), 1000))
  const known = ['--revision', 'two', '--public-key', publicKey, '--algorithm', 'ES256']
  const later = Math.floor(Date.now() / 1000) + 3600
  const told = new Map([
    [later, /signed for a time to come/],
    [1000, /signed at the same second as the one in force, want=1001\.\. got=1000/],
    [undefined, /signature says no time, want=iat in its claims/],
  ])
  for (const [iat, message] of told) {
    const claims = iat === undefined ? {} : { iat }
    const files = signedFiles(await shippedAs('two'), pair.privateKey, claims)
    const { code, err } = await promote(await put('candidate.tar.gz', files), ...known)
    assert.deepEqual([code, message.test(err)], [1, true], err)
  }
  assert.equal(await revisionAt(to), 'one')
  // What has no time itself is no older and no newer.
  await put('bundle.tar.gz', signedFiles(await shippedAs('one'), pair.privateKey))
  const candidate = await put('candidate.tar.gz', signed(await shippedAs('two'), 1001))
  const { code, err } = await promote(candidate, ...known)
  assert.equal(code, 0, err)
})

test('what another key has signed is replaced where it is said that the signer is a new one', async () => {
  const old = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  await put('bundle.tar.gz', signed(await shippedAs('one'), 3000, old))
  const candidate = await put('candidate.tar.gz', signed(await shippedAs('two'), 2000))
  const known = ['--public-key', publicKey, '--algorithm', 'ES256']
  const anew = ['--key', key, '--algorithm', 'ES256']
  for (const words of [known, anew]) {
    const { code, err } = await promote(candidate, '--revision', 'two', ...words)
    assert.equal(code, 1)
    assert.match(err, /signature is not by a key of policy\.signature/)
  }
  const bare = await promote(candidate, '--revision', 'two', '--new-signer')
  assert.equal(bare.code, 2)
  const done = await promote(candidate, '--revision', 'two', ...known, '--new-signer')
  assert.equal(done.code, 0, done.err)
  assert.equal(await revisionAt(to), 'two')
  // What comes back is of the old one.
  const back = await promote('--roll-back', '--revision', 'one', ...known, '--new-signer')
  assert.match(back.err, /signature is not by a key/)
  await put('bundle.tar.gz', signed(await shippedAs('three'), 3000, old))
  const signedAnew = await promote(candidate, '--revision', 'two', ...anew, '--new-signer')
  assert.equal(signedAnew.code, 0, signedAnew.err)
  const keys = [{ id: 'x', algorithm: 'ES256' as const, publicKey: pair.publicKey }]
  verifyBundle(await readBundle(to), { keys, scope: '' })
})

test('a roll back of signed bundles is signed anew, so that gateways take it', async () => {
  requirement('policy.promoted-as-named')
  await put('bundle.tar.gz', signed(await shippedAs('one'), 1000))
  const known = ['--public-key', publicKey, '--algorithm', 'ES256']
  const later = Math.floor(Date.now() / 1000) + 100
  const newer = await put('newer.tar.gz', signed(await shippedAs('two'), later))
  assert.equal((await promote(newer, '--revision', 'two', ...known)).code, 0)
  await using policy = await openPolicy(
    {
      bundle: to,
      signature: { keys: [{ id: 'author', algorithm: 'ES256', publicKey }], scope: '' },
      data: [],
    },
    { log: silentLog, metrics: silentMetrics },
  )
  assert.equal(policy.engine.revision, 'two')
  const refused = await promote('--roll-back', '--revision', 'one', ...known)
  assert.equal(refused.code, 1)
  assert.match(refused.err, /was signed before the one in force/)
  const anew = ['--key', key, '--algorithm', 'ES256']
  const done = await promote('--roll-back', '--revision', 'one', ...anew)
  assert.equal(done.code, 0, done.err)
  const keys = [{ id: 'x', algorithm: 'ES256' as const, publicKey: pair.publicKey }]
  const { issuedAt } = verifyBundle(await readBundle(to), { keys, scope: '' })
  assert.equal(issuedAt, later + 1)
  await eventually('it is in force', () => policy.engine.revision === 'one')
  assert.equal(policy.condition().ok, true)
})

test('what is no archive is not written over, and without a record nothing changes', async () => {
  const candidate = await put('candidate.tar.gz', await shippedAs('two'))
  const real = await put('real.tar.gz', await shippedAs('one'))
  await symlink(real, to)
  const linked = await promote(candidate, '--revision', 'two')
  assert.equal(linked.code, 2)
  assert.match(linked.err, /want=archive, no folder or link/)
  await rm(to)
  await put('bundle.tar.gz', await shippedAs('one'))
  await mkdir(`${to}.promotions.jsonl`)
  const { code, err } = await promote(candidate, '--revision', 'two')
  assert.equal(code, 1)
  assert.match(err, /cannot be recorded, so nothing is changed/)
  assert.equal(await revisionAt(to), 'one')
  assert.equal((await promote(candidate, '--roll-back')).code, 2)
  assert.equal((await promote()).code, 2)
})

test('the place keeps its mode, and what a killed process has left hinders nobody', async (t) => {
  await put('bundle.tar.gz', await shippedAs('one'))
  await chmod(to, 0o644)
  await writeFile(`${to}.${process.pid}.part`, '')
  await writeFile(`${to}.previous.${process.pid}.part`, '')
  const candidate = await put('candidate.tar.gz', await shippedAs('two'))
  const umask = process.umask(0o077)
  t.after(() => process.umask(umask))
  const { code, err } = await promote(candidate, '--revision', 'two')
  assert.equal(code, 0, err)
  assert.equal((await stat(to)).mode & 0o777, 0o644)
})

test('of two who roll back the second one is refused, and nobody promotes beside somebody else', async () => {
  requirement('policy.promoted-as-named')
  await put('bundle.tar.gz', await shippedAs('good'))
  const candidate = await put('candidate.tar.gz', await shippedAs('bad'))
  assert.equal((await promote(candidate, '--revision', 'bad')).code, 0)
  assert.equal((await promote('--roll-back', '--revision', 'good')).code, 0)
  assert.equal((await promote('--roll-back', '--revision', 'good')).code, 1)
  assert.equal(await revisionAt(to), 'good')
  await writeFile(`${to}.lock`, '')
  const beside = await promote(candidate, '--revision', 'bad')
  assert.equal(beside.code, 1)
  assert.match(beside.err, /somebody else is promoting there/)
})

test('one that fails keeps what was kept, says so, and leaves nothing beside the place', async () => {
  await put('bundle.tar.gz', await shippedAs('two'))
  const previous = `${to}.previous`
  await writeFile(previous, await archiveOf(await shippedAs('one')))
  const { files } = await readBundle(to)
  const place = join(folder, String(number))
  const before = (await readdir(place)).toSorted()
  // What cannot be replaced by a file.
  await assert.rejects(failToReplace(), { code: 'policy/bundle' })
  assert.equal(await revisionAt(previous), 'one')
  assert.deepEqual((await readdir(place)).toSorted(), [...before, 'bundle.tar.gz.promotions.jsonl'])
  const lines = (await readFile(`${to}.promotions.jsonl`, 'utf8')).trim().split('\n')
  assert.match(lines.at(-1) ?? '', /"outcome":"failed"/)
  await replaceAt(to, files, {})
  assert.equal(await revisionAt(previous), 'two')
  // What is kept is what is there: two names of one file.
  await rm(previous)
  await link(to, previous)
  await replaceAt(to, files, {})
  assert.deepEqual((await readdir(place)).toSorted(), [...before, 'bundle.tar.gz.promotions.jsonl'])

  async function failToReplace(): Promise<void> {
    const octets = await readFile(to)
    await rm(to)
    await mkdir(to)
    try {
      await replaceAt(to, files, {})
    } finally {
      await rm(to, { recursive: true })
      await writeFile(to, octets)
    }
  }
})
