import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import {
  archiveOf,
  shippedAs,
  shippedFiles,
  signedFiles,
  type Files,
} from '../../../policy/archive.ts'
import { runPolicy, type Ended } from './run-policy.ts'

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-policy-command-'))
})

after(() => rm(folder, { recursive: true, force: true }))

async function check(files: Files, ...words: readonly string[]): Promise<Ended> {
  const bundle = join(folder, 'bundle.tar.gz')
  await writeFile(bundle, await archiveOf(files))
  return runPolicy('check', bundle, ...words)
}

test('a bundle that would be in force is told with its revision, its files and who signed it', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = join(folder, 'author.pem')
  await writeFile(key, publicKey.export({ format: 'pem', type: 'spki' }))
  const files = signedFiles(await shippedAs('one'), privateKey)
  const grants = join(folder, 'grants.json')
  await writeFile(grants, '{"grants":{"tenants":{"acme":{"files":{"tools":{"read":{}}}}}}}')
  const words = ['--public-key', key, '--algorithm', 'ES256', '--data', grants]
  const { code, out, err } = await check(files, ...words, '--json')
  assert.deepEqual([code, err], [0, ''])
  const { digest, ...rest } = JSON.parse(out) as { digest: string }
  assert.match(digest, /^[0-9a-f]{64}$/)
  const want = { version: 1, ok: true, revision: 'one', engine: 'plan', files: 6, signed: true }
  assert.deepEqual(rest, want)
})

test('a bundle that would be refused ends with 1 and says why, for people and for programs', async () => {
  const files = await shippedFiles({ '.manifest': '{"revision":""}' })
  const told = await check(files)
  assert.equal(told.code, 1)
  assert.match(
    told.err,
    /^countersign: error: manifest has no revision, .* \(policy\/bundle\)\nhint: /,
  )
  const { code, out } = await check(files, '--json')
  assert.equal(code, 1)
  const { ok, error } = JSON.parse(out) as { ok: boolean; error: { code: string } }
  assert.deepEqual([ok, error.code], [false, 'policy/bundle'])
})

test('an algorithm that is none is wrong usage', async () => {
  const { code, err } = await check({ a: 'x' }, '--algorithm', 'HS256')
  assert.equal(code, 2)
  assert.match(err, /--algorithm: want=RS256\|.* got="HS256" \(cli\/usage\)/)
})
