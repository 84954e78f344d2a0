import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CountersignError, type ErrorCode } from '../../src/errors.ts'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import { openActivation, type Activation } from '../../src/policy/activation.ts'
import type { DataDocument } from '../../src/policy/data-document.ts'
import type { PolicyEngine } from '../../src/policy/engine.ts'
import { requirement } from '../requirements.ts'

const bad = (code: ErrorCode, message: string): CountersignError =>
  new CountersignError(code, message)

/** Bundles by their names, and data by its: a name with `bad` in it is not good, and one with `needs` needs data of that name. */
function engineOf(bundle: string, data: string): PolicyEngine {
  if (bundle.includes('bad') || data.includes('bad')) {
    throw bad('policy/bundle', `${bundle} with ${data} is not good`)
  }
  const needed = /needs (\w+)/.exec(bundle)?.[1]
  if (needed !== undefined && needed !== data) throw bad('policy/data', `want=${needed}`)
  return { revision: bundle, digest: data, evaluate: () => `${bundle} ${data}` }
}

const documents = (name: string): readonly DataDocument[] => [{ name, value: {} }]

interface Rig {
  readonly activation: Activation<string>
  readonly prepared: string[]
  /** Ends the wait before another try. */
  readonly again: () => void
  readonly counted: string[]
  readonly observed: string[]
}

async function open(prepare?: (bundle: string, data: string) => Promise<void>): Promise<Rig> {
  const prepared: string[] = []
  const counted: string[] = []
  const observed: string[] = []
  let again = (): void => {}
  const activation = await openActivation(
    { bundle: 'one', documents: documents('a') },
    {
      async prepare({ bundle, documents: [document] }) {
        const name = document?.name ?? ''
        prepared.push(`${bundle} ${name}`)
        await prepare?.(bundle, name)
        return engineOf(bundle, name)
      },
      now: () => prepared.length,
      log: silentLog,
      metrics: {
        ...silentMetrics,
        count: (_name, labels = {}) =>
          void counted.push(`${labels['source']} ${labels['outcome']}`),
        observe: (name, seconds, labels = {}) =>
          void observed.push(`${name} ${labels['source']} ${labels['outcome']} ${seconds}`),
      },
      elapsed: () => prepared.length * 1500,
      delay: () =>
        new Promise((resolve) => {
          again = () => resolve(undefined)
        }),
    },
  )
  return { activation, prepared, counted, observed, again: () => again() }
}

const inForce = ({ activation }: Rig): string => {
  const { revision, digest } = activation.current()
  return `${revision} ${digest}`
}

test('what is offered comes into force, and each part by itself', async () => {
  const rig = await open()
  assert.equal(inForce(rig), 'one a')
  await rig.activation.offerBundle('two')
  assert.equal(inForce(rig), 'two a')
  await rig.activation.offerDocuments(documents('b'))
  assert.equal(inForce(rig), 'two b')
  assert.deepEqual(rig.prepared, ['one a', 'two a', 'two b'])
  assert.deepEqual(rig.counted, ['bundle taken', 'data taken'])
  await rig.activation.offerBundle('bad')
  const name = 'countersign_policy_activation_seconds'
  assert.deepEqual(rig.observed, [
    `${name} bundle taken 1.5`,
    `${name} data taken 0`,
    `${name} bundle refused 1.5`,
  ])
})

test('what is not good leaves the last good one in force and says why, until it is good again', async () => {
  requirement('policy.last-good-stays')
  const rig = await open()
  const { activation } = rig
  await activation.offerBundle('bad')
  assert.equal(inForce(rig), 'one a')
  assert.equal(activation.problem('bundle')?.message, 'bad with a is not good')
  assert.equal(activation.problem('data'), undefined)
  await activation.offerDocuments(documents('b'))
  assert.equal(inForce(rig), 'one b', 'data is not held up by a bundle')
  assert.equal(activation.problem('bundle')?.message, 'bad with b is not good')
  await activation.offerDocuments(documents('bad data'))
  assert.equal(inForce(rig), 'one b')
  assert.ok(activation.problem('data'))
  await activation.offerBundle('two')
  assert.equal(inForce(rig), 'two b', 'a bundle is not held up by data')
  assert.equal(activation.problem('bundle'), undefined)
  assert.ok(activation.problem('data'))
  await activation.offerDocuments(documents('c'))
  assert.equal(inForce(rig), 'two c')
  assert.equal(activation.problem('data'), undefined)
  const refused = ['bundle refused', 'data taken', 'data refused', 'bundle taken', 'data taken']
  assert.deepEqual(rig.counted, refused)
})

