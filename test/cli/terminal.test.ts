import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'

const program = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts')

test('a reader that has enough ends the command, and not with an error', async () => {
  const child = spawn(process.execPath, [program, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  const [said, [code, signal]] = await Promise.all([text(child.stderr), once(child, 'exit')])
  assert.equal(said, '')
  assert.deepEqual([code, signal], [0, null])
})
