import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { createSigningTurns } from '../../src/token/signing-turns.ts'

test('so many are under way at a time, and the others begin in the order that they were asked for', async () => {
  const inTurn = createSigningTurns(3)
  const begun: number[] = []
  const works = Array.from({ length: 6 }, () => Promise.withResolvers<number>())
  const all = works.map(({ promise }, index) =>
    inTurn(() => {
      begun.push(index)
      return promise
    }),
  )
  assert.deepEqual(begun, [])
  await turn()
  assert.deepEqual(begun, [0, 1, 2])
  works[1]?.resolve(1)
  await all[1]
  await turn()
  assert.deepEqual(begun, [0, 1, 2, 3])
  works[0]?.reject(new Error('no key'))
  await assert.rejects(async () => all[0], /no key/)
  await turn()
  assert.deepEqual(begun, [0, 1, 2, 3, 4])
  for (const [index, { resolve }] of works.entries()) resolve(index)
  assert.deepEqual(await Promise.all(all.slice(1)), [1, 2, 3, 4, 5])
})
