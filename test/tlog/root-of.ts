import { createHash } from 'node:crypto'

/** RFC 6962 §2.1 as it is written, top down and without memory: what the ledger's incremental tree is compared with. */
export function rootOf(leaves: readonly Buffer[]): string {
  return treeHash(leaves).toString('hex')
}

function treeHash(leaves: readonly Buffer[]): Buffer {
  const [first] = leaves
  if (first === undefined) return createHash('sha256').digest()
  if (leaves.length === 1) return first
  let split = 1
  while (split * 2 < leaves.length) split *= 2
  const left = treeHash(leaves.slice(0, split))
  const right = treeHash(leaves.slice(split))
  return createHash('sha256').update(Buffer.of(1)).update(left).update(right).digest()
}
