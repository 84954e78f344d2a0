/**
 * What memory connections take that do nothing, beside Node's TLS alone and Envoy.
 *
 * A thousand connections with certificates on both sides, of twenty identities. Resident memory before and after, and the difference of
 * each; the first two hundred connections, opened and ended, are not counted.
 *
 *     npm run bench connections -- [--json] [--connections=1000] [--rounds=3]
 */
import { parseArgs } from 'node:util'
import { answersOf, answerText } from './gateway/contest.ts'
import { startEnvoy } from './gateway/envoy.ts'
import { findEnvoy } from '../test/tools/envoy.ts'
import { startRole } from './gateway/start-contestant.ts'
import { withContest, type Contestant } from './rig/contest.ts'
import { residentMebibytes } from './rig/process-figures.ts'
import { median, report, rounded } from './rig/report.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    connections: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '3' },
  },
})

interface Measured {
  readonly before: number
  readonly after: number
}

const count = Number(values.connections)
const measured = new Map<string, Measured[]>()
for (let index = 0; index < Number(values.rounds); index += 1) await measure()
print()

/** Fresh processes each time: memory that was taken once is not given back. */
async function measure(): Promise<void> {
  await withContest({ callers: 20, answer: answerText, answers: answersOf(0) }, async (contest) => {
    const load = { connections: count }
    await contest.add('gateway', startRole('gateway'), load)
    await contest.add('bare node:tls', startRole('bare-tls'), load)
    const program = findEnvoy()
    if (program !== undefined) {
      const { callerSpiffeIds } = contest.material
      const kind = { mcp: true, args: false, callerSpiffeIds }
      await contest.add('Envoy', (setting) => startEnvoy(program, setting, kind), load)
    }
    for (const each of contest.list) {
      const figures = measured.get(each.name) ?? []
      measured.set(each.name, [...figures, await open(each)])
    }
  })
}

async function open({ driver, pid }: Contestant): Promise<Measured> {
  await driver.round({ do: 'handshake', requests: 200 })
  const before = residentMebibytes(pid)
  await driver.round({ do: 'connect', requests: count })
  return { before, after: residentMebibytes(pid) }
}

function print(): void {
  const perConnection = (figures: readonly Measured[]): number =>
    (median(figures.map(({ before, after }) => after - before)) * 1024) / count
  const of = perConnection(measured.get('bare node:tls') ?? [])
  report(
    {
      bench: 'connections',
      title: `${count} idle connections of 20 identities, medians of ${values.rounds} rounds`,
      columns: ['before MiB', 'after MiB', 'each KiB', 'of node:tls'],
      rows: [...measured].map(([name, figures]) => ({
        name,
        cells: [
          Math.round(median(figures.map(({ before }) => before))),
          Math.round(median(figures.map(({ after }) => after))),
          rounded(perConnection(figures), 1),
          rounded(perConnection(figures) / of, 2),
        ],
      })),
    },
    values,
  )
}
