/**
 * A gateway for a long time under everything at once: every method, agents and servers of both eras, streams, 1,000 connections,
 * certificates that end, revocations, pods that go, other policies, another certificate of its own, and a tool server that is well and is
 * not: `npm run soak [-- --minutes=30 --seed=1]`. Nothing arrives that policy did not allow or whose caller was not there any more, nobody is
 * told what is another's, who is well is served; afterwards nothing is left of it. Agents, gateway and servers are one process on
 * two cores, so 48 exchanges are under way at a time, and the rest of the connections are idle: without that bound handshakes that had
 * come too late were made again until none came in time.
 */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Era } from '../../src/mcp/message.ts'
import { modern } from '../gateway/world/client.ts'
import type { Answer } from '../gateway/world/upstream.ts'
import { openWorld, type World } from '../gateway/world/world.ts'
import { createRandom, type Random } from '../fuzz/random.ts'
import { eventually } from '../support/eventually.ts'
import { startPod, type Counts, type Pod } from './actors.ts'
import type { Acting } from './exchanges.ts'
import { createLane } from '../../src/lane.ts'
import { createFlapping, type Flapping } from './flapping.ts'
import { openPolicies } from './policies.ts'
import { createFullServer, type FullServer } from './servers.ts'
import { createLedger, type Ledger } from './ledger.ts'
import { checkSeats, countLeft, createHolding, measureHeap, type Left } from './what-is-left.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    connections: { type: 'string', default: '1000' },
  },
})

const connectionsOfPod = 20
/** No certificate is issued for less than an hour, so the clock of the gateway is nearly an hour ahead. */
const now = (): number => Date.now() + (3600 - 10) * 1000
/** What the gateway may have grown by from the first third of the time to its end, in mebibytes. */
const growthMax = 16
/** What is kept for a caller or a server that has been heard of once. */
const promisesMore = 100
/** How much may be late, of what is answered. */
const lateMax = 0.02
/** What is under way at a time is done in time on two cores that have much else to do, too: where all is slow, less is asked. */
const underWayMax = 48

/** What each tool server speaks. */
const eras: Readonly<Record<string, readonly Era[]>> = {
  files: ['modern', 'legacy'],
  new: ['modern'],
  old: ['legacy'],
  flaky: ['modern', 'legacy'],
}

interface Stage {
  readonly world: World
  readonly ledger: Ledger
  readonly random: Random
  readonly counts: Counts
  readonly flapping: Flapping
  readonly full: readonly FullServer[]
  readonly tasks: Acting['tasks']
  decide: Acting['decide']
  /** Changes the policy, and gives what it allows then. */
  swapPolicy(): ReadonlySet<string>
  readonly pods: Pod[]
}

async function main(): Promise<void> {
  const seed = Number(values.seed)
  const random = createRandom(seed)
  const milliseconds = Number(values.minutes) * 60_000
  process.stdout.write(`soak: ${values.minutes} min, --seed=${seed}\n`)
  const policies = await openPolicies(Object.keys(eras))
  const full = Object.fromEntries(Object.keys(eras).map((name) => [name, createFullServer(name)]))
  const answers = Object.fromEntries(
    Object.entries(full).map(([name, { answer }]) => [name, answer]),
  )
  const flapping = createFlapping(answers['flaky'] as Answer, random)
  await using world = await openWorld({
    answers: {
      ...answers,
      files: createHolding(answers['files'] as Answer),
      flaky: flapping.answer,
    },
    streams: Object.fromEntries(Object.entries(full).map(([name, { stream }]) => [name, stream])),
    now,
    // Who was asked something and is not there any more keeps the call at its server open for the first; where the server cannot be
    // reached when it is told so, for the second.
    limits: { askSecondsMax: 5, streamSecondsMax: 20 },
    authorizer: () => policies.authorizer,
    upstreams: (configs) =>
      configs.map((config) => ({
        ...config,
        eras: eras[config.server] ?? [],
        timeoutSeconds: config.server === 'flaky' ? 5 : 60,
      })),
  })
  const ledger = createLedger(now)
  ledger.allow(policies.allowed)
  const counts: Counts = {
    answered: 0,
    refused: 0,
    broken: 0,
    late: new Map(),
    unexplained: [],
    leaked: [],
  }
  const stage: Stage = {
    world,
    ledger,
    random,
    counts,
    flapping,
    full: Object.values(full),
    tasks: [],
    decide: await openApprover(world),
    swapPolicy: () => policies.swap(),
    pods: [],
  }
  await checkSeats(world)
  world.events.splice(0)
  for (const { received } of Object.values(world.upstreams)) received.splice(0)
  const before = await settled(stage)
  for (let at = 0; at < Number(values.connections) / connectionsOfPod; at += 1) enter(stage)
  const heaps = await disturb(stage, performance.now() + milliseconds)
  for (const pod of stage.pods) pod.stop()
  await Promise.all(stage.pods.map(({ over }) => over))
  judge(stage)
  await checkLeft(stage, before)
  checkHeaps(heaps)
  const { answered, refused, broken } = counts
  const late = [...counts.late.values()].reduce((sum, each) => sum + each, 0)
  for (const [why, number] of counts.late) process.stdout.write(`soak: late ${number}: ${why}\n`)
  const told = `${answered} answered, ${refused} refused, ${broken} broken, ${late} late`
  process.stdout.write(`soak: ${told}; heap MiB ${heaps.map(Math.round).join(' ')}\n`)
  process.stdout.write(`soak: arrived ${JSON.stringify(Object.fromEntries(ledger.arrived))}\n`)
  assert.ok(answered > 0 && refused > 0, 'something happened')
  assert.ok(late < answered * lateMax, 'who is well is served in time')
  assert.deepEqual(
    arrivals.filter((method) => !ledger.arrived.has(method)),
    [],
    'never arrived',
  )
}

