/** Writes a signed log until it is killed: it prints how many lines are on disk, and, after a `!`, what goes wrong. */
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { readFileSync, writeSync } from 'node:fs'
import { setTimeout as after } from 'node:timers/promises'
import { silentLog, type Log } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import { headPath } from '../../../src/policy/checkpoints/segment-head.ts'
import { createSignedLines } from '../../../src/policy/checkpoints/signed-lines.ts'
import { openEventFile } from '../../../src/policy/event-file.ts'
import { createVerifier } from '../../../src/tlog/note.ts'

const [file = '', keyFile = '', name = ''] = process.argv.slice(2)
const privateKey = createPrivateKey(readFileSync(keyFile))
const signer = { ...createVerifier(name, createPublicKey(privateKey)), privateKey }
const tell = (_: unknown, text: string): void => void writeSync(1, `!${text}\n`)
const log: Log = { ...silentLog, error: tell, warn: tell }
const rotation = { fileBytesMax: 4000, files: 4 }
/** A second passes in a millisecond, so that there are as many checkpoints as there can be. */
const elapsed = (): number => performance.now() * 1000
const signed = createSignedLines({
  file,
  files: rotation.files,
  signer,
  everySeconds: 1,
  formatHead: (segment) => JSON.stringify({ path: headPath, segment }),
  log,
  metrics: silentMetrics,
  elapsed,
})
const looking = (): Promise<unknown> => after(1)
const bufferOctetsMax = 100_000
const options = { file, rotation, signed, log, elapsed, looking }
const events = await openEventFile({ ...options, bufferOctetsMax })
for (let written = 1; ; written += 1) {
  events.append(JSON.stringify({ path: 'test', written, filler: 'x'.repeat(50) }))
  await events.flush()
  writeSync(1, `${written}\n`)
}
