import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { writeArchive } from '../../../../src/cli/command/policy/write-archive.ts'

test('what stood beside the archive before is left alone, and what was begun there is not left', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-policy-archive-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, 'bundle.tar.gz')
  const files = new Map([['data.json', Buffer.from('{}')]])
  const beside = `${file}.${process.pid}.part`
  await writeFile(beside, 'theirs')
  await writeArchive(file, files)
  assert.equal(await readFile(beside, 'utf8'), 'theirs')
  await rm(beside)
  await rm(file)
  await mkdir(file)
  await assert.rejects(writeArchive(file, files), { code: 'policy/bundle' })
  assert.deepEqual(await readdir(folder), ['bundle.tar.gz'])
})
