import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import { createAuthorizer, type Authorizer } from '../../../src/policy/authorizer.ts'
import { contentOf } from '../../../src/policy/bundle-content.ts'
import type { DataDocument } from '../../../src/policy/data-document.ts'
import type { DecisionLogFile } from '../../../src/policy/decision-log.ts'
import { entrypoints, openPolicyBase, type PolicyEngine } from '../../../src/policy/engine.ts'
import { openShadow, type Shadow } from '../../../src/policy/shadow/shadow.ts'
import { differencePath, shadowed } from '../../../src/policy/shadow/shadowed-log.ts'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { callTexts, listTexts, toolResource } from '../call-input.ts'
import { candidateWith, readGranted, startHere, type HeldProcess } from './candidate.ts'

interface World extends AsyncDisposable {
  readonly shadow: Shadow
  readonly processes: HeldProcess[]
  /** The last one. */
  readonly process: HeldProcess
  readonly counted: Map<string, number>
  readonly notes: { readonly path: string; readonly members: object }[]
  /** What was told of how much there is. */
  readonly extents: readonly object[]
  /** How long it was waited after each batch. */
  readonly pauses: number[]
  count(name: string): number
  call(options?: Parameters<typeof callTexts>[0]): boolean
  list(tools: readonly string[]): void
  /** Other data of the policy in force. */
  renew(data: object): Promise<void>
}

const base = await openPolicyBase()

