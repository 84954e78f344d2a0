import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { followSources, isSources } from '../../../dev/session/follow-sources.ts'
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
  return { told, sources, options: { sources, bundle, tell, signal: end.signal } }
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
