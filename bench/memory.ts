/**
 * What memory the gateway holds under load, over time.
 *
 * `tools/call` as `bench gateway` has it, without a pause; resident memory after each tenth of the time. A figure that grows from tenth to
 * tenth is a leak.
 *
 *     npm run bench memory -- [--json] [--seconds=60]
 */
import { parseArgs } from 'node:util'
import { answersOf, answerText, call } from './gateway/contest.ts'
import { startRole } from './gateway/start-contestant.ts'
import { withContest } from './rig/contest.ts'
import { report } from './rig/report.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '60' },
  },
})

const parts = 10

await withContest({ callers: 1, answer: answerText, answers: answersOf(2) }, async (contest) => {
  const load = { ...call, want: '"a map"', connections: 16 }
  const names = ['gateway', 'forwarder'] as const
  for (const name of names) await contest.add(name, startRole(name), load)
  const rows = []
  for (let part = 1; part <= parts; part += 1) {
    await contest.round({ seconds: Number(values.seconds) / parts / names.length })
    rows.push({
      name: `after ${part} of ${parts}`,
      cells: contest.list.flatMap(({ calls, residentMebibytes }) => [
        calls,
        Math.round(residentMebibytes),
      ]),
    })
  }
  report(
    {
      bench: 'memory',
      title: `resident memory under load, ${values.seconds} s in turns`,
      columns: ['gateway calls', 'gateway MiB', 'forwarder calls', 'forwarder MiB'],
      rows,
    },
    values,
  )
})
