import { createHash } from 'node:crypto'

const leafPrefix = Buffer.of(0x00)
const nodePrefix = Buffer.of(0x01)

/** SHA-256(0x00 ‖ entry): RFC 6962 §2.1. */
export function hashLeaf(entry: Uint8Array): Buffer {
  return createHash('sha256').update(leafPrefix).update(entry).digest()
}

/** SHA-256(0x01 ‖ left ‖ right): RFC 6962 §2.1. */
export function hashNode(left: Uint8Array, right: Uint8Array): Buffer {
  return createHash('sha256').update(nodePrefix).update(left).update(right).digest()
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
  readonly #subtrees: { readonly leaves: number; readonly hash: Buffer }[] = []
  #size = 0

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
    const hash = root ?? createHash('sha256').digest()
    return { size: this.#size, rootHash: hash.toString('hex') }
  }
}
