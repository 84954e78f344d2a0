import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Child } from '../../src/guard/child.ts'
import { keepStandby, type Standby } from '../../src/guard/standby.ts'
import { silentLog } from '../../src/log.ts'

interface Stage {
  readonly standby: Standby
  /** The processes that were started, each to be ended by the test. */
  readonly started: { readonly child: Child; readonly end: () => void }[]
  /** What it waits for, in milliseconds, to be let go by the test. */
  readonly waits: { readonly milliseconds: number; readonly over: () => void }[]
}

function stage(): Stage {
  const started: Stage['started'] = []
  const waits: Stage['waits'] = []
  const start = (): Child => {
    const { promise, resolve } = Promise.withResolvers<string>()
    let isAlive = true
    const end = (): void => {
      isAlive = false
      resolve('ended with 1')
    }
    const child: Child = {
      lines: (async function* () {})(),
      isAlive: () => isAlive,
      ended: promise,
      write: () => true,
      say: () => {},
      async [Symbol.asyncDispose]() {
        end()
      },
    }
    started.push({ child, end })
    return child
  }
  const delay = (milliseconds: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      waits.push({ milliseconds, over: resolve })
      signal.addEventListener('abort', () => reject(new Error('over')))
    })
  return { standby: keepStandby({ start, log: silentLog, delay }), started, waits }
}

test('one stands by, is taken, and another one stands by', async () => {
  const { standby, started, waits } = stage()
  assert.equal(standby.state().ok, false)
  waits[0]?.over()
  await turn()
  assert.equal(standby.state().ok, true)
  assert.equal(standby.take(), started[0]?.child)
  await turn()
  assert.equal(started.length, 2)
  assert.equal(standby.state().ok, true)
  assert.equal(standby.take(), started[1]?.child)
  assert.equal(standby.take(), undefined)
  await standby[Symbol.asyncDispose]()
})

test('one that ends at once is said to, and started again after a pause that doubles', async () => {
  const { standby, started, waits } = stage()
  const pauses: number[] = []
  for (let at = 0; at < 7; at += 1) {
    started.at(-1)?.end()
    await turn()
    assert.deepEqual(standby.state(), { ok: false, reason: 'the server inside ended with 1' })
    assert.equal(standby.take(), undefined)
    pauses.push(waits.at(-1)?.milliseconds ?? 0)
    waits.at(-1)?.over()
    await turn()
  }
  assert.deepEqual(pauses, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
  waits.at(-1)?.over()
  await turn()
  started.at(-1)?.end()
  await turn()
  assert.equal(waits.at(-1)?.milliseconds, 1000)
  await standby[Symbol.asyncDispose]()
})

test('the one that stands by ends with the guard, and no other is started', async () => {
  const { standby, started } = stage()
  await standby[Symbol.asyncDispose]()
  assert.equal(started.length, 1)
  assert.equal(started[0]?.child.isAlive(), false)
})
