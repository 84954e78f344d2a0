import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
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

test('each save is built, and what is wrong with it is told in a line', async (t) => {
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
  followSources({ sources, bundle: join(sources, 'b.tar.gz'), tell, signal: end.signal })
  let saves = 0
  // A watch begins a moment after it is asked for.
  await eventually('a save is seen', async () => {
    await writeFile(join(sources, 'countersign', 'a.rego'), `package a\n# ${(saves += 1)}\n`)
    await new Promise((resolve) => setTimeout(resolve, 50))
    return told.length > 0
  })
  assert.match(told[0] ?? '', /^opa cannot be run, got="\/none\/of\/these".* \(policy\/opa\)$/)
})
