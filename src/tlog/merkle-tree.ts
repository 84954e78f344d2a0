import { hash } from 'node:crypto'

const leafPrefix = Buffer.of(0x00)
const nodePrefix = Buffer.of(0x01)

/** SHA-256(0x00 ‖ entry): RFC 6962 §2.1. */
export function hashLeaf(entry: Uint8Array): Buffer {
  return hash('sha256', Buffer.concat([leafPrefix, entry]), 'buffer')
}

/** SHA-256(0x01 ‖ left ‖ right): RFC 6962 §2.1. */
export function hashNode(left: Uint8Array, right: Uint8Array): Buffer {
  return hash('sha256', Buffer.concat([nodePrefix, left, right]), 'buffer')
}

export interface TreeHead {
  /** Leaves. */
  readonly size: number
  /** 64 hex digits. */
  readonly rootHash: string
}

/**
 * The Merkle tree of RFC 6962 §2.1 kept as its compact range: the roots of the perfect subtrees, one for each bit of
 * the size. Appending hashes twice on average, and nothing is read again.
 */
export class MerkleTree {
  /** Largest subtree first. */
  readonly #subtrees: { readonly leaves: number; readonly hash: Buffer }[]
  #size: number

  /** Goes on from so many leaves, of which the roots of the perfect subtrees are known, largest first. */
  constructor(size = 0, subtrees: readonly Buffer[] = []) {
    const leaves = powersOf(size)
    if (leaves.length !== subtrees.length) {
      throw new RangeError(`want=${leaves.length} subtrees got=${subtrees.length}`)
    }
    this.#size = size
    this.#subtrees = subtrees.map((hash, at) => ({ leaves: leaves[at] as number, hash }))
  }

  /** What another one goes on from. */
  get subtrees(): readonly Buffer[] {
    return this.#subtrees.map(({ hash }) => hash)
  }

  get size(): number {
    return this.#size
  }

  /** Gives the index of the leaf. */
  append(leafHash: Buffer): number {
    let added = { leaves: 1, hash: leafHash }
    for (;;) {
      const last = this.#subtrees.at(-1)
      if (last?.leaves !== added.leaves) break
      this.#subtrees.pop()
      added = { leaves: 2 * last.leaves, hash: hashNode(last.hash, added.hash) }
    }
    this.#subtrees.push(added)
    return this.#size++
  }

  head(): TreeHead {
    const root = this.#subtrees
      .map((subtree) => subtree.hash)
      .reduceRight<Buffer | undefined>(
        (right, left) => (right === undefined ? left : hashNode(left, right)),
        undefined,
      )
    const rootHash = root?.toString('hex') ?? hash('sha256', '', 'hex')
    return { size: this.#size, rootHash }
  }
}

/** The powers of two that a number is made of, largest first. */
export function powersOf(size: number): readonly number[] {
  const powers: number[] = []
  for (let rest = size, power = 1; rest > 0; rest = Math.floor(rest / 2), power *= 2) {
    if (rest % 2 === 1) powers.unshift(power)
  }
  return powers
}
