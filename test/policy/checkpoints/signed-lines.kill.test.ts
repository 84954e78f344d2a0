import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { verifyLog } from '../../../src/policy/checkpoints/verify-log.ts'
import { requirement } from '../../requirements.ts'
import { openFolder, signer } from './signed-log.ts'

const writer = fileURLToPath(new URL('writer-process.ts', import.meta.url))

test('a writer killed again and again leaves a log that is what its checkpoint says', async () => {
  requirement('policy.log-signs-what-is-there')
  await using place = await openFolder()
  const keyFile = `${place.folder}/key.pem`
  const pem = signer.privateKey.export({ type: 'pkcs8', format: 'pem' })
  await writeFile(keyFile, pem, { mode: 0o600 })
  for (const killAfter of [60, 1, 83, 120]) {
    const child = spawn(process.execPath, [writer, place.file, keyFile, signer.name], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    for await (const line of createInterface({ input: child.stdout })) {
      // A head that was cut is put aside.
      if (line.startsWith('!decision log begins a new file')) continue
      assert.match(line, /^\d+$/)
      if (line === String(killAfter)) child.kill('SIGKILL')
    }
    assert.deepEqual((await exited)[1], 'SIGKILL')
    const { problems } = await verifyLog(place.file, { log: signer, witnesses: [], kept: [] })
    assert.deepEqual(problems, [])
  }
})
