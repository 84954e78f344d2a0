import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog, type Log } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import { headPath } from '../../../src/policy/checkpoints/segment-head.ts'
import { createSignedLines } from '../../../src/policy/checkpoints/signed-lines.ts'
import { openEventFile, type EventFile } from '../../../src/policy/event-file.ts'
import { createVerifier, formatVerifierKey, type NoteSigner } from '../../../src/tlog/note.ts'

const { privateKey } = generateKeyPairSync('ed25519')
export const signer: NoteSigner = {
  ...createVerifier('example.test/decisions/gateway-0', createPublicKey(privateKey)),
  privateKey,
}
export const verifierKey: string = formatVerifierKey(signer)

/** A folder for one log, and its name. */
export async function openFolder(): Promise<
  AsyncDisposable & { readonly file: string; readonly folder: string }
> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-checkpoints-'))
  const file = join(folder, 'decisions.jsonl')
  return { file, folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) }
}

export interface SignedLog extends AsyncDisposable {
  readonly events: EventFile
  readonly told: readonly string[]
  /** Writes so many lines, all of which are on disk when it resolves. */
  write(count: number): Promise<void>
  /** As much time passes as there is between two checkpoints: the path is looked at, and what was written is signed. */
  pass(): Promise<void>
}

let written = 0

/** Lines of about 90 octets: a file of 4,000 has some forty of them. */
export async function openSignedLog(
  file: string,
  { fileBytesMax = 4000, files = 4 }: { fileBytesMax?: number; files?: number } = {},
): Promise<SignedLog> {
  let clock = 0
  let look = (): void => {}
  const told: string[] = []
  const log: Log = {
    ...silentLog,
    error: (_, text) => void told.push(text),
    warn: (_, text) => void told.push(text),
  }
  const elapsed = (): number => clock
  const signed = createSignedLines({
    file,
    files,
    signer,
    everySeconds: 10,
    formatHead: (segment) => JSON.stringify({ path: headPath, segment }),
    log,
    metrics: silentMetrics,
    elapsed,
  })
  const events = await openEventFile({
    file,
    bufferOctetsMax: 100_000,
    rotation: { fileBytesMax, files },
    signed,
    log,
    elapsed,
    delay: async () => {},
    looking: () => new Promise<void>((resolve) => (look = resolve)),
  })
  return {
    events,
    told,
    async write(count) {
      for (let n = 0; n < count; n += 1) {
        written += 1
        events.append(JSON.stringify({ path: 'test', written, filler: 'x'.repeat(50) }))
        // A line a batch: a file is rotated between batches.
        await events.flush()
      }
    },
    async pass() {
      clock += 10_001
      look()
      await new Promise(setImmediate)
      await events.flush()
      await signed.settled()
    },
    [Symbol.asyncDispose]: () => events[Symbol.asyncDispose](),
  }
}
