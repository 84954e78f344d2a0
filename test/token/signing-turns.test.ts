import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { createSigningTurns, type SigningThread } from '../../src/token/signing-turns.ts'

test('so many are under way at a time, and the others begin in the order that they were asked for', async () => {
  const begun: string[] = []
  const works = Array.from({ length: 6 }, () => Promise.withResolvers<Buffer>())
  const turns = createSigningTurns({
    most: 3,
    sign(octets) {
      begun.push(octets.toString())
      return works[Number(octets)]?.promise ?? assert.fail()
    },
  })
  const all = works.map((_, index) => turns.sign(String(index)))
  assert.deepEqual(begun, [])
  await turn()
  assert.deepEqual(begun, ['0', '1', '2'])
  works[1]?.resolve(Buffer.from('s1'))
  await all[1]
  await turn()
  assert.deepEqual(begun, ['0', '1', '2', '3'])
  works[0]?.reject(new Error('no key'))
  await assert.rejects(async () => all[0], /no key/)
  await turn()
  assert.deepEqual(begun, ['0', '1', '2', '3', '4'])
  for (const [index, { resolve }] of works.entries()) resolve(Buffer.from(`s${index}`))
  assert.deepEqual((await Promise.all(all.slice(1))).map(String), ['s1', 's2', 's3', 's4', 's5'])
})

interface Given {
  readonly texts: readonly string[]
  readonly answer: PromiseWithResolvers<readonly Buffer[]>
}

/** Turns with a pool that signs at once, and a thread that is told when to. */
function withThread(): {
  readonly turns: ReturnType<typeof createSigningTurns>
  readonly given: Given[]
  readonly started: PromiseWithResolvers<SigningThread>[]
  readonly thread: SigningThread
  readonly told: string[]
} {
  const given: Given[] = []
  const told: string[] = []
  const started: PromiseWithResolvers<SigningThread>[] = []
  const thread: SigningThread = {
    sign(texts) {
      const answer = Promise.withResolvers<readonly Buffer[]>()
      given.push({ texts, answer })
      return answer.promise
    },
    close: () => void told.push('closed'),
  }
  const turns = createSigningTurns({
    most: 8,
    sign: async (octets) => Buffer.from(`pool ${octets.toString()}`),
    startThread() {
      const starting = Promise.withResolvers<SigningThread>()
      started.push(starting)
      return starting.promise
    },
  })
  return { turns, given, started, thread, told }
}

const texts = (count: number): string[] => Array.from({ length: count }, (_, each) => `${each}`)

async function texted(all: readonly Promise<Buffer>[]): Promise<readonly string[]> {
  return (await Promise.all(all)).map(String)
}

test('what comes a few at a time has no thread, and what comes many at a time has one', async () => {
  const { turns, given, started, thread } = withThread()
  assert.deepEqual(await texted(texts(3).map(turns.sign)), ['pool 0', 'pool 1', 'pool 2'])
  assert.equal(started.length, 0)
  // Nobody waits for it to start.
  const many = await texted(texts(4).map(turns.sign))
  assert.deepEqual(many, ['pool 0', 'pool 1', 'pool 2', 'pool 3'])
  await texted(texts(9).map(turns.sign))
  assert.equal(started.length, 1)
  started[0]?.resolve(thread)
  await turn()
  const all = texts(40).map(turns.sign)
  await turn()
  assert.deepEqual(
    given.map((each) => each.texts.length),
    [32, 8],
  )
  for (const { texts: asked, answer } of given) {
    answer.resolve(asked.map((text) => Buffer.from(`thread ${text}`)))
  }
  assert.deepEqual(
    await texted(all),
    texts(40).map((text) => `thread ${text}`),
  )
})

test('what a thread that has ended did not sign the pool signs, and whatever comes after it', async () => {
  const { turns, given, started, thread } = withThread()
  await texted(texts(4).map(turns.sign))
  started[0]?.resolve(thread)
  await turn()
  const all = texts(12).map(turns.sign)
  await turn()
  given[0]?.answer.reject(new Error('ended'))
  const expected = texts(12).map((text) => `pool ${text}`)
  assert.deepEqual(await texted(all), expected)
  assert.deepEqual(await texted(texts(12).map(turns.sign)), expected)
  assert.deepEqual([given.length, started.length], [1, 1])
})

test('a thread that cannot be started is not missed', async () => {
  const { turns, started } = withThread()
  await texted(texts(4).map(turns.sign))
  started[0]?.reject(new Error('no memory'))
  await turn()
  assert.deepEqual(await texted(texts(1).map(turns.sign)), ['pool 0'])
})

test('a thread that gives too few signatures gives nobody the one of another', async () => {
  const { turns, given, started, thread } = withThread()
  await texted(texts(4).map(turns.sign))
  started[0]?.resolve(thread)
  await turn()
  const all = Promise.allSettled(texts(2).map(turns.sign))
  await turn()
  given[0]?.answer.resolve([Buffer.from('one')])
  assert.deepEqual(
    (await all).map(({ status }) => status),
    ['fulfilled', 'rejected'],
  )
})

test('a key that is not used any more signs what it was given, and its thread ends', async () => {
  const { turns, given, started, thread, told } = withThread()
  await texted(texts(4).map(turns.sign))
  started[0]?.resolve(thread)
  await turn()
  const last = turns.sign('last')
  turns.close()
  assert.deepEqual(told, ['closed'])
  given[0]?.answer.resolve([Buffer.from('thread last')])
  assert.equal(String(await last), 'thread last')
  const late = withThread()
  await texted(texts(4).map(late.turns.sign))
  late.turns.close()
  late.started[0]?.resolve(late.thread)
  await turn()
  assert.deepEqual(late.told, ['closed'])
})
