import assert from 'node:assert/strict'
import { chmod, cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { readBundle } from '../../../../src/policy/bundle-place.ts'
import { requirement } from '../../../requirements.ts'
import { archiveOf, shippedFiles } from '../../../policy/archive.ts'
import { runPolicy, type Ended } from './run-policy.ts'

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-policy-build-'))
})

after(() => rm(folder, { recursive: true, force: true }))

async function build(...words: readonly string[]): Promise<Ended> {
  return runPolicy('build', ...words)
}

/** A compiler that gives this archive for whatever it is asked, as `npm run test:policies` asks the real one. */
async function opaThatGives(archive: Buffer): Promise<string> {
  const [file, given] = [join(folder, 'opa'), join(folder, 'given.tar.gz')]
  await writeFile(given, archive)
  const copy = `while [ "$1" != --output ]; do shift; done; cp '${given}' "$2"`
  await writeFile(file, `#!/bin/sh\n${copy}\n`)
  await chmod(file, 0o755)
  return file
}

test('a bundle has plan, module, data, schemas and the revision that was asked for', async () => {
  const sources = join(folder, 'sources')
  await cp(join(import.meta.dirname, '../../../../policies/data'), sources, { recursive: true })
  await writeFile(join(sources, 'schemas.json'), '{}')
  const opa = await opaThatGives(await archiveOf(await shippedFiles({ 'schemas.json': undefined })))
  const output = join(folder, 'built.tar.gz')
  const { code, out, err } = await build(sources, '--opa', opa, '--revision', 'v1', '-o', output)
  assert.deepEqual([code, err], [0, ''])
  assert.match(out, /^revision v1, 5 files, in /)
  const { files } = await readBundle(output)
  const names = ['.manifest', 'data.json', 'plan.json', 'policy.wasm', 'schemas.json']
  assert.deepEqual([...files.keys()].toSorted(), names)
})

test('what a gateway would refuse is not written', async () => {
  requirement('policy.build-is-tested')
  const empty =
    '{"static":{"strings":[],"builtin_funcs":[],"files":[]},"plans":{"plans":[]},"funcs":{"funcs":[]}}'
  const opa = await opaThatGives(await archiveOf(await shippedFiles({ 'plan.json': empty })))
  const output = join(folder, 'refused.tar.gz')
  const before = await readFile(join(folder, 'given.tar.gz'))
  const { code } = await build(folder, '--opa', opa, '-o', output)
  assert.equal(code, 1)
  assert.ok(before.length > 0 && !(await readdir(folder)).includes('refused.tar.gz'))
})

test('no place to write is wrong usage', async () => {
  assert.equal((await build(folder)).code, 2)
})
