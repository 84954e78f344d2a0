/** Appends until it is killed, four records under way at a time, and prints `<index> <issuanceId>` of every acknowledged one. */
import { writeSync } from 'node:fs'
import { openLedger } from '../../src/ledger/ledger.ts'
import { silentLog } from '../../src/log.ts'
import { intentRecord } from './records.ts'

const [file = '', first = '0'] = process.argv.slice(2)
const ledger = await openLedger({ file, now: Date.now, log: silentLog })
let next = Number(first)

async function appendForever(): Promise<void> {
  for (;;) {
    const record = intentRecord(next++)
    const { index } = await ledger.append(record)
    writeSync(1, `${index} ${record.issuanceId}\n`)
  }
}

await Promise.all(Array.from({ length: 4 }, appendForever))
