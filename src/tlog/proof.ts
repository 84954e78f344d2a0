import { createHash } from 'node:crypto'
import { CountersignError } from '../errors.ts'
import { hashNode } from './merkle-tree.ts'

/** The root of a perfect subtree: its leaves are `index * 2^level` to `(index + 1) * 2^level - 1`. */
export type SubtreeHash = (level: number, index: number) => Promise<Buffer>

/** The root over the leaves `from` to `to - 1`, where `from` is a multiple of the power of two that spans them. */
async function rangeHash(hashOf: SubtreeHash, from: number, to: number): Promise<Buffer> {
  if (to === from) return createHash('sha256').digest()
  const level = Math.log2(to - from)
  if (Number.isInteger(level)) return hashOf(level, from / (to - from))
  const middle = from + largestPowerBelow(to - from)
  const left = await rangeHash(hashOf, from, middle)
  return hashNode(left, await rangeHash(hashOf, middle, to))
}

function largestPowerBelow(count: number): number {
  let power = 1
  while (power * 2 < count) power *= 2
  return power
}

/** Hex. */
export async function rootHashOf(hashOf: SubtreeHash, size: number): Promise<string> {
  return (await rangeHash(hashOf, 0, size)).toString('hex')
}

/** RFC 6962 §2.1.1: the siblings on the way from a leaf to the root, from below. */
export async function proveInclusion(
  hashOf: SubtreeHash,
  index: number,
  size: number,
): Promise<Buffer[]> {
  if (!(index >= 0 && index < size)) throw outside(index, size)
  const proof: Buffer[] = []
  for (let from = 0, to = size; to - from > 1;) {
    const middle = from + largestPowerBelow(to - from)
    if (index < middle) {
      proof.unshift(await rangeHash(hashOf, middle, to))
      to = middle
    } else {
      proof.unshift(await rangeHash(hashOf, from, middle))
      from = middle
    }
  }
  return proof
}

/** RFC 6962 §2.1.2: what shows that the tree of `old` leaves is the beginning of the one of `size`. */
export async function proveConsistency(
  hashOf: SubtreeHash,
  old: number,
  size: number,
): Promise<Buffer[]> {
  if (!(old >= 0 && old <= size)) throw outside(old, size)
  if (old === 0 || old === size) return []
  const proof: Buffer[] = []
  let from = 0
  let to = size
  while (to !== old) {
    const middle = from + largestPowerBelow(to - from)
    if (old <= middle) {
      proof.unshift(await rangeHash(hashOf, middle, to))
      to = middle
    } else {
      proof.unshift(await rangeHash(hashOf, from, middle))
      from = middle
    }
  }
  // The old tree is its own first part where it is a perfect one: whoever checks has its root.
  return from === 0 ? proof : [await rangeHash(hashOf, from, to), ...proof]
}

/** RFC 9162 §2.1.3.2. */
export function verifyInclusion(
  proof: readonly Buffer[],
  leaf: { readonly index: number; readonly leafHash: Buffer },
  tree: { readonly size: number; readonly rootHash: string },
): boolean {
  if (leaf.index >= tree.size) return false
  let [index, last] = [leaf.index, tree.size - 1]
  let root = leaf.leafHash
  for (const sibling of proof) {
    if (last === 0) return false
    if (index % 2 === 1 || index === last) {
      root = hashNode(sibling, root)
      while (index % 2 === 0 && index !== 0) [index, last] = [half(index), half(last)]
    } else {
      root = hashNode(root, sibling)
    }
    ;[index, last] = [half(index), half(last)]
  }
  return last === 0 && root.toString('hex') === tree.rootHash
}

/** RFC 9162 §2.1.4.2. */
export function verifyConsistency(
  proof: readonly Buffer[],
  old: { readonly size: number; readonly rootHash: string },
  tree: { readonly size: number; readonly rootHash: string },
): boolean {
  if (old.size > tree.size) return false
  if (old.size === tree.size) return proof.length === 0 && old.rootHash === tree.rootHash
  if (old.size === 0) return proof.length === 0
  const perfect = Number.isInteger(Math.log2(old.size))
  const [first, ...rest] = perfect ? [Buffer.from(old.rootHash, 'hex'), ...proof] : proof
  if (first === undefined) return false
  let [index, last] = [old.size - 1, tree.size - 1]
  while (index % 2 === 1) [index, last] = [half(index), half(last)]
  let [before, after] = [first, first]
  for (const sibling of rest) {
    if (last === 0) return false
    if (index % 2 === 1 || index === last) {
      before = hashNode(sibling, before)
      after = hashNode(sibling, after)
      while (index % 2 === 0 && index !== 0) [index, last] = [half(index), half(last)]
    } else {
      after = hashNode(after, sibling)
    }
    ;[index, last] = [half(index), half(last)]
  }
  const same = before.toString('hex') === old.rootHash && after.toString('hex') === tree.rootHash
  return last === 0 && same
}

function half(count: number): number {
  return Math.floor(count / 2)
}

function outside(asked: number, size: number): CountersignError {
  return new CountersignError('ledger/proof', `outside the tree: want≤${size} got=${asked}`)
}
