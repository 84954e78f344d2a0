import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { test } from 'node:test'
import { openLedger } from '../../src/ledger/ledger.ts'
import { silentLog } from '../../src/log.ts'
import { now, readAll, temporaryFolder } from './open-ledger.ts'
import { resultRecord } from './records.ts'
import { rootOf } from '../tlog/root-of.ts'
import { requirement } from '../requirements.ts'

const writer = fileURLToPath(new URL('writer-process.ts', import.meta.url))

test('a writer killed again and again loses nothing that it acknowledged', async () => {
  requirement('ledger.durable-before-answer')
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'ledger')
  const acknowledged = new Map<number, string>()
  for (const [round, killAfter] of [1, 25, 60].entries()) {
    const child = spawn(process.execPath, [writer, file, `${round * 100_000}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    let count = 0
    for await (const line of createInterface({ input: child.stdout })) {
      const [index = '', issuanceId = ''] = line.split(' ')
      acknowledged.set(Number(index), issuanceId)
      if (++count === killAfter) child.kill('SIGKILL')
    }
    assert.deepEqual((await exited)[1], 'SIGKILL')
    assert.ok(count >= killAfter)

    const read = await readAll(file)
    for (const [index, issuanceId] of acknowledged) {
      const record = read[index]?.record
      assert.ok(record !== undefined && 'issuanceId' in record)
      assert.equal(record.issuanceId, issuanceId)
    }
    // Its lock is still there, and its process is not.
    const ledger = await openLedger({ file, now, log: silentLog })
    const leaves = read.map((one) => Buffer.from(one.leafHash, 'hex'))
    assert.deepEqual(ledger.head(), { size: read.length, rootHash: rootOf(leaves) })
    const { index } = await ledger.append(resultRecord(round))
    assert.equal(index, read.length)
    acknowledged.set(index, resultRecord(round).issuanceId)
    await ledger[Symbol.asyncDispose]()
  }
})
