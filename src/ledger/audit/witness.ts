import { createPublicKey, type KeyObject } from 'node:crypto'
import { CountersignError } from '../../errors.ts'
import { replaceFile, unlessAbsent } from '../../tlog/durable-file.ts'
import { acquireLock } from '../lock.ts'
import { parseSignedCheckpoint } from '../../tlog/log-folder.ts'
import {
  cosignNote,
  createVerifier,
  formatNote,
  isSignedBy,
  parseNote,
  readNote,
} from '../../tlog/note.ts'
import type { NoteVerifier } from '../../tlog/note.ts'
import { proveConsistency, verifyConsistency } from '../../tlog/proof.ts'
import { readPublishedTree, type PublishedTree } from './published.ts'

export interface Witness {
  readonly name: string
  /** Ed25519. */
  readonly privateKey: KeyObject
  /** The file that keeps what was signed last. */
  readonly state: string
  /** Milliseconds. */
  readonly now: () => number
}

/**
 * Looks at a copy of a ledger, and signs its checkpoint where the ledger goes on from the one that was signed last (C2SP tlog-witness, without
 * a network). What is signed is kept before it is given: by one at a time, since two that read the same state could sign two histories.
 * Throws 'ledger/corrupt' where the log does not go on, 'ledger/note' and 'ledger/locked'.
 */
export async function cosignLedger(
  file: string,
  log: NoteVerifier,
  { name, privateKey, state, now }: Witness,
): Promise<{ readonly cosigned: string; readonly verifier: NoteVerifier }> {
  const verifier = createVerifier(name, createPublicKey(privateKey), 'cosignature')
  const tree = await readPublishedTree(file)
  parseSignedCheckpoint(tree.text, log)
  await using lock = await lockState(state, now)
  const before = await readNote(state).catch(unlessAbsent)
  if (before !== undefined) await checkGoesOn(before, tree, { log, verifier })
  const { text, signatures } = parseNote(tree.text)
  const cosignature = cosignNote(text, { ...verifier, privateKey }, Math.floor(now() / 1000))
  const cosigned = formatNote({ text, signatures: [...signatures, cosignature] })
  if (!(await replaceFile(state, Buffer.from(cosigned), lock.held))) {
    throw new CountersignError('ledger/locked', 'another witness has taken the lock of the state')
  }
  return { cosigned, verifier }
}

async function checkGoesOn(
  before: string,
  { checkpoint, hashOf }: PublishedTree,
  { log, verifier }: { readonly log: NoteVerifier; readonly verifier: NoteVerifier },
): Promise<void> {
  const old = parseSignedCheckpoint(before, log)
  if (!isSignedBy(parseNote(before), verifier)) {
    throw new CountersignError('ledger/note', 'what was seen last is not signed by this witness')
  }
  const small = old.size > checkpoint.size
  const proof = small ? [] : await proveConsistency(hashOf, old.size, checkpoint.size)
  if (small || !verifyConsistency(proof, old, checkpoint)) {
    const rule = `the log does not go on from what was seen: ${old.size} records then, ${checkpoint.size} now`
    throw new CountersignError('ledger/corrupt', rule)
  }
}

async function lockState(
  state: string,
  now: () => number,
): Promise<AsyncDisposable & { readonly held: () => Promise<boolean> }> {
  const lock = await acquireLock(`${state}.lock`, { now, lifeline: true })
  return { held: () => lock.held(), [Symbol.asyncDispose]: () => lock.release() }
}
