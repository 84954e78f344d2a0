import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lookAgain } from '../../../src/signer/anchors/look-again.ts'

test('a look says when the next one is, and none is waited for at the end', async () => {
  const end = new AbortController()
  const delays: number[] = []
  const looks = [
    () => Promise.resolve(15),
    () => Promise.resolve(60),
    () => new Promise<number>(() => {}),
  ]
  const asked: number[] = []
  await lookAgain(
    () => {
      const look = looks[asked.push(asked.length) - 1]
      assert.ok(look !== undefined, 'nobody looks after the end')
      if (asked.length === looks.length) setImmediate(() => end.abort())
      return look()
    },
    {
      delay: (milliseconds) => Promise.resolve(void delays.push(milliseconds)),
      signal: end.signal,
    },
  )
  assert.deepEqual([asked.length, delays], [3, [15, 60, 0]])
})

test('who is told to end while it waits looks no more', async () => {
  const end = new AbortController()
  let looks = 0
  await lookAgain(() => Promise.resolve((looks += 1)), {
    delay: () => {
      end.abort()
      return Promise.reject(new Error('aborted'))
    },
    signal: end.signal,
  })
  assert.equal(looks, 1)
})
