import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { installPip } from './pip.ts'

test('an environment is made for what a file pins, and used again', async (t) => {
  const hasPython = spawnSync('python3', ['-c', 'import venv, ensurepip']).status === 0
  if (!hasPython) return t.diagnostic('python3 is not on this machine')
  const folder = await mkdtemp(join(tmpdir(), 'countersign-pip-'))
  try {
    const pinned = join(folder, 'pinned.txt')
    await writeFile(pinned, '# nothing\n')
    const environment = { ...process.env, XDG_CACHE_HOME: folder }
    const python = await installPip(pinned, environment)
    assert.ok(existsSync(python))
    const mark = join(dirname(python), 'mark')
    await writeFile(mark, '')
    assert.equal(await installPip(pinned, environment), python)
    assert.ok(existsSync(mark))
    await writeFile(pinned, '# nothing else\n')
    assert.notEqual(await installPip(pinned, environment), python)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
