import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

const cases = [
  { ci: 'true', status: 1 },
  { ci: '', status: 0 },
] as const

for (const { ci, status } of cases) {
  test(`where there are no namespaces one loud line says so: CI=${ci} ends with ${status}`, () => {
    const words = [join(import.meta.dirname, 'rig', 'run.ts'), 'no-such-file.test.ts']
    const ran = spawnSync(process.execPath, words, {
      env: { ...process.env, PATH: '', CI: ci },
      encoding: 'utf8',
    })
    assert.match(
      ran.stderr,
      /^NOT TESTED: no node on this machine, .*: namespaces are refused: .+\n$/,
    )
    assert.equal(ran.stdout, '')
    assert.equal(ran.status, status)
  })
}
