import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { startNode } from './rig/node.ts'
import { buildImages } from './stage/images.ts'
import { missingLines, readSteps } from './stage/page.ts'

const root = join(import.meta.dirname, '../..')

test('the pages are followed word by word, and print what they say', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-images-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const images = await buildImages(folder)
  await using node = await startNode({ images, onProgress: (line) => t.diagnostic(line) })
  const pages = ['docs/INSTALL.md', 'docs/DRILLS.md', 'docs/UPGRADE.md']
  const steps = pages.flatMap((page) => readSteps(page))
  assert.ok(steps.length >= 20, `got=${steps.length}`)
  for (const { page, line, commands, printed } of steps) {
    await t.test(`${page}:${line}: ${commands.split('\n')[0]}`, async () => {
      const script = `set -e; cd ${root}; ${commands}`
      await eventually('an upstream that is known to DNS', async () => {
        const ended = await node.run('sh', ['-c', script], { timeoutSeconds: 400 })
        const { code, stdout, stderr } = ended
        // The page says so, and to ask again.
        if (stdout.includes('temporarily unavailable')) return false
        assert.equal(code, 0, `${stdout}${stderr}`)
        assert.deepEqual(missingLines(printed, stdout), [], stdout)
        return true
      })
    })
  }
})

test('a line of a page that was not printed is found, and a made-up identifier is not asked for', () => {
  const output = 'a\nid 0f8fad5b-d9cb-469f-a165-70867728950e\nb\n'
  assert.deepEqual(missingLines(['a', 'b'], output), [])
  assert.deepEqual(missingLines(['id 7c9e6679-7425-40de-944b-e07fc1f90ae7'], output), [])
  assert.deepEqual(missingLines(['b', 'a'], output), ['a'])
  assert.deepEqual(missingLines(['c'], output), ['c'])
})
