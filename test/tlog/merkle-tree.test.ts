import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import * as fc from 'fast-check'
import { MerkleTree, hashLeaf } from '../../src/tlog/merkle-tree.ts'
import { rootOf } from './root-of.ts'
import { readVectors } from '../ledger/vectors.ts'

interface RootVector {
  readonly leaves: readonly string[]
  readonly root: string
}

suite('the roots of test/vectors/ledger', () => {
  for (const { leaves, root } of readVectors<RootVector>('roots.ndjson')) {
    test(`of ${leaves.length} leaves`, () => {
      const tree = new MerkleTree()
      for (const [index, leaf] of leaves.entries()) {
        assert.equal(tree.append(hashLeaf(Buffer.from(leaf, 'hex'))), index)
      }
      assert.deepEqual(tree.head(), { size: leaves.length, rootHash: root })
    })
  }
})

test('after every leaf the head is what the definition gives from scratch', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 70 }), (entries) => {
      const tree = new MerkleTree()
      const leaves: Buffer[] = []
      for (const entry of entries) {
        leaves.push(hashLeaf(entry))
        tree.append(hashLeaf(entry))
        assert.equal(tree.head().rootHash, rootOf(leaves))
        assert.equal(tree.size, leaves.length)
      }
    }),
    { numRuns: 50 },
  )
})
