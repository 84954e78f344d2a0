import { mkdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { readBoundedFile } from '../bounded-file.ts'
import { CountersignError, quoted } from '../errors.ts'
import { formatCheckpoint, parseCheckpoint, type Checkpoint } from './checkpoint.ts'
import { replaceFile, unlessAbsent } from './durable-file.ts'
import { MerkleTree, type TreeHead } from './merkle-tree.ts'
import { formatNote, isSignedBy, parseNote, readNote, signNote } from './note.ts'
import type { NoteSigner, NoteVerifier } from './note.ts'
import { TileReader } from './tile-reader.ts'
import { edgeOf, TileTree, type LogFile } from './tiles.ts'

/** Where a ledger or a decision log is published for others to check: beside it. */
export function logFolderOf(file: string): string {
  return `${file}.log`
}

/** The checkpoint of a folder, undefined where there is none. Throws 'ledger/note', and 'ledger/corrupt' for another's. */
export async function readCheckpoint(
  folder: string,
  verifier: NoteVerifier,
): Promise<Checkpoint | undefined> {
  const text = await readNote(join(folder, 'checkpoint')).catch(unlessAbsent)
  return text === undefined ? undefined : parseSignedCheckpoint(text, verifier)
}

/** Throws 'ledger/note', and 'ledger/corrupt' where this key has not signed it for the log of its name. */
export function parseSignedCheckpoint(text: string, verifier: NoteVerifier): Checkpoint {
  const note = parseNote(text)
  const checkpoint = parseCheckpoint(note.text)
  if (!isSignedBy(note, verifier)) {
    const rule = `checkpoint has no signature of the log's key: want=${quoted(verifier.name)}`
    const hint = 'another key or name of the log begins another log: put the folder elsewhere first'
    throw new CountersignError('ledger/corrupt', rule, { hint })
  }
  if (checkpoint.origin === verifier.name) return checkpoint
  const rule = `checkpoint of another log: want=${quoted(verifier.name)} got=${quoted(checkpoint.origin)}`
  throw new CountersignError('ledger/corrupt', rule)
}

/**
 * What a log says of itself to others: tiles of its Merkle tree and a signed checkpoint, C2SP tlog-tiles and
 * tlog-checkpoint. It is made of the log's file and can be made again of it; only the checkpoint says more.
 */
export class LogFolder {
  readonly #folder: string
  readonly #signer: NoteSigner
  readonly #tree: TileTree
  #unwritten: LogFile[] = []
  #published = -1

  constructor(folder: string, signer: NoteSigner, tree: TileTree = new TileTree()) {
    this.#folder = folder
    this.#signer = signer
    this.#tree = tree
  }

  /**
   * Goes on from the leaves of a tree whose tiles are in the folder, as they were published for so many leaves. Undefined where they are not
   * there, or are not those of the tree.
   */
  static async resume(options: {
    readonly folder: string
    readonly signer: NoteSigner
    readonly before: MerkleTree
    readonly size: number
  }): Promise<LogFolder | undefined> {
    const { folder, signer, before } = options
    const tiles = new TileReader(folder, options.size)
    const edge: { index: number; hashes: Buffer[] }[] = []
    const subtrees: Buffer[] = []
    for (const { level, index, width } of edgeOf(before.size)) {
      const hashes = width === 0 ? [] : await tiles.read(level, index, width)
      if (hashes === undefined) return undefined
      edge.push({ index, hashes })
      const roots = new MerkleTree()
      for (const hash of hashes) roots.append(hash)
      subtrees.unshift(...roots.subtrees)
    }
    const same = before.subtrees.every((hash, at) => subtrees[at]?.equals(hash) === true)
    return same ? new LogFolder(folder, signer, new TileTree(edge)) : undefined
  }

  /** Leaves in their order, acknowledged ones only: what is published once is never taken back. */
  append(leafHash: Buffer): void {
    this.#unwritten.push(...this.#tree.append(leafHash))
  }

  /** Leaves of the last checkpoint that was written; −1 before the first. */
  get publishedSize(): number {
    return this.#published
  }

  /**
   * Writes tiles, then the checkpoint over them, unless the ledger is not ours any more by then. The head is the one of the
   * leaves that were appended.
   */
  async publish(head: TreeHead, held: () => Promise<boolean>): Promise<void> {
    if (head.size === this.#published) return
    const full = this.#unwritten
    this.#unwritten = []
    const partial = this.#tree.partial()
    try {
      for (const file of [...full, ...partial]) await this.#writeTile(file)
    } catch (error) {
      this.#unwritten = [...full, ...this.#unwritten]
      throw error
    }
    const text = formatCheckpoint({ origin: this.#signer.name, ...head })
    const note = formatNote({ text, signatures: [signNote(text, this.#signer)] })
    if (!(await replaceFile(join(this.#folder, 'checkpoint'), Buffer.from(note), held))) return
    this.#published = head.size
    for (const { path } of full) await rm(join(this.#folder, `${path}.p`), removeAll)
  }

  /** What a path holds never changes, so a tile that is there is only written again where it was damaged. */
  async #writeTile({ path, octets }: LogFile): Promise<void> {
    const file = join(this.#folder, path)
    const there = await readBoundedFile(file, octets.length).catch(() => undefined)
    if (there?.content.equals(octets) === true) return
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    await replaceFile(file, octets)
  }
}

const removeAll = { recursive: true, force: true } as const
