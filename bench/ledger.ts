/**
 * How many records a second the ledger takes durably, beside a bare write and fdatasync of the same octets, one after the other.
 *
 *     node bench/ledger.ts [--json]
 *
 * Contestants take turns in rounds of one run, on the disk of the temporary folder (TMPDIR), so that a busy machine slows all.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatEntry } from '../src/ledger/entry.ts'
import { openLedger } from '../src/ledger/ledger.ts'
import { silentLog } from '../src/log.ts'
import { intentRecord } from '../test/ledger/records.ts'

const rounds = 7
const roundMilliseconds = 500
/** As many requests as are worked on at once, from a quiet cluster to a storm. */
const appenders = [1, 8, 64]

const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-ledger-'))
const record = intentRecord(0)
const bare = await open(join(folder, 'bare'), 'w')
const ledger = await openLedger({ file: join(folder, 'ledger'), now: Date.now, log: silentLog })
try {
  const { line } = formatEntry(record)
  const writeBare = async (): Promise<void> => {
    await bare.write(line)
    await bare.datasync()
  }
  const contestants = [
    { name: 'bare write and fdatasync', run: () => during(writeBare, 1) },
    ...appenders.map((count) => ({
      name: `ledger, ${count} at once`,
      run: () => during(() => ledger.append(record), count),
    })),
  ]
  const rates = contestants.map((): number[] => [])
  for (let round = 0; round < rounds; round++) {
    for (const [index, { run }] of contestants.entries()) rates[index]?.push(await run())
  }
  const medians = rates.map((each) => each.toSorted((a, b) => a - b)[rounds >> 1] ?? 0)
  const [floor = 0] = medians
  for (const [index, { name }] of contestants.entries()) {
    const perSecond = Math.round(medians[index] ?? 0)
    const ratio = Number(((medians[index] ?? 0) / floor).toFixed(2))
    const result = { bench: 'ledger', case: name, perSecond, ratio }
    process.stdout.write(
      process.argv.includes('--json')
        ? `${JSON.stringify(result)}\n`
        : `${name.padEnd(26)} ${String(perSecond).padStart(7)}/s  ${ratio}\n`,
    )
  }
} finally {
  await ledger[Symbol.asyncDispose]()
  await bare.close()
  rmSync(folder, { recursive: true, force: true })
}

/** Calls a second of so many at once. */
async function during(call: () => Promise<unknown>, count: number): Promise<number> {
  let calls = 0
  const started = performance.now()
  const loop = async (): Promise<void> => {
    while (performance.now() - started < roundMilliseconds) {
      await call()
      calls += 1
    }
  }
  await Promise.all(Array.from({ length: count }, loop))
  return (calls / (performance.now() - started)) * 1000
}
