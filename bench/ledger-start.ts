/**
 * What a start of the signer pays for its ledger: it is opened, and read for the keys and open intents that it tells of. Two ledgers of as many
 * records: one whose certificates have all ended long ago, and one of a day in which all were issued, which is the most that can be held.
 *
 *     npm run bench ledger-start -- [--records=1000000] [--json]
 *
 * Each start is a process of its own, on the disk of the temporary folder (TMPDIR).
 */
import { spawnSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openLedger, readLedger } from '../src/ledger/ledger.ts'
import { silentLog } from '../src/log.ts'
import { historySince, readHistory } from '../src/signer/issue/history.ts'
import { intentRecord, resultRecord } from '../test/ledger/records.ts'

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '1000000' },
    json: { type: 'boolean', default: false },
    /** Of a process that starts. */
    file: { type: 'string' },
  },
})

/** So many are appended at once: as a storm does. */
const width = 512
const day = 86_400_000

interface Figures {
  readonly openMilliseconds: number
  readonly readMilliseconds: number
  readonly residentMegabytes: number
  readonly keys: number
}

if (values.file === undefined) await main()
else await start(values.file)

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-ledger-start-'))
  const records = Number(values.records)
  try {
    for (const [name, ageMilliseconds] of [
      ['ended', 30 * day],
      ['of a day', 0],
    ] as const) {
      const file = join(folder, name.replaceAll(' ', '-'))
      await fill(file, records, ageMilliseconds)
      const figures = startElsewhere(file)
      const result = { bench: 'ledger-start', case: name, records, ...figures }
      process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : formatResult(result))
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function formatResult({
  case: name,
  records,
  ...figures
}: Figures & { case: string; records: number }): string {
  const { openMilliseconds, readMilliseconds, residentMegabytes, keys } = figures
  const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(1)} s`
  return `${records} records, ${name.padEnd(8)}  opened ${seconds(openMilliseconds)}  read ${seconds(readMilliseconds)}  ${keys} keys  ${residentMegabytes} MiB\n`
}

/** An intent and its result by turns, each for a key of its own. */
async function fill(file: string, records: number, ageMilliseconds: number): Promise<void> {
  await using ledger = await openLedger({ file, now: Date.now, log: silentLog })
  const from = Date.now() - ageMilliseconds
  const at = (milliseconds: number): string => new Date(from + milliseconds).toISOString()
  const times = {
    time: at(0),
    notBefore: at(0),
    beginRefreshAt: at(1_800_000),
    notAfter: at(3_600_000),
  }
  let next = 0
  const append = async (): Promise<void> => {
    while (next < records) {
      const index = next
      next += 2
      const spkiSha256 = hash('sha256', String(index), 'hex')
      const pod = { name: `agent-${index}`, uid: index.toString(16).padStart(36, '0') }
      const { index: intentIndex } = await ledger.append(
        intentRecord(index, { ...times, spkiSha256, pod }),
      )
      await ledger.append({ ...resultRecord(index), time: times.time, intentIndex })
    }
  }
  await Promise.all(Array.from({ length: width }, append))
}

function startElsewhere(file: string): Figures {
  const words = ['--expose-gc', import.meta.filename, `--file=${file}`]
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as Figures
}

async function start(file: string): Promise<void> {
  const begun = performance.now()
  const ledger = await openLedger({ file, now: Date.now, log: silentLog })
  const opened = performance.now()
  let intents = 0
  const counted = async function* (): ReturnType<typeof readLedger> {
    for await (const each of readLedger(file, { heldSince: historySince(Date.now()) })) {
      if (each.record.kind === 'issuance-intent') intents += 1
      yield each
    }
  }
  const history = await readHistory(counted(), Date.now)
  const read = performance.now()
  globalThis.gc?.()
  const figures: Figures = {
    openMilliseconds: Math.round(opened - begun),
    readMilliseconds: Math.round(read - opened),
    residentMegabytes: Math.round(process.memoryUsage.rss() / 1024 / 1024),
    keys: history.intents.requests().length + intents,
  }
  await ledger[Symbol.asyncDispose]()
  process.stdout.write(JSON.stringify(figures))
}
