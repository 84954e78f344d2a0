import assert from 'node:assert/strict'
import { test } from 'node:test'
import { subtreesOf } from './subtrees-of.ts'
import { hashLeaf, hashNode } from '../../src/tlog/merkle-tree.ts'
import {
  proveConsistency,
  proveInclusion,
  rootHashOf,
  verifyConsistency,
} from '../../src/tlog/proof.ts'
import { rootOf } from './root-of.ts'
import { goLog } from './go-log.ts'
import { requirement } from '../requirements.ts'

const sizes = 40
const leaves = Array.from({ length: sizes }, (_, index) => hashLeaf(Buffer.from(`leaf ${index}`)))
const hashOf = subtreesOf(leaves)
const hex = (hashes: readonly Buffer[]) => hashes.map((hash) => hash.toString('hex'))

/** What whoever is shown a proof does (RFC 9162 §2.1.3.2). */
function verifyInclusion(
  proof: readonly Buffer[],
  leaf: { readonly index: number; readonly hash: Buffer },
  tree: { readonly size: number; readonly rootHash: string },
): boolean {
  let { index, hash } = leaf
  if (index < 0 || index >= tree.size) return false
  let last = tree.size - 1
  for (const sibling of proof) {
    if (last === 0) return false
    if (index % 2 === 1 || index === last) {
      hash = hashNode(sibling, hash)
      while (index % 2 === 0 && index !== 0)
        [index, last] = [Math.floor(index / 2), Math.floor(last / 2)]
    } else {
      hash = hashNode(hash, sibling)
    }
    ;[index, last] = [Math.floor(index / 2), Math.floor(last / 2)]
  }
  return last === 0 && hash.toString('hex') === tree.rootHash
}

test('the root of every size is the one of RFC 6962', async () => {
  for (let size = 0; size <= sizes; size++) {
    assert.equal(await rootHashOf(hashOf, size), rootOf(leaves.slice(0, size)), `${size}`)
  }
})

test('every leaf is proved to be in every tree, by RFC 9162 and to Go', async (t) => {
  requirement('ledger.proofs-verify')
  const lines: string[] = []
  for (let size = 1; size <= sizes; size++) {
    const tree = { size, rootHash: rootOf(leaves.slice(0, size)) }
    for (let index = 0; index < size; index++) {
      const proof = await proveInclusion(hashOf, index, size)
      const hash = leaves[index] as Buffer
      assert.ok(verifyInclusion(proof, { index, hash }, tree), `${index} of ${size}`)
      lines.push(`inclusion ${size} ${tree.rootHash} ${index} ${hex([hash, ...proof]).join(' ')}`)
    }
  }
  await judgedByGo(lines, t)
})

test('every tree is proved to begin every later one, to us and to Go, and no other does', async (t) => {
  requirement('ledger.proofs-verify')
  const lines: string[] = []
  for (let size = 1; size <= sizes; size++) {
    const tree = { size, rootHash: rootOf(leaves.slice(0, size)) }
    for (let before = 1; before <= size; before++) {
      const old = { size: before, rootHash: rootOf(leaves.slice(0, before)) }
      const proof = await proveConsistency(hashOf, before, size)
      assert.ok(verifyConsistency(proof, old, tree), `${before} of ${size}`)
      lines.push(
        `consistency ${before} ${old.rootHash} ${size} ${tree.rootHash} ${hex(proof).join(' ')}`,
      )
      const another = {
        size: before,
        rootHash: rootOf([leaves[9] as Buffer, ...leaves.slice(1, before)]),
      }
      assert.ok(!verifyConsistency(proof, another, tree))
      assert.ok(!verifyConsistency(proof, tree, old) || before === size)
      assert.ok(!verifyConsistency([...proof, leaves[0] as Buffer], old, tree))
      if (proof.length > 0) assert.ok(!verifyConsistency(proof.slice(1), old, tree))
    }
  }
  await judgedByGo(lines, t)
})

test('what is outside the tree is not proved', async () => {
  for (const index of [-1, sizes, Number.NaN, 1e12]) {
    await assert.rejects(proveInclusion(hashOf, index, sizes), { code: 'ledger/proof' })
  }
  await assert.rejects(proveConsistency(hashOf, sizes + 1, sizes), { code: 'ledger/proof' })
  assert.deepEqual(await proveConsistency(hashOf, 0, sizes), [])
  assert.ok(verifyConsistency([], { size: 0, rootHash: '' }, { size: 3, rootHash: 'x' }))
})

async function judgedByGo(
  lines: readonly string[],
  t: { diagnostic(message: string): void },
): Promise<void> {
  const go = await goLog()
  if (go === undefined) return t.diagnostic('Go is not here: its judgement is left out')
  const verdicts = await go.proofs([...lines, ...lines.map((line) => line.replace(/.$/, flip))])
  assert.equal(verdicts.length, 2 * lines.length)
  for (const [index, verdict] of verdicts.entries()) {
    if (index < lines.length) assert.equal(verdict, 'ok', lines[index])
    else assert.notEqual(verdict, 'ok', lines[index - lines.length])
  }
}

function flip(digit: string): string {
  return digit === '0' ? '1' : '0'
}
