import { hashNode } from '../../src/tlog/merkle-tree.ts'
import type { SubtreeHash } from '../../src/tlog/proof.ts'

/** Every perfect subtree over leaves that are held in memory: 64 octets a leaf. */
export function subtreesOf(leaves: readonly Buffer[]): SubtreeHash {
  const levels: (readonly Buffer[])[] = [leaves]
  for (let below = leaves; below.length > 1;) {
    const above: Buffer[] = []
    for (let at = 0; at + 1 < below.length; at += 2) {
      above.push(hashNode(below[at] as Buffer, below[at + 1] as Buffer))
    }
    levels.push(above)
    below = above
  }
  return async (level, index) => {
    const hash = levels[level]?.[index]
    if (hash === undefined) throw new RangeError(`no subtree: level=${level} index=${index}`)
    return hash
  }
}
