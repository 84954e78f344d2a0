import { createHash, generateKeyPairSync } from 'node:crypto'
import { cp, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { openLedger, type Ledger } from '../../src/ledger/ledger.ts'
import { createVerifier, type NoteSigner } from '../../src/tlog/note.ts'
import type { IssuanceIntent, IssuanceResult } from '../../src/ledger/record.ts'
import { silentLog } from '../../src/log.ts'
import { temporaryFolder } from './open-ledger.ts'
import { intentRecord, resultRecord } from './records.ts'

export const day = 86_400_000
export const begin: number = Date.parse('2026-01-01T00:00:00Z')
export const iso = (time: number): string => new Date(time).toISOString()

export interface Clock {
  time: number
}

/** A published ledger whose days pass when it is told to; nothing is written yet. */
export interface World {
  readonly folder: string
  readonly file: string
  readonly signer: NoteSigner
  readonly clock: Clock
}

/** Gone with the test. As another one is now, where that is given: its ledger is closed. */
export async function makeWorld(other?: World): Promise<AsyncDisposable & World> {
  const folder = await temporaryFolder()
  if (other !== undefined) await cp(other.folder, folder.path, { recursive: true })
  return {
    folder: folder.path,
    file: join(folder.path, 'ledger'),
    signer: other?.signer ?? makeSigner(),
    clock: { time: other?.clock.time ?? begin },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  }
}

function makeSigner(): NoteSigner {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  return { ...createVerifier('example.org/ledger/kept', publicKey), privateKey }
}

/** A few certificates fill a segment. */
export function open(
  { file, signer, clock }: Omit<World, 'signer'> & { readonly signer: NoteSigner | undefined },
  retentionDays: number | undefined,
  publishSeconds = 0.01,
): Promise<Ledger> {
  return openLedger({
    file,
    log: silentLog,
    signer,
    now: () => clock.time,
    segmentOctets: 4000,
    lookSeconds: 0.01,
    publishSeconds,
    retentionDays,
  })
}

export function issued(
  number: number,
  time: number,
  changes: Partial<IssuanceIntent> = {},
): readonly [IssuanceIntent, IssuanceResult] {
  const at = { time: iso(time), notBefore: iso(time), notAfter: iso(time + 3_600_000) }
  const spkiSha256 = createHash('sha256').update(`${number}`).digest('hex')
  return [
    intentRecord(number, { ...at, spkiSha256, ...changes }),
    { ...resultRecord(number), time: iso(time) },
  ]
}

export async function issue(ledger: Ledger, number: number, clock: Clock): Promise<void> {
  const [intent, result] = issued(number, clock.time)
  const { index } = await ledger.append(intent)
  await ledger.append({ ...result, intentIndex: index })
}

export async function sealedIn(folder: string): Promise<readonly string[]> {
  return (await readdir(folder)).filter((name) => name.includes('.segment-')).toSorted()
}
