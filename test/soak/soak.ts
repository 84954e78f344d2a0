/**
 * A gateway for a long time under everything at once: both eras, 1,000 connections, certificates that end, revocations, pods that go,
 * other policies, another certificate of its own, and a tool server that is well and is not: `npm run soak [-- --minutes=30 --seed=1]`.
 * Nothing arrives that policy did not allow or whose caller was not there any more; afterwards nothing is left of it.
 */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createAuthorizer, type Authorizer } from '../../src/policy/authorizer.ts'
import { openWorld, type World } from '../gateway/world/world.ts'
import { answerBoth } from '../gateway/world/upstream.ts'
import { createRandom, type Random } from '../fuzz/random.ts'
import { loadPolicyBundle } from '../support/load-policy.ts'
import { eventually } from '../support/eventually.ts'
import { startPod, type Counts, type Pod } from './actors.ts'
import { createFlapping, toolTexts, type Flapping } from './flapping.ts'
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

interface Stage {
  readonly world: World
  readonly ledger: Ledger
  readonly random: Random
  readonly counts: Counts
  readonly flapping: Flapping
  /** Changes the policy, and gives what it allows then. */
  swapPolicy(): ReadonlySet<string>
  readonly pods: Pod[]
}

async function main(): Promise<void> {
  const seed = Number(values.seed)
  const random = createRandom(seed)
  const milliseconds = Number(values.minutes) * 60_000
  process.stdout.write(`soak: ${values.minutes} min, --seed=${seed}\n`)
  const policies = await openPolicies()
  const flapping = createFlapping('flaky', random)
  await using world = await openWorld({
    answers: {
      files: createHolding(answerBoth({ name: 'files', tools: toolTexts })),
      flaky: flapping.answer,
    },
    now,
    authorizer: () => policies.authorizer,
    upstreams: (configs) => configs.map((config) => ({ ...config, timeoutSeconds: 5 })),
  })
  const ledger = createLedger(now)
  ledger.allow(policies.allowed)
  const counts: Counts = { answered: 0, refused: 0, broken: 0 }
  const swapPolicy = (): ReadonlySet<string> => policies.swap()
  const stage: Stage = { world, ledger, random, counts, flapping, swapPolicy, pods: [] }
  await checkSeats(world)
  world.events.splice(0)
  const before = await settled(stage)
  for (let at = 0; at < Number(values.connections) / connectionsOfPod; at += 1) enter(stage)
  const heaps = await disturb(stage, performance.now() + milliseconds)
  for (const pod of stage.pods) pod.stop()
  await Promise.all(stage.pods.map(({ over }) => over))
  judge(stage)
  await checkLeft(stage, before)
  checkHeaps(heaps)
  const { answered, refused, broken } = counts
  const told = `${answered} answered, ${refused} refused, ${broken} broken, ${ledger.arrived} arrived`
  process.stdout.write(`soak: ${told}; heap MiB ${heaps.map(Math.round).join(' ')}\n`)
  assert.ok(answered > 0 && refused > 0 && ledger.arrived > 0, 'something happened')
}

/** Two policies: one allows `echo` and `other`, one `other` alone. Neither allows `never`. */
async function openPolicies(): Promise<{
  readonly authorizer: Authorizer
  readonly allowed: ReadonlySet<string>
  swap(): ReadonlySet<string>
}> {
  const made = await Promise.all(
    [['echo', 'other'], ['other']].map(async (names) => {
      const tools = Object.fromEntries(names.map((name) => [name, {}]))
      const servers = { files: { tools, prefixes: {} }, flaky: { tools, prefixes: {} } }
      const data = { grants: { tenants: { acme: servers, initech: servers }, subjects: {} } }
      return {
        authorizer: createAuthorizer(await loadPolicyBundle({ data })),
        tools: new Set(names),
      }
    }),
  )
  const [first, second] = made
  assert.ok(first !== undefined && second !== undefined)
  let current = first
  return {
    authorizer: {
      decide: (texts) => current.authorizer.decide(texts),
      shownArguments: (texts, rules) => current.authorizer.shownArguments(texts, rules),
      filter: (texts) => current.authorizer.filter(texts),
      get revision() {
        return current.authorizer.revision
      },
      get digest() {
        return current.authorizer.digest
      },
    },
    allowed: first.tools,
    swap() {
      current = current === first ? second : first
      return current.tools
    },
  }
}

function enter(stage: Stage): void {
  const { random, pods } = stage
  const pod = startPod({
    ...stage,
    connections: connectionsOfPod,
    lifetimeSeconds: random.oneIn(3) ? 3600 + random.below(20) : 86_400,
    pauseMilliseconds: 4_000,
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
    judge(stage)
    const third = (until - started) / 3
    if (performance.now() > started + third * (heaps.length + 1)) heaps.push(await measureHeap())
  }
  return heaps
}

type Happening = (stage: Stage) => void

const happenings: readonly Happening[] = [
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

/** Whoever is ended goes on for a while, as one does who has not heard of it. */
function leave(stage: Stage): Pod {
  const { pods, random } = stage
  const [pod] = pods.splice(random.below(pods.length), 1)
  assert.ok(pod !== undefined)
  setTimeout(() => pod.stop(), 3_000)
  return pod
}

function judge({ world, ledger }: Stage): void {
  assert.deepEqual(ledger.judge(world), [], 'nothing arrives that may not')
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
  await eventually('nothing more is left than before', () => {
    const left = countLeft()
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
