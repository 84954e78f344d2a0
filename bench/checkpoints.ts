/**
 * What the checkpoints of a decision log cost: CPU of an event that is written with them, beside one that is written without.
 *
 *     node bench/checkpoints.ts [--json]
 *
 * Both take turns in one run, on the disk of the temporary folder (TMPDIR), and what is told of the difference is of pairs.
 */
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '../src/log.ts'
import { silentMetrics } from '../src/metrics.ts'
import { headPath } from '../src/policy/checkpoints/segment-head.ts'
import { createSignedLines, type SignedLines } from '../src/policy/checkpoints/signed-lines.ts'
import { openEventFile } from '../src/policy/event-file.ts'
import { createVerifier } from '../src/tlog/note.ts'

const pairs = 7
const events = 30_000
/** Events that come in one turn of the loop, from an idle gateway to a busy one. */
const batches = [1, 16, 64]
/** As a call of two kibibytes of arguments has it. */
const line = JSON.stringify({ path: 'countersign/mcp/decision', filler: 'x'.repeat(1350) })
const rotation = { fileBytesMax: 67_108_864, files: 8 }

const { privateKey } = generateKeyPairSync('ed25519')
const name = 'bench.test/decisions'
const signer = { ...createVerifier(name, createPublicKey(privateKey)), privateKey }

function signedLines(file: string): SignedLines {
  return createSignedLines({
    file,
    files: rotation.files,
    signer,
    everySeconds: 10,
    formatHead: (segment) => JSON.stringify({ path: headPath, segment }),
    log: silentLog,
    metrics: silentMetrics,
  })
}

/** CPU µs an event, its part of rotation, checkpoints and the end in it. */
async function costOf(isSigned: boolean, batch: number): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-checkpoints-'))
  try {
    const file = join(folder, 'decisions.jsonl')
    const signed = isSigned ? signedLines(file) : undefined
    const before = process.cpuUsage()
    {
      const options = { file, rotation, signed, log: silentLog }
      await using log = await openEventFile({ ...options, bufferOctetsMax: 8_388_608 })
      for (let sent = 0; sent < events; sent += batch) {
        for (let each = 0; each < batch; each += 1) log.append(line)
        do await new Promise(setImmediate)
        while (log.waitingOctets > 0)
      }
    }
    const { user, system } = process.cpuUsage(before)
    return (user + system) / events
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function spread(values: readonly number[]): { median: number; min: number; max: number } {
  const [sorted, round] = [values.toSorted((a, b) => a - b), (n = 0) => Math.round(n * 10) / 10]
  const median = round(sorted[Math.floor(sorted.length / 2)])
  return { median, min: round(sorted[0]), max: round(sorted.at(-1)) }
}

await costOf(true, 16)
await costOf(false, 16)
const results: object[] = []
for (const batch of batches) {
  const without: number[] = []
  const more: number[] = []
  for (let pair = 0; pair < pairs; pair += 1) {
    const first = await costOf(pair % 2 === 0, batch)
    const second = await costOf(pair % 2 !== 0, batch)
    const [signed, unsigned] = pair % 2 === 0 ? [first, second] : [second, first]
    without.push(unsigned)
    more.push(signed - unsigned)
  }
  results.push({ batch, without: spread(without), more: spread(more) })
}
const isJson = process.argv.includes('--json')
for (const each of results) {
  process.stdout.write(`${JSON.stringify(isJson ? { version: 1, ...each } : each)}\n`)
}