test('a bundle and the data that it needs come into force together, in whatever order they arrive', async () => {
  const rig = await open()
  await rig.activation.offerBundle('two needs b')
  assert.equal(inForce(rig), 'one a')
  await rig.activation.offerDocuments(documents('b'))
  assert.equal(inForce(rig), 'two needs b b')
  assert.equal(rig.activation.problem('bundle'), undefined)
})

test('while one is tested the last good one decides, and what is offered later wins', async () => {
  requirement('policy.last-good-stays')
  const gate = Promise.withResolvers<void>()
  const rig = await open((name) => (name === 'slow' ? gate.promise : Promise.resolve()))
  const slow = rig.activation.offerBundle('slow')
  await new Promise(setImmediate)
  const later = rig.activation.offerBundle('later')
  await new Promise(setImmediate)
  assert.equal(inForce(rig), 'one a')
  assert.deepEqual(rig.prepared, ['one a', 'slow a'])
  gate.resolve()
  await Promise.all([slow, later])
  assert.equal(inForce(rig), 'later a')
})

test('a test that ran out of time is tried again, and one that was refused is not', async () => {
  let fails = 2
  const rig = await open((name) => {
    if (name === 'late' && fails > 0) {
      fails -= 1
      throw bad('policy/test', 'not in time')
    }
    return Promise.resolve()
  })
  await rig.activation.offerBundle('late')
  assert.equal(rig.activation.problem('bundle')?.message, 'not in time')
  for (const left of [0, 0]) {
    rig.again()
    await new Promise(setImmediate)
    await new Promise(setImmediate)
    assert.equal(fails, left)
  }
  assert.equal(inForce(rig), 'late a')
  await rig.activation.offerBundle('bad')
  const { length } = rig.prepared
  rig.again()
  await new Promise(setImmediate)
  assert.equal(rig.prepared.length, length)
})

test('a bundle whose test ran out of time is tried again though data has changed meanwhile', async () => {
  requirement('policy.last-good-stays')
  let isBusy = true
  const rig = await open((name) =>
    name === 'late' && isBusy
      ? Promise.reject(bad('policy/test', 'not in time'))
      : Promise.resolve(),
  )
  await rig.activation.offerBundle('late')
  await rig.activation.offerDocuments(documents('b'))
  assert.equal(inForce(rig), 'one b')
  isBusy = false
  rig.again()
  for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate)
  assert.equal(inForce(rig), 'late b')
})

test('a bundle whose test runs out of time with the data that it needs is tried again with it', async () => {
  requirement('policy.last-good-stays')
  let isBusy = true
  const rig = await open((name, data) =>
    name === 'late needs b' && data === 'b' && isBusy
      ? Promise.reject(bad('policy/test', 'not in time'))
      : Promise.resolve(),
  )
  await rig.activation.offerBundle('late needs b')
  await rig.activation.offerDocuments(documents('b'))
  assert.equal(inForce(rig), 'one b')
  isBusy = false
  rig.again()
  for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate)
  assert.equal(inForce(rig), 'late needs b b')
})

test('a grant that is taken away waits for no bundle under test, and no bundle brings it back', async () => {
  requirement('policy.last-good-stays')
  const gate = Promise.withResolvers<void>()
  const rig = await open((name) => (name === 'slow' ? gate.promise : Promise.resolve()))
  const slow = rig.activation.offerBundle('slow')
  await new Promise(setImmediate)
  const revoked = rig.activation.offerDocuments(documents('b'))
  await new Promise(setImmediate)
  assert.equal(inForce(rig), 'one b')
  gate.resolve()
  await slow
  assert.equal(inForce(rig), 'slow b')
  await revoked
  assert.equal(inForce(rig), 'slow b')
  await rig.activation.offerBundle('bad')
  rig.prepared.length = 0
  await rig.activation.offerDocuments(documents('c'))
  assert.deepEqual(rig.prepared, ['slow c', 'bad c'])
})

test('the first one has to be good', async () => {
  const options = { now: () => 0, log: silentLog, metrics: silentMetrics }
  const prepare = (): Promise<PolicyEngine> => Promise.reject(bad('policy/bundle', 'no'))
  await assert.rejects(openActivation({ bundle: '', documents: [] }, { ...options, prepare }), {
    message: 'no',
  })
})
