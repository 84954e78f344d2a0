/**
 * What `tools/list` of 500 tools costs through the gateway, and how long it keeps others waiting.
 *
 * Half of the tools are the caller's. The list is the same each time, or another each time: one digit of one description changes, or of
 * each. The longest turn is that of the loop, in time on a processor and in the median of the rounds: so long it kept everybody else waiting.
 *
 *     npm run bench lists -- [--json] [--rounds=5] [--seconds=2] [--tools=500] [--connections=4] [--before=<another tree>]
 *         [--case=<one of the lists>] [--profile=<a folder for profiles of the gateway>]
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { answersOf, answerText, list, type Setting } from './gateway/contest.ts'
import { startEnvoy } from './gateway/envoy.ts'
import { findEnvoy } from '../test/tools/envoy.ts'
import { startRole, type Contestant as Process } from './gateway/start-contestant.ts'
import { bundleContestant } from './rig/bundle-contestant.ts'
import { withContest, type Contestant } from './rig/contest.ts'
import { median, report, rounded } from './rig/report.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    tools: { type: 'string', default: '500' },
    warm: { type: 'string', default: '400' },
    connections: { type: 'string', default: '4' },
    // The gateway of this tree is a contestant too.
    before: { type: 'string' },
    case: { type: 'string' },
    profile: { type: 'string' },
  },
})

interface Row {
  readonly name: string
  readonly contestant: Contestant
  readonly turns: readonly number[]
}

const rows: Row[] = []
/** One of the caller's. */
const middle = 2 * Math.floor(Number(values.tools) / 4)
const still = ' 000000'
const turning = ' {turn}'
const cases: Readonly<Record<string, (index: number) => string>> = {
  'the same list': () => still,
  'one definition changed': (index) => (index === middle ? turning : still),
  'another list each time': () => turning,
}
for (const [name, mark] of Object.entries(cases)) {
  if (values.case === undefined || values.case === name) rows.push(...(await measure(name, mark)))
}
print()

async function measure(what: string, mark: (index: number) => string): Promise<readonly Row[]> {
  const made: (Row & { readonly turns: number[]; readonly process?: Process | undefined })[] = []
  const answers = answersOf(Number(values.tools) - 1, mark)
  await withContest({ callers: 1, answer: answerText, answers }, async (contest) => {
    const load = { ...list, want: '"tool_2"', connections: Number(values.connections) }
    for (const role of [
      'gateway',
      ...(values.before === undefined ? [] : ['before']),
      'forwarder',
    ]) {
      let process: Process | undefined
      const start = await startOf(role, contest.material.folder)
      const contestant = await contest.add(
        role,
        async (setting) => (process = await start(setting)),
        load,
      )
      made.push({ name: `${role}, ${what}`, contestant, turns: [], process })
    }
    const program = findEnvoy()
    if (program !== undefined) {
      const { callerSpiffeIds } = contest.material
      const kind = { mcp: false, args: false, callerSpiffeIds }
      const envoy = await contest.add(
        'Envoy bare',
        (setting) => startEnvoy(program, setting, kind),
        load,
      )
      made.push({ name: `Envoy bare, ${what}`, contestant: envoy, turns: [] })
    }
    await contest.round({ requests: Number(values.warm) })
    for (const { contestant, process } of made) {
      contestant.rounds.length = 0
      await process?.longestTurn()
    }
    for (let index = 0; index < Number(values.rounds); index += 1) {
      await contest.round({ seconds: Number(values.seconds) })
      for (const { turns, process } of made) {
        if (process !== undefined) turns.push(await process.longestTurn())
      }
    }
  })
  return made
}

async function startOf(
  role: string,
  folder: string,
): Promise<(setting: Setting) => Promise<Process>> {
  const { profile } = values
  const execArgv = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
  if (role !== 'before') return startRole(role, role === 'gateway' ? execArgv : [])
  const program = await bundleContestant(join(folder, role), values.before)
  const start = startRole('gateway', execArgv)
  return (setting) => start({ ...setting, program })
}

function print(): void {
  report(
    {
      bench: 'lists',
      title: `tools/list of ${values.tools} tools, ${values.connections} connections, medians of ${values.rounds} rounds`,
      columns: ['lists/s', 'p50 ms', 'CPU ms', 'longest turn ms'],
      rows: rows.map(({ name, contestant: { rounds }, turns }) => ({
        name,
        cells: [
          Math.round(median(rounds.map(({ requests, seconds }) => requests / seconds))),
          rounded(median(rounds.map(({ p50Milliseconds }) => p50Milliseconds)), 1),
          rounded(median(rounds.map((each) => each.cpuMicroseconds)) / 1000, 2),
          turns.length === 0 ? undefined : rounded(median(turns), 1),
        ],
      })),
    },
    values,
  )
}
