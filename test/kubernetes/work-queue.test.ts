import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { silentLog } from '../../src/log.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { DueHeap } from '../../src/kubernetes/due-heap.ts'
import {
  createWorkQueue,
  type WorkQueue,
  type WorkQueueOptions,
} from '../../src/kubernetes/work-queue.ts'

type Work = WorkQueueOptions['work']

/** Time that moves only when told. */
function createClock(): {
  readonly now: () => number
  readonly delay: (milliseconds: number, signal: AbortSignal) => Promise<void>
  readonly pass: (milliseconds: number) => Promise<void>
} {
  let at = 0
  let timers: { readonly due: number; readonly go: () => void }[] = []
  return {
    now: () => at,
    delay: (milliseconds, signal) =>
      new Promise((resolve, reject) => {
        timers.push({ due: at + milliseconds, go: resolve })
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
      }),
    async pass(milliseconds) {
      at += milliseconds
      const due = timers.filter((timer) => timer.due <= at)
      timers = timers.filter((timer) => timer.due > at)
      for (const timer of due) timer.go()
      await settle()
    },
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function create(
  work: Work,
  options: Partial<WorkQueueOptions> = {},
): { queue: WorkQueue; clock: ReturnType<typeof createClock> } {
  const clock = createClock()
  const queue = createWorkQueue({
    work,
    concurrency: 2,
    backoff: { baseSeconds: 1, maxSeconds: 8 },
    clock: clock.now,
    random: () => 1,
    delay: clock.delay,
    log: silentLog,
    ...options,
  })
  return { queue, clock }
}

describe('a work queue', () => {
  test('works on a key once however often it is added', async () => {
    const worked: string[] = []
    const { queue } = create(async (key) => void worked.push(key), { concurrency: 1 })
    queue.add('a')
    queue.add('b')
    queue.add('b')
    queue.add('b')
    assert.equal(queue.depth, 2)
    await settle()
    assert.deepEqual(worked, ['a', 'b'])
    assert.equal(queue.depth, 0)
  })

  test('works again on a key that was added during its work, and never twice at once', async () => {
    const gates: (() => void)[] = []
    let atOnce = 0
    let worked = 0
    const { queue } = create(async () => {
      atOnce += 1
      assert.equal(atOnce, 1)
      worked += 1
      await new Promise<void>((resolve) => gates.push(resolve))
      atOnce -= 1
    })
    queue.add('a')
    await settle()
    queue.add('a')
    queue.add('a')
    await settle()
    assert.equal(worked, 1)
    gates.shift()?.()
    await settle()
    assert.equal(worked, 2)
    gates.shift()?.()
    await settle()
    assert.equal(worked, 2)
    assert.equal(queue.depth, 0)
  })

  test('works on no more keys at once than it may', async () => {
    const gates: (() => void)[] = []
    const { queue } = create(() => new Promise<void>((resolve) => gates.push(resolve)))
    for (const key of ['a', 'b', 'c']) queue.add(key)
    await settle()
    assert.equal(gates.length, 2)
    gates[0]?.()
    await settle()
    assert.equal(gates.length, 3)
    for (const gate of gates) gate()
  })

  test('repeats what failed after 1, 2, 4, 8 and again 8 seconds, and forgets the failures after a success', async () => {
    let worked = 0
    let fails = true
    const { queue, clock } = create(async () => {
      worked += 1
      if (fails) throw new Error('no')
    })
    queue.add('a')
    await settle()
    for (const seconds of [1, 2, 4, 8, 8]) {
      const before = worked
      await clock.pass(seconds * 1000 - 1)
      assert.equal(worked, before, `before ${seconds} s`)
      await clock.pass(1)
      assert.equal(worked, before + 1, `after ${seconds} s`)
    }
    fails = false
    await clock.pass(8000)
    fails = true
    queue.add('a')
    await settle()
    const before = worked
    await clock.pass(1000)
    assert.equal(worked, before + 1)
    await queue.close()
  })

  test('spreads repetitions over the upper half of the time', async () => {
    let worked = 0
    const { queue, clock } = create(
      async () => {
        worked += 1
        throw new Error('no')
      },
      { random: () => 0 },
    )
    queue.add('a')
    await settle()
    await clock.pass(500)
    assert.equal(worked, 2)
    await queue.close()
  })

  test('works again when the work asks for it', async () => {
    let worked = 0
    const { queue, clock } = create(async () => {
      worked += 1
      return worked < 3 ? { againSeconds: 5 } : undefined
    })
    queue.add('a')
    await settle()
    assert.equal(queue.depth, 1)
    await clock.pass(4999)
    assert.equal(worked, 1)
    await clock.pass(1)
    assert.equal(worked, 2)
    await clock.pass(5000)
    assert.equal(worked, 3)
    assert.equal(queue.depth, 0)
  })

  test('works at once on a key that is added while it waits, and not again at the later time', async () => {
    const worked: string[] = []
    const { queue, clock } = create(async (key) => void worked.push(key))
    queue.add('a', { afterSeconds: 10 })
    queue.add('a', { afterSeconds: 5 })
    queue.add('a', { afterSeconds: 7 })
    assert.equal(queue.depth, 1)
    await clock.pass(5000)
    assert.deepEqual(worked, ['a'])
    queue.add('a', { afterSeconds: 10 })
    queue.add('a')
    await settle()
    assert.deepEqual(worked, ['a', 'a'])
    await clock.pass(60_000)
    assert.deepEqual(worked, ['a', 'a'])
  })

  test('takes urgent keys first', async () => {
    const worked: string[] = []
    const { queue } = create(async (key) => void worked.push(key), { concurrency: 1 })
    queue.add('running')
    for (const key of ['a', 'b', 'c']) queue.add(key)
    queue.add('u', { urgent: true })
    queue.add('c', { urgent: true })
    queue.add('u')
    await settle()
    assert.deepEqual(worked, ['running', 'u', 'c', 'a', 'b'])
  })

  for (const [flood, urgent] of [
    ['urgent keys', true],
    ['other keys', false],
  ] as const) {
    test(`takes from both kinds while ${flood} never end: three urgent ones, then another`, async () => {
      requirement('signer.neither-starves')
      const worked: boolean[] = []
      let left = 400
      const { queue } = create(
        async (key) => {
          worked.push(key.startsWith('u'))
          left -= 1
          // As many come as are worked on.
          if (left > 0 && key.startsWith('u') === urgent) queue.add(`${key}+`, { urgent })
        },
        { concurrency: 4 },
      )
      for (let at = 0; at < 50; at += 1) {
        queue.add(`u${at}`, { urgent: true })
        queue.add(`n${at}`)
      }
      await eventually('all', () => queue.depth === 0)
      // The first ones find nobody else waiting yet.
      const both = worked.slice(8, 68)
      assert.equal(both.filter((isUrgent) => isUrgent).length, 45)
      assert.ok(worked.length > 400)
    })
  }

  test('repeats urgent work as urgent', async () => {
    const worked: string[] = []
    const { queue, clock } = create(
      async (key) => {
        worked.push(key)
        if (key === 'u' && worked.length < 3) throw new Error('no')
      },
      { concurrency: 1 },
    )
    queue.add('u', { urgent: true })
    await settle()
    for (const key of ['a', 'b']) queue.add(key, { afterSeconds: 0.5 })
    await clock.pass(1000)
    assert.deepEqual(worked, ['u', 'a', 'u', 'b'])
  })

  test('sets its one timer anew when an earlier time comes up', async () => {
    const worked: string[] = []
    const { queue, clock } = create(async (key) => void worked.push(key))
    queue.add('late', { afterSeconds: 30 })
    queue.add('early', { afterSeconds: 10 })
    queue.add('between', { afterSeconds: 20 })
    for (const expected of ['early', 'between', 'late']) {
      await clock.pass(10_000)
      assert.equal(worked.at(-1), expected)
    }
    assert.equal(worked.length, 3)
  })

  test('lets groups take turns, so that a storm in one delays only itself', async () => {
    const worked: string[] = []
    const { queue } = create(async (key) => void worked.push(key), {
      concurrency: 1,
      groupsOf: (key) => [key.slice(0, key.indexOf('/'))],
    })
    for (const key of ['x/0', 'x/1', 'x/2', 'x/3', 'y/1', 'z/1']) queue.add(key)
    await settle()
    assert.deepEqual(worked, ['x/0', 'x/1', 'y/1', 'z/1', 'x/2', 'x/3'])
  })

  test('forgets what was planned for a key', async () => {
    const worked: string[] = []
    const { queue, clock } = create(async (key) => void worked.push(key), { concurrency: 1 })
    queue.add('first')
    queue.add('waiting')
    queue.add('later', { afterSeconds: 1 })
    queue.forget('waiting')
    queue.forget('later')
    await clock.pass(2000)
    assert.deepEqual(worked, ['first'])
    assert.equal(queue.depth, 0)
  })

  test('aborts and waits for running work when it is closed, and starts no more', async () => {
    const told: string[] = []
    const { queue, clock } = create(
      (key, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            told.push(`aborted ${key}`)
            reject(signal.reason as Error)
          })
        }),
      { concurrency: 1 },
    )
    queue.add('a')
    queue.add('b')
    queue.add('c', { afterSeconds: 1 })
    await settle()
    await queue.close()
    queue.add('d')
    await clock.pass(5000)
    assert.deepEqual(told, ['aborted a'])
    assert.equal(queue.depth, 0)
  })

  test('does the last change to every key, one at a time, whatever the order of calls', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), key: fc.constantFrom('a', 'b', 'c') }),
      fc.record({ kind: fc.constant('finish' as const), fails: fc.boolean() }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const gates: ((fails: boolean) => void)[] = []
        const running = new Set<string>()
        const pending = new Set<string>()
        const { queue, clock } = create(async (key) => {
          assert.ok(!running.has(key), 'twice at once')
          running.add(key)
          pending.delete(key)
          assert.ok(running.size <= 2, 'too many at once')
          const fails = await new Promise<boolean>((resolve) => gates.push(resolve))
          running.delete(key)
          if (!fails) return
          pending.add(key)
          throw new Error('no')
        })
        for (const one of steps) {
          if (one.kind === 'add') {
            queue.add(one.key)
            pending.add(one.key)
          } else {
            gates.shift()?.(one.fails)
          }
          await settle()
        }
        for (let round = 0; round < 10; round++) {
          for (const gate of gates.splice(0)) gate(false)
          await settle()
          await clock.pass(10_000)
        }
        assert.deepEqual([...pending], [], 'a change was lost')
        assert.equal(queue.depth, 0)
      }),
      { numRuns: 60 },
    )
  })
})

test('a heap gives back what is due in order of time', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 50 }), { maxLength: 60 }), (times) => {
      const heap = new DueHeap<{ dueAt: number }>()
      for (const dueAt of times) heap.push({ dueAt })
      const taken: number[] = []
      for (let next = heap.pop(); next !== undefined; next = heap.pop()) taken.push(next.dueAt)
      assert.deepEqual(
        taken,
        times.toSorted((one, other) => one - other),
      )
      assert.equal(heap.peek(), undefined)
    }),
  )
})
