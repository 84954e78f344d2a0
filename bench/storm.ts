/**
 * A signer under load on a real API server, beside a plain one of client-go: how long a request waits at a pace, and how fast many at
 * once and a queue after a pause are answered. Both take turns in one run. Needs what `npm run test:cluster` needs, and Go.
 *
 *     npm run bench storm -- [--paces=10,50,100] [--seconds=10] [--burst=2000] [--rounds=2] [--only=signer|client-go]
 *         [--before=<another tree>] [--json]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createPlainClient, type PlainClient } from '../test/support/plain-client.ts'
import { startRealCluster } from '../test/support/real-cluster.ts'
import { cpuMicroseconds, residentMebibytes } from './rig/process-figures.ts'
import { median, quantile, report, rounded, type Cell } from './rig/report.ts'
import { countCalls } from './storm/api-calls.ts'
import {
  signerNames,
  startBefore,
  startOurs,
  startPeer,
  type Contestant,
} from './storm/contestants.ts'
import { buildPeer, startDriver, type Answer, type Driver } from './storm/driver.ts'

const { values } = parseArgs({
  options: {
    paces: { type: 'string', default: '10,50,100' },
    seconds: { type: 'string', default: '10' },
    burst: { type: 'string', default: '2000' },
    rounds: { type: 'string', default: '2' },
    only: { type: 'string' },
    before: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})

/** Nothing takes that long on any machine that is worth a figure. */
const patienceSeconds = 300

interface Rig {
  readonly driver: Driver
  readonly admin: PlainClient
  readonly contestants: readonly Contestant[]
}

interface Figures {
  readonly p50: number
  readonly p99: number
  readonly perSecond: number
  readonly cpuMicroseconds: number
  readonly calls: number
  readonly peakMebibytes: number
}

type Scene = (rig: Rig, contestant: Contestant) => Promise<{ answer: Answer; seconds: number }>

await main()

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-storm-'))
  try {
    const program = buildPeer(folder)
    if (program === undefined) return
    await using cluster = await startRealCluster({})
    const admin = await createPlainClient(cluster.adminKubeconfig)
    await setStage(admin)
    const driver = startDriver(program, cluster.adminKubeconfig)
    await driver.pods(Number(values.burst), Object.values(signerNames))
    const contestants: Contestant[] = []
    if (values.only !== 'client-go') contestants.push(await startOurs(cluster, folder))
    if (values.before !== undefined) {
      contestants.push(await startBefore(cluster, { folder, root: resolve(values.before) }))
    }
    if (values.only !== 'signer') contestants.push(await startPeer(cluster, { folder, program }))
    try {
      await measure({ driver, admin, contestants })
    } finally {
      for (const each of contestants) await each.close()
      await driver.close()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function setStage(admin: PlainClient): Promise<void> {
  const make = async (path: string, body: object): Promise<void> => {
    const answer = await admin({ method: 'POST', path, body })
    if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
  }
  await make('/api/v1/namespaces', { metadata: { name: 'countersign-system' } })
  await make('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    metadata: { name: 'storm' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [
      {
        apiGroup: 'rbac.authorization.k8s.io',
        kind: 'Group',
        name: 'system:serviceaccounts:countersign-system',
      },
    ],
  })
}

async function measure(rig: Rig): Promise<void> {
  const count = Number(values.burst)
  const paces = values.paces.split(',').filter((pace) => pace !== '')
  const scenes: [string, Scene][] = [
    ...paces.map((pace): [string, Scene] => [`${pace}/s`, atPace(Number(pace))]),
    [`${count} at once`, atOnce(count)],
    [`${count} after a pause`, afterPause(count)],
  ]
  const figures = new Map<string, Figures[]>()
  // The first round of each warms it up, and is not told.
  for (const contestant of rig.contestants) await run(rig, contestant, atOnce(500))
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const [name, scene] of scenes) {
      const order = round % 2 === 0 ? rig.contestants : rig.contestants.toReversed()
      for (const contestant of order) {
        const key = `${name}, ${contestant.name}`
        figures.set(key, [...(figures.get(key) ?? []), await run(rig, contestant, scene)])
      }
    }
  }
  const names = scenes.flatMap(([name]) => rig.contestants.map((each) => `${name}, ${each.name}`))
  report(
    {
      bench: 'storm',
      title: 'request created to Issued, as a watch tells it',
      columns: ['p50 ms', 'p99 ms', 'per second', 'CPU µs', 'API calls', 'peak MiB'],
      rows: names.map((name) => ({ name, cells: cellsOf(figures.get(name) ?? []) })),
    },
    { json: values.json },
  )
}

function cellsOf(figures: readonly Figures[]): readonly Cell[] {
  const middle = (pick: (each: Figures) => number, digits = 0): number =>
    rounded(median(figures.map(pick)), digits)
  return [
    middle(({ p50 }) => p50, 1),
    middle(({ p99 }) => p99, 1),
    middle(({ perSecond }) => perSecond),
    middle((each) => each.cpuMicroseconds),
    middle(({ calls }) => calls, 2),
    rounded(Math.max(...figures.map(({ peakMebibytes }) => peakMebibytes))),
  ]
}

function atPace(perSecond: number): Scene {
  const count = Math.max(1, Math.round(perSecond * Number(values.seconds)))
  return async ({ driver }, { signerName }) => {
    const created = await driver.create(signerName, count, perSecond)
    const answer = await driver.await(count, patienceSeconds)
    return { answer, seconds: created.seconds + answer.seconds }
  }
}

function atOnce(count: number): Scene {
  return async ({ driver }, { signerName }) => {
    const created = await driver.create(signerName, count, 0)
    const answer = await driver.await(count, patienceSeconds)
    return { answer, seconds: created.seconds + answer.seconds }
  }
}

/** The queue is there before the contestant sees any of it. */
function afterPause(count: number): Scene {
  return async ({ driver }, contestant) => {
    contestant.hold()
    try {
      await driver.create(contestant.signerName, count, 0)
    } finally {
      contestant.release()
    }
    const answer = await driver.await(count, patienceSeconds)
    return { answer, seconds: answer.seconds }
  }
}

async function run(rig: Rig, contestant: Contestant, scene: Scene): Promise<Figures> {
  const { driver, admin } = rig
  const { pid } = contestant
  const callsBefore = await countCalls(admin)
  const cpuBefore = cpuMicroseconds(pid)
  let peakMebibytes = residentMebibytes(pid)
  const looking = setInterval(() => {
    peakMebibytes = Math.max(peakMebibytes, residentMebibytes(pid))
  }, 100)
  let shown: Awaited<ReturnType<Scene>>
  try {
    shown = await scene(rig, contestant)
  } finally {
    clearInterval(looking)
  }
  // What is said on pods and written down after the answer is work for it, too.
  await delay(1000)
  const { answer, seconds } = shown
  const { done, milliseconds = [], others = [] } = answer
  const cpu = cpuMicroseconds(pid) - cpuBefore
  const calls = (await countCalls(admin)) - callsBefore
  const cleared = await driver.clear()
  if (others.length > 0 || done < cleared.done) {
    const words = `${contestant.name}: want=${cleared.done} issued got=${done}`
    throw new Error([words, ...others].join('; '))
  }
  // Of the clearing, too, there is something to see for it.
  await delay(1000)
  return {
    p50: quantile(milliseconds, 0.5),
    p99: quantile(milliseconds, 0.99),
    perSecond: done / seconds,
    cpuMicroseconds: cpu / done,
    calls: calls / done,
    peakMebibytes,
  }
}
