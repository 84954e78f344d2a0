/**
 * What a full handshake costs the gateway, beside Node's TLS alone and Envoy.
 *
 * TLS 1.3 with certificates on both sides and no resumption, four at a time; each connection ends with its handshake. The gateway reads
 * the certificate and judges who that is, besides. CPU is that of the server alone.
 *
 *     npm run bench handshakes -- [--json] [--rounds=7] [--seconds=1]
 */
import { parseArgs } from 'node:util'
import { answersOf, answerText } from './gateway/contest.ts'
import { startEnvoy } from './gateway/envoy.ts'
import { findEnvoy } from '../test/tools/envoy.ts'
import { startRole } from './gateway/start-contestant.ts'
import { withContest } from './rig/contest.ts'
import { median, report, rounded } from './rig/report.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '1' },
  },
})

await withContest({ callers: 4, answer: answerText, answers: answersOf(0) }, async (contest) => {
  const load = { connections: 4 }
  await contest.add('gateway', startRole('gateway'), load)
  await contest.add('bare node:tls', startRole('bare-tls'), load)
  const program = findEnvoy()
  if (program !== undefined) {
    const { callerSpiffeIds } = contest.material
    const kind = { mcp: true, args: false, callerSpiffeIds }
    await contest.add('Envoy', (setting) => startEnvoy(program, setting, kind), load)
  }
  await contest.round({ do: 'handshake', requests: 500 })
  for (const { rounds } of contest.list) rounds.length = 0
  for (let index = 0; index < Number(values.rounds); index += 1) {
    await contest.round({ do: 'handshake', seconds: Number(values.seconds) })
  }
  const figures = contest.list.map(({ name, rounds }) => ({
    name,
    rate: median(rounds.map(({ requests, seconds }) => requests / seconds)),
    cpu: median(rounds.map(({ cpuMicroseconds }) => cpuMicroseconds)),
  }))
  const of = figures[1]
  report(
    {
      bench: 'handshakes',
      title: `full handshakes, 4 at a time, medians of ${values.rounds} rounds`,
      columns: ['handshakes/s', 'CPU µs', 'of node:tls'],
      rows: figures.map(({ name, rate, cpu }) => ({
        name,
        cells: [
          Math.round(rate),
          Math.round(cpu),
          of === undefined ? undefined : rounded(of.cpu / cpu, 2),
        ],
      })),
    },
    values,
  )
})
