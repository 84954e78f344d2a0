/**
 * What two workers do beside one: `tools/call` as `bench gateway` has it, on 32 connections.
 *
 * CPU is that of all processes of a gateway. How much more two workers do depends on how many cores they have for themselves: the load
 * generator and the upstream need one as well.
 *
 *     npm run bench workers -- [--json] [--rounds=7] [--seconds=1] [--warm=15000]
 */
import { parseArgs } from 'node:util'
import { answersOf, answerText, call } from './gateway/contest.ts'
import { startRole } from './gateway/start-contestant.ts'
import { withContest } from './rig/contest.ts'
import { median, report, rounded } from './rig/report.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '1' },
    warm: { type: 'string', default: '15000' },
  },
})

await withContest({ callers: 4, answer: answerText, answers: answersOf(2) }, async (contest) => {
  const load = { ...call, want: '"a map"', connections: 32 }
  await contest.add('one worker', startRole('one-worker'), load)
  await contest.add('two workers', startRole('two-workers'), load)
  await contest.round({ requests: Number(values.warm) })
  for (const { rounds } of contest.list) rounds.length = 0
  for (let index = 0; index < Number(values.rounds); index += 1) {
    await contest.round({ seconds: Number(values.seconds) })
  }
  const figures = contest.list.map(({ name, rounds, residentMebibytes }) => ({
    name,
    rate: median(rounds.map(({ requests, seconds }) => requests / seconds)),
    p99: median(rounds.map(({ p99Milliseconds }) => p99Milliseconds)),
    cpu: median(rounds.map(({ cpuMicroseconds }) => cpuMicroseconds)),
    memory: residentMebibytes,
  }))
  const [one] = figures
  report(
    {
      bench: 'workers',
      title: `tools/call, 32 connections, medians of ${values.rounds} rounds`,
      columns: ['calls/s', 'p99 ms', 'CPU µs', 'memory MiB', 'of one worker'],
      rows: figures.map(({ name, rate, p99, cpu, memory }) => ({
        name,
        cells: [
          Math.round(rate),
          rounded(p99, 1),
          Math.round(cpu),
          Math.round(memory),
          one === undefined ? undefined : rounded(rate / one.rate, 2),
        ],
      })),
    },
    values,
  )
})