/** What has to have been asked of some server: a method that is never sent proves nothing. */
const arrivals = [
  'initialize',
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'tools/call',
  'prompts/get',
  'resources/read',
  'completion/complete',
  'resources/subscribe',
  'subscriptions/listen',
  'tasks/get',
  'tasks/update',
  'tasks/cancel',
  'tasks/result',
]

/** Somebody whom policy lets decide. */
async function openApprover(world: World): Promise<Stage['decide']> {
  const person = await world.agent({
    namespace: 'ops',
    serviceAccount: 'oncall',
    tenant: 'ops',
    toolScopes: 'files:none',
  })
  return (method, ticket) => {
    const { body, headers } = modern(`approvals/${method}`, { ticket })
    return person.post('/mcp', body, headers)
  }
}

const lane = createLane({ openMax: underWayMax, waitingMax: 10_000, waitingOctetsMax: 0 })

function enter(stage: Stage): void {
  const { random, pods } = stage
  const pod = startPod({
    ...stage,
    lane,
    connections: connectionsOfPod,
    lifetimeSeconds: random.oneIn(3) ? 3600 + random.below(20) : 86_400,
    pauseMilliseconds: 20_000,
  })
  pods.push(pod)
}

/** Something happens again and again; gives the heap at the end of each third. */
async function disturb(stage: Stage, until: number): Promise<readonly number[]> {
  const started = performance.now()
  const heaps: number[] = []
  while (performance.now() < until) {
    await delay(200 + stage.random.below(400))
    stage.random.pick(happenings)(stage)
    for (const pod of stage.pods.filter(({ name }) => !stage.ledger.isThere(name)))
      renew(stage, pod)
    judge(stage)
    const third = (until - started) / 3
    if (performance.now() > started + third * (heaps.length + 1)) heaps.push(await measureHeap())
  }
  return heaps
}

type Happening = (stage: Stage) => void

const happenings: readonly Happening[] = [
  ({ full }) => {
    for (const server of full) server.tell()
  },
  ({ flapping }) => flapping.flap(),
  (stage) => stage.ledger.allow(stage.swapPolicy()),
  (stage) => {
    const pod = leave(stage)
    const { revocations } = stage.world
    const revoked = { name: pod.name, podUid: pod.podUid, reason: 'soak' }
    revocations.set([revoked, ...revocations.current().slice(0, 20)])
    stage.ledger.end(pod.name)
    enter(stage)
  },
  (stage) => {
    const pod = leave(stage)
    const { gone } = stage.world
    gone.set(new Set([pod.podUid, ...[...gone.current()].slice(0, 20)]))
    stage.ledger.end(pod.name)
    enter(stage)
  },
  ({ world }) => {
    const wanted = { serviceAccount: 'gateway', role: 'tool-broker' } as const
    world.credential.set(world.identities.issue(wanted))
  },
]

/** Another one comes for a pod whose certificate has ended. */
function renew(stage: Stage, pod: Pod): void {
  stage.pods.splice(stage.pods.indexOf(pod), 1)
  setTimeout(() => pod.stop(), 3_000)
  enter(stage)
}

/** Whoever is ended goes on for a while, as one does who has not heard of it. */
function leave(stage: Stage): Pod {
  const { pods, random } = stage
  const [pod] = pods.splice(random.below(pods.length), 1)
  assert.ok(pod !== undefined)
  setTimeout(() => pod.stop(), 3_000)
  return pod
}

function judge({ world, ledger, counts }: Stage): void {
  assert.deepEqual(ledger.judge(world), [], 'nothing arrives that may not')
  assert.deepEqual(counts.leaked, [], 'nobody is told what is not theirs')
  assert.deepEqual(counts.unexplained.slice(0, 8), [], 'who is well is served')
}

async function settled({ world }: Stage): Promise<Left> {
  await eventually('every connection has ended', () => countLeft().connections <= idleOf(world))
  return countLeft()
}

/** Connections of the gateway to its tool servers, two ends each, stay open for a moment. */
function idleOf(world: World): number {
  return Object.keys(world.upstreams).length * 2 * 256
}

async function checkLeft(stage: Stage, before: Left): Promise<void> {
  await eventually('nobody listens or waits any more', () =>
    stage.full.every(({ open }) => open === 0),
  )
  await eventually('nothing more is left than before', () => {
    const left = countLeft()
    if (left.promises > before.promises + promisesMore) return false
    return left.answers <= before.answers + 1 && left.connections <= before.connections
  })
  await checkSeats(stage.world)
}

function checkHeaps(heaps: readonly number[]): void {
  const [first = 0] = heaps
  const last = heaps.at(-1) ?? 0
  assert.ok(last <= first + growthMax, `heap grows, MiB: ${heaps.join(' ')}`)
}

await main()