async function openWorld(
  options: { elapsed?: () => number; isLogFull?: () => boolean; failsToStart?: number } = {},
): Promise<World> {
  const processes: HeldProcess[] = []
  const counted = new Map<string, number>()
  const notes: World['notes'] = []
  const extents: object[] = []
  const pauses: number[] = []
  let unstarted = options.failsToStart ?? 0
  let documents: readonly DataDocument[] = []
  let engine: PolicyEngine = base.engineWith(documents, { tested: true })
  const following: PolicyEngine = {
    get revision() {
      return engine.revision
    },
    get digest() {
      return engine.digest
    },
    evaluate: (entrypoint, input, document) => engine.evaluate(entrypoint, input, document),
  }
  const shadow = openShadow({
    start() {
      if (unstarted > 0) {
        unstarted -= 1
        throw new Error('spawn ENOMEM')
      }
      const process = startHere()
      processes.push(process)
      return process
    },
    engine: 'plan',
    inForce: () => ({ name: engine, documents }),
    delay: async (milliseconds) => {
      pauses.push(milliseconds)
      await new Promise(setImmediate)
    },
    log: silentLog,
    metrics: {
      ...silentMetrics,
      count(name, labels = {}, amount = 1) {
        const { change = '' } = labels
        const key = `${name} ${change}`.trim()
        counted.set(key, (counted.get(key) ?? 0) + amount)
      },
    },
    ...options,
  })
  const log: DecisionLogFile = {
    available: true,
    keeping: true,
    whenAvailable: () => Promise.resolve(true),
    record: () => options.isLogFull?.() !== true,
    note(path, members) {
      if (path === differencePath) notes.push({ path, members })
      else extents.push(members)
    },
    flush: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
  const recorded = shadowed(log, shadow)
  const authorizer: Authorizer = createAuthorizer(following)
  let number = 0
  const record = (path: string, evaluated: ReturnType<Authorizer['decide' | 'filter']>): void => {
    number += 1
    recorded.record({ decisionId: `d-${number}`, path, evaluated, requestedBy: 'spiffe://x/a' })
  }
  return {
    shadow,
    processes,
    get process() {
      return processes.at(-1) ?? assert.fail('no process')
    },
    counted,
    notes,
    extents,
    pauses,
    count: (name) => counted.get(`countersign_policy_shadow_${name}`) ?? 0,
    call(given) {
      const evaluated = authorizer.decide(callTexts(given))
      record(entrypoints.decision, evaluated)
      return evaluated.value.allow
    },
    list(tools) {
      const resources = tools.map((tool) => toolResource('files', tool))
      record(entrypoints.list, authorizer.filter(listTexts(resources)))
    },
    async renew(data) {
      documents = [{ name: 'data', value: data } as DataDocument]
      engine = base.engineWith(documents, { tested: true })
      shadow.renew()
    },
    [Symbol.asyncDispose]: () => shadow[Symbol.asyncDispose](),
  }
}

const total = 'decisions_total'

test('a candidate is asked what was decided, and changes no answer', async () => {
  requirement('policy.shadow-changes-nothing')
  await using world = await openWorld()
  await world.shadow.offer(await candidateWith(readGranted))
  assert.equal(world.shadow.problem, undefined)
  assert.equal(world.call({ arguments: { path: 'secret' } }), false)
  assert.equal(world.call({ tool: 'write' }), false)
  world.list(['read', 'write'])
  await eventually('both are asked', () => world.count(`${total} widened`) === 2)
  assert.equal(world.count(`${total} same`), 1)
  assert.equal(world.call(), false)
  assert.match(world.shadow.summary, /^1 same, [23] widened$/)
})

test('some differences are told, by codes and numbers and nothing that a mask could hide', async () => {
  await using world = await openWorld()
  await world.shadow.offer(await candidateWith(readGranted))
  for (let each = 0; each < 10; each += 1) world.call({ arguments: { path: 'secret' } })
  await eventually('all are asked', () => world.count(`${total} widened`) === 10)
  assert.equal(world.notes.length, 3)
  const [first] = world.notes
  assert.deepEqual(first, {
    path: 'countersign/shadow/difference',
    members: {
      shadow: {
        of: 'd-1',
        change: 'widened',
        rule: 'not-granted',
        from: 'deny not-granted',
        to: 'allow',
        candidate: world.shadow.asked?.name,
      },
    },
  })
  assert.ok(!/secret|files|spiffe/.test(JSON.stringify(world.notes)))
  assert.deepEqual(world.extents[0], { shadow: { asked: 10, candidate: world.shadow.asked?.name } })
})

test('what waits is bounded, what is dropped is counted, and nobody who decides waits', async () => {
  requirement('policy.shadow-changes-nothing')
  await using world = await openWorld()
  await world.shadow.offer(await candidateWith(readGranted))
  world.process.hold()
  for (let each = 0; each < 1500; each += 1) world.call()
  // One batch is with the candidate at the most.
  await eventually('some are asked', () => world.process.asked.length === 2)
  assert.equal(world.count('dropped_total'), 1500 - 1024)
  world.process.go()
  await eventually('the rest is asked', () => world.count(`${total} widened`) === 1024)
  for (const asked of world.process.asked.slice(1)) {
    assert.ok(asked.kind === 'ask' && asked.decided.length <= 64)
  }
  const large = 'x'.repeat(200_000)
  world.process.hold()
  for (let each = 0; each < 30; each += 1) world.call({ arguments: { path: large } })
  assert.ok(world.count('dropped_total') > 1500 - 1024)
  world.process.go()
})

test('to hand questions over takes a twentieth of the time at most', async () => {
  let clock = 0
  await using world = await openWorld({ elapsed: () => (clock += 4) })
  await world.shadow.offer(await candidateWith(readGranted))
  world.call()
  await eventually('it is asked', () => world.pauses.length === 1)
  assert.deepEqual(world.pauses, [76])
})

test('a decision that the log has not taken is no decision', async () => {
  await using world = await openWorld({ isLogFull: () => true })
  await world.shadow.offer(await candidateWith(readGranted))
  world.call()
  await new Promise(setImmediate)
  assert.equal(world.process.asked.length, 1)
})

test('a candidate is asked with the data in force, and of nothing that was decided with other data', async () => {
  requirement('policy.shadow-same-data')
  await using world = await openWorld()
  await world.shadow.offer(await candidateWith({ log: { arguments: 'plain' } }))
  world.process.hold()
  world.call()
  await eventually('one is asked', () => world.process.asked.length === 2)
  world.call()
  await world.renew(readGranted)
  assert.equal(world.count('dropped_total'), 1)
  world.process.go()
  await eventually('it has the data', () => world.process.asked.at(-1)?.kind === 'documents')
  assert.equal(world.call(), true)
  await eventually('all are asked', () => world.count(`${total} same`) === 2)
  assert.equal(world.count(`${total} narrowed`), 0)
})

test('a candidate that is in force is asked nothing', async () => {
  await using world = await openWorld()
  await world.shadow.offer(await candidateWith({}))
  assert.equal(world.shadow.summary, 'it is in force')
  world.call()
  await new Promise(setImmediate)
  assert.equal(world.process.asked.length, 1)
})

test('a candidate that cannot be opened is said to be none, and is tried again with other data', async () => {
  requirement('policy.shadow-changes-nothing')
  await using world = await openWorld()
  const problem = (): string => world.shadow.problem?.message ?? ''
  await world.renew(readGranted)
  // The candidate brings what the data says already.
  await world.shadow.offer(await candidateWith({ grants: { tenants: 'none', subjects: {} } }))
  assert.match(problem(), /^data is said twice, got="data.grants/)
  assert.equal(world.shadow.asked, undefined)
  assert.equal(world.call(), true)
  await world.renew({})
  await eventually('it is asked', () => world.shadow.asked !== undefined)
  assert.equal(problem(), '')
  await world.shadow.offer(contentOf(new Map([['.manifest', Buffer.from('{}')]])))
  assert.match(problem(), /want=policy.wasm/)
  assert.equal(world.processes[0]?.isEnded, true)
})

test('a process that ends is started again, and the policy in force does not notice', async () => {
  requirement('policy.shadow-changes-nothing')
  await using world = await openWorld()
  await world.shadow.offer(await candidateWith(readGranted))
  world.process.hold()
  world.call()
  await eventually('one is asked', () => world.process.asked.length === 2)
  world.process.fail()
  await eventually('another one is there', () => world.processes.length === 2)
  assert.equal(world.processes[0]?.isEnded, true)
  assert.deepEqual(world.pauses, [10_000])
  await eventually('it is asked', () => world.shadow.asked !== undefined)
  assert.equal(world.call(), false)
  await eventually('one is asked', () => world.count(`${total} widened`) === 1)
})

test('a process that cannot be started ends nobody, and is started later', async () => {
  requirement('policy.shadow-changes-nothing')
  await using world = await openWorld({ failsToStart: 2 })
  await world.shadow.offer(await candidateWith(readGranted))
  assert.match(world.shadow.problem?.message ?? '', /cannot be started, got=spawn ENOMEM/)
  assert.equal(world.call(), false)
  await eventually('it is asked', () => world.shadow.asked !== undefined)
  assert.deepEqual(world.pauses, [10_000, 20_000])
})

test('of two candidates the last one is asked', async () => {
  await using world = await openWorld()
  await world.shadow.offer(await candidateWith(readGranted))
  world.process.hold()
  world.call()
  await world.shadow.offer(await candidateWith({}, 'second'))
  assert.equal(world.processes[0]?.isEnded, true)
  assert.equal(world.shadow.asked?.name.revision, 'second')
  const problem = new Error('nobody has signed it')
  world.shadow.refuse(problem)
  assert.equal(world.shadow.asked, undefined)
  assert.equal(world.shadow.problem, problem)
})
