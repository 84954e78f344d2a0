import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { followSources, isSources, type BundleState } from '../../../dev/session/follow-sources.ts'
import { readBundle } from '../../../src/policy/bundle-place.ts'
import { archiveOf, shippedFiles } from '../../policy/archive.ts'
import { eventually } from '../../support/eventually.ts'

test('a folder without a manifest is sources, and neither a bundle nor an archive is', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-sources-'))
  t.after(() => rm(folder, { recursive: true }))
  assert.equal(await isSources(folder), true)
  await writeFile(join(folder, '.manifest'), '{}')
  assert.equal(await isSources(folder), false)
  assert.equal(await isSources(join(folder, '.manifest')), false)
})

/** Without a program that builds: each build is told by its failure. */
async function createSources(t: TestContext) {
  const sources = await mkdtemp(join(tmpdir(), 'countersign-sources-'))
  const end = new AbortController()
  t.after(() => end.abort())
  t.after(() => rm(sources, { recursive: true, force: true }))
  await mkdir(join(sources, 'countersign'))
  const told: string[] = []
  const tell = (line: string): void => void told.push(line)
  const before = process.env['COUNTERSIGN_OPA']
  process.env['COUNTERSIGN_OPA'] = '/none/of/these'
  t.after(() => {
    if (before === undefined) delete process.env['COUNTERSIGN_OPA']
    else process.env['COUNTERSIGN_OPA'] = before
  })
  const bundle = join(sources, 'b.tar.gz')
  const inForce = async (): Promise<BundleState> => ({ revision: undefined, problem: undefined })
  return { told, sources, options: { sources, bundle, tell, inForce, signal: end.signal } }
}

for (const [what, seconds, builds] of [
  ['what was saved before anybody watched is built', 60, 1],
  ['what was built already is not built again', -60, 0],
] as const) {
  test(what, async (t) => {
    const { told, sources, options } = await createSources(t)
    const below = join(sources, 'countersign')
    const file = join(below, 'a.rego')
    await writeFile(file, 'package a\n')
    const builtAt = Date.now()
    const saved = new Date(builtAt + seconds * 1000)
    await utimes(file, saved, saved)
    const before = new Date(builtAt - 60_000)
    for (const place of [below, sources]) await utimes(place, before, before)
    followSources({ ...options, builtAt })
    if (builds > 0) await eventually('it is built', () => told.length > 0)
    else await new Promise((resolve) => setTimeout(resolve, 300))
    assert.equal(told.length, builds)
  })
}

test('each save is built, and what is wrong with it is told in a line', async (t) => {
  const { told, sources, options } = await createSources(t)
  followSources({ ...options, builtAt: Date.now() + 60_000 })
  let saves = 0
  // A watch begins a moment after it is asked for.
  await eventually('a save is seen', async () => {
    await writeFile(join(sources, 'countersign', 'a.rego'), `package a\n# ${(saves += 1)}\n`)
    await new Promise((resolve) => setTimeout(resolve, 50))
    return told.length > 0
  })
  assert.match(told[0] ?? '', /^opa cannot be run, got="\/none\/of\/these".* \(policy\/opa\)$/)
})

test('each step of a save is told, with the time since it was saved: built, in force, tested', async (t) => {
  const { told, sources, options } = await createSources(t)
  // A compiler that gives the shipped bundle for whatever is built, and has nothing to test.
  const given = join(sources, 'given.tar.gz')
  await writeFile(given, await archiveOf(await shippedFiles()))
  const program = join(sources, 'opa')
  const build = `while [ "$1" != --output ]; do shift; done; cp '${given}' "$2"`
  await writeFile(program, `#!/bin/sh\n[ "$1" = build ] || exit 1\n${build}\n`)
  await chmod(program, 0o755)
  process.env['COUNTERSIGN_OPA'] = program
  const asked: string[] = []
  const inForce = async (): Promise<BundleState> => {
    const { files } = await readBundle(options.bundle)
    const { revision } = JSON.parse(String(files.get('.manifest'))) as { revision: string }
    // At first it is still the one before.
    asked.push(revision)
    return { revision: asked.length > 1 ? revision : 'before', problem: undefined }
  }
  await writeFile(join(sources, 'countersign', 'a.rego'), 'package a\n')
  followSources({ ...options, inForce, builtAt: 0 })
  await eventually('it is tested', () => told.length >= 3)
  assert.match(told[0] ?? '', /^policy checked and built \d+\.\d s after it was saved$/)
  assert.match(told[1] ?? '', /^policy in force after \d+\.\d s$/)
  assert.match(told[2] ?? '', /^policy is not tested: opa says: /)
})

test('a file that is replaced by another one is seen each time', async (t) => {
  const { told, sources, options } = await createSources(t)
  const file = join(sources, 'countersign', 'a.rego')
  await writeFile(file, 'package a\n')
  followSources({ ...options, builtAt: Date.now() + 60_000 })
  let saves = 0
  // The first watch ends with the first file, and each is told of once it was built.
  await eventually('three of them are seen', async () => {
    await writeFile(`${file}.new`, `package a\n# ${(saves += 1)}\n`)
    await rename(`${file}.new`, file)
    await new Promise((resolve) => setTimeout(resolve, 200))
    return told.length >= 3
  })
})
