import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../../src/log.ts'
import { createMetrics } from '../../../src/metrics.ts'
import type { PodEvent } from '../../../src/signer/issue/ports.ts'
import { createPodEvents } from '../../../src/signer/watch/pod-events.ts'

/** The writes of events, each of which ends when it is told to. */
function createWorld(): {
  readonly emit: (event: PodEvent) => void
  readonly written: PodEvent[]
  state: { depth: number; milliseconds: number; hold: boolean; failures: number }
  /** Ends what is on its way, and whatever follows it. */
  release(): Promise<void>
  told(outcome: string): Promise<number>
} {
  const state = { depth: 0, milliseconds: 0, hold: false, failures: 0 }
  const written: PodEvent[] = []
  const metrics = createMetrics()
  let open: (() => void)[] = []
  const emit = createPodEvents({
    write(event) {
      state.failures -= 1
      if (state.failures >= 0) return Promise.reject(new Error('no answer'))
      written.push(event)
      if (!state.hold) return Promise.resolve()
      return new Promise((resolve) => open.push(resolve))
    },
    knows: ({ uid }) => !uid.startsWith('made-up'),
    depth: () => state.depth,
    clock: () => state.milliseconds,
    log: silentLog,
    metrics,
  })
  return {
    emit,
    written,
    state,
    async release() {
      state.hold = false
      for (const end of open) end()
      open = []
      await new Promise((resolve) => setImmediate(resolve))
    },
    async told(outcome) {
      const line = new RegExp(
        `^countersign_signer_events_total\\{outcome="${outcome}"\\} (\\d+)$`,
        'm',
      )
      return Number(line.exec(await metrics.page())?.[1] ?? 0)
    },
  }
}

const issued = (uid: string): PodEvent => ({
  pod: { namespace: 'team-a', name: uid, uid },
  type: 'Normal',
  reason: 'CertificateIssued',
  message: 'm',
})

const failed = (uid: string, reason: PodEvent['reason'] = 'CertificateDenied'): PodEvent => ({
  ...issued(uid),
  type: 'Warning',
  reason,
})

test('in a calm hour every certificate is told, in a storm a few', async () => {
  const world = createWorld()
  for (let number = 0; number < 2000; number += 1) world.emit(issued(`pod-${number}`))
  assert.equal(world.written.length, 4)
  await world.release()
  assert.equal(world.written.length, 25)
  assert.equal(await world.told('withheld'), 1975)
  world.state.milliseconds += 1000
  for (let number = 0; number < 100; number += 1) world.emit(issued(`pod-${number}`))
  await world.release()
  assert.equal(world.written.length, 30)
})

test('while the queue is deep, nothing that went well is told', async () => {
  const world = createWorld()
  world.state.depth = 65
  world.emit(issued('pod'))
  world.emit(failed('other'))
  await world.release()
  assert.deepEqual(world.written, [failed('other')])
  world.state.depth = 64
  world.emit(issued('pod'))
  assert.equal(world.written.length, 2)
})

test('the first failure of each pod is told, however many pods fail at once', async () => {
  const world = createWorld()
  for (let number = 0; number < 1000; number += 1) world.emit(failed(`pod-${number}`))
  await world.release()
  assert.equal(new Set(world.written.map(({ pod }) => pod.uid)).size, 1000)
})

test('a failure that is repeated takes a token, and another failure of the pod is new', async () => {
  const world = createWorld()
  world.state.depth = 1000
  for (let number = 0; number < 100; number += 1) {
    world.emit(failed('pod', 'CertificatePending'))
    await world.release()
  }
  assert.equal(world.written.length, 26)
  world.emit(failed('pod', 'CertificateDenied'))
  assert.equal(world.written.at(-1)?.reason, 'CertificateDenied')
})

test('a few events are on their way at once, and what waits behind them is bounded', async () => {
  const world = createWorld()
  world.state.hold = true
  for (let number = 0; number < 5000; number += 1) world.emit(failed(`pod-${number}`))
  assert.equal(world.written.length, 4)
  assert.equal(await world.told('lost'), 5000 - 4 - 4096)
  await world.release()
  assert.equal(world.written.length, 4 + 4096)
})

test('pods that were told are remembered within a bound', async () => {
  const world = createWorld()
  for (let number = 0; number < 16_385; number += 1) {
    world.emit(failed(`pod-${number}`))
    if (number % 1000 === 0) await world.release()
  }
  await world.release()
  const before = world.written.length
  for (let number = 0; number < 26; number += 1) world.emit(failed('pod-16384'))
  world.emit(failed('pod-0'))
  await world.release()
  assert.equal(world.written.length, before + 26)
  assert.equal(world.written.at(-1)?.pod.uid, 'pod-0')
})

test('a failure that is not written is tried once more, and counts as told only when it is', async () => {
  const world = createWorld()
  world.state.failures = 1
  world.emit(failed('pod'))
  await world.release()
  assert.deepEqual(world.written, [failed('pod')])
  world.state.failures = 2
  world.emit(failed('other'))
  await world.release()
  assert.equal(await world.told('failed'), 1)
  for (let number = 0; number < 100; number += 1) world.emit(failed('pod'))
  await world.release()
  world.emit(failed('other'))
  await world.release()
  assert.deepEqual(world.written.at(-1), failed('other'))
})

test('a failure that found no place is the first again', async () => {
  const world = createWorld()
  world.state.hold = true
  for (let number = 0; number < 4101; number += 1) world.emit(failed(`pod-${number}`))
  assert.equal(await world.told('lost'), 1)
  await world.release()
  for (let number = 0; number < 100; number += 1) world.emit(failed('pod-0'))
  await world.release()
  world.emit(failed('pod-4100'))
  await world.release()
  assert.equal(world.written.at(-1)?.pod.uid, 'pod-4100')
})

test('pods that nobody knows take tokens, and are not remembered', async () => {
  const world = createWorld()
  world.emit(failed('pod'))
  for (let number = 0; number < 20_000; number += 1) world.emit(failed(`made-up-${number}`))
  await world.release()
  assert.equal(world.written.length, 26)
  world.emit(failed('pod'))
  await world.release()
  assert.equal(world.written.length, 26, 'it was told already')
})
