/**
 * What a call through the gateway costs, beside Envoy, a forwarder, an SDK's objects and the necessary work alone.
 *
 * `tools/call` over TLS 1.3 with client certificates on both sides, on 16 kept-alive connections, driven by a load generator in Go.
 * Contestants take turns in rounds of a second in one run, so that a busy machine slows all alike; each is warmed by 15,000 calls first.
 * CPU is that of all processes and threads of a contestant.
 *
 *     npm run bench gateway -- [--json] [--rounds=7] [--seconds=1] [--warm=15000] [--only=gateway,inline]
 *         [--before=<another tree>] [--profile=<a folder for profiles of the gateway>]
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { checkRefusals, type Decides } from './gateway/check-refusals.ts'
import { answersOf, answerText, call, type Setting } from './gateway/contest.ts'
import { accessLogFile, startEnvoy, type EnvoyKind } from './gateway/envoy.ts'
import { findEnvoy } from '../test/tools/envoy.ts'
import { decisionLogFile } from './gateway/product.ts'
import { folderOfWorker } from './gateway/workers.ts'
import { profilingTo, startRole } from './gateway/start-contestant.ts'
import { bundleContestant } from './rig/bundle-contestant.ts'
import { withContest, type Contest, type Contestant, type Started } from './rig/contest.ts'
import { median, report, rounded } from './rig/report.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '1' },
    warm: { type: 'string', default: '15000' },
    only: { type: 'string' },
    // The gateway of this tree is a contestant too.
    before: { type: 'string' },
    profile: { type: 'string' },
  },
})

const ours = 'gateway'
const before = 'gateway, before'
const peer = 'Envoy MCP + RBAC'
const inline = 'the necessary work inline'
const ourLog = { logs: [decisionLogFile], decides: 'arguments' } as const
const logsOfTwo = [1, 2].map((number) => join(folderOfWorker('', number), decisionLogFile))

await withContest(
  { callers: 1, answer: answerText, answers: answersOf(2) },
  async (contest, upstream) => {
    const logs = await startAll(contest, upstream)
    await contest.round({ requests: Number(values.warm) })
    for (const each of contest.list) each.rounds.length = 0
    for (let index = 0; index < Number(values.rounds); index += 1) {
      await contest.round({ seconds: Number(values.seconds) })
    }
    for (const [each, files] of logs) {
      await each.driver.close()
      await each.close()
      checkLogs(
        each,
        files.map((file) => join(each.folder, file)),
      )
    }
    print(contest.list)
  },
)

/** Starts whom the command line asks for, and gives those that write a line a call, each with its files. */
async function startAll(
  contest: Contest,
  upstream: Started,
): Promise<ReadonlyMap<Contestant, readonly string[]>> {
  const only = values.only?.split(',')
  const logs = new Map<Contestant, readonly string[]>()
  const add = async (
    name: string,
    start: (setting: Setting) => Promise<Started>,
    more: {
      readonly path?: string
      readonly logs?: readonly string[]
      readonly decides?: Decides
    } = {},
  ): Promise<void> => {
    if (only !== undefined && !only.some((word) => isMeant(word, name))) return
    const { path = '/mcp/tools', logs: files, decides = 'nothing' } = more
    const load = { ...call, path, want: '"a map"', connections: 16 }
    const each = await contest.add(name, start, load)
    each.calls = await checkRefusals(contest.material, { name, port: each.port, decides })
    if (files !== undefined) logs.set(each, files)
  }
  await add(ours, startRole('gateway', profilingTo(values.profile)), ourLog)
  if (values.before !== undefined) {
    const program = await bundleContestant(join(contest.material.folder, before), values.before)
    const start = startRole('gateway', profilingTo(values.profile))
    await add(before, (setting) => start({ ...setting, program }), ourLog)
  }
  await add('gateway, policy as a module', startRole('policy-module'), ourLog)
  await add('gateway, two workers', startRole('two-workers'), { ...ourLog, logs: logsOfTwo })
  await add(inline, startRole('inline'), ourLog)
  const program = findEnvoy()
  const envoy = async (name: string, kind: EnvoyKind): Promise<void> => {
    if (program === undefined) return
    const { callerSpiffeIds } = contest.material
    const start = (setting: Setting): Promise<Started> =>
      startEnvoy(program, setting, { ...kind, callerSpiffeIds })
    const decides = kind.args ? 'arguments' : kind.mcp ? 'tool' : 'nothing'
    await add(name, start, { decides, ...(kind.args ? { logs: [accessLogFile] } : {}) })
  }
  await envoy(peer, { mcp: true, args: false })
  await envoy(`${peer} on arguments, access log`, { mcp: true, args: true })
  await envoy('Envoy bare', { mcp: false, args: false })
  await add('bare Node forwarder', startRole('forwarder'))
  await add('MCP SDK objects on both sides', startRole('sdk-objects'))
  const direct = { pid: 0, port: upstream.port, close: async () => {} }
  await add('upstream alone', async () => direct, { path: '/mcp' })
  return logs
}

/** By a part of its name; ours by all of it, as others have that as a part. */
function isMeant(word: string, name: string): boolean {
  return word === ours ? name === ours : name.includes(word)
}

/** A line for each call, and each of them a JSON object: what logs less is quicker. */
function checkLogs({ name, calls }: Contestant, files: readonly string[]): void {
  const texts = files.map((file) => readFileSync(file, 'utf8').trimEnd())
  const lines = texts.flatMap((text) => (text === '' ? [] : text.split('\n')))
  for (const line of lines) JSON.parse(line)
  if (lines.length !== calls) throw new Error(`${name}: want=${calls} events got=${lines.length}`)
}

function print(list: readonly Contestant[]): void {
  const figures = list.map(({ name, rounds, residentMebibytes: memory }) => ({
    name,
    rate: Math.round(median(rounds.map(({ requests, seconds }) => requests / seconds))),
    p50: median(rounds.map(({ p50Milliseconds }) => p50Milliseconds)),
    p99: median(rounds.map(({ p99Milliseconds }) => p99Milliseconds)),
    cpu: median(rounds.map((each) => each.cpuMicroseconds)),
    memory,
  }))
  const of = figures.find(({ name }) => name === peer)
  const octets = Buffer.byteLength(call.body)
  report(
    {
      bench: 'gateway',
      title: `tools/call of ${octets} octets, 16 connections, medians of ${values.rounds} rounds`,
      columns: [
        'calls/s',
        'p50 ms',
        'p99 ms',
        'CPU µs',
        'RSS MiB',
        'calls/s of Envoy',
        'CPU of Envoy',
      ],
      rows: figures.map(({ name, rate, p50, p99, cpu, memory }) => ({
        name,
        cells: [
          rate,
          rounded(p50, 2),
          rounded(p99, 1),
          cpu === 0 ? undefined : rounded(cpu),
          memory === 0 ? undefined : rounded(memory),
          of === undefined ? undefined : rounded(rate / of.rate, 2),
          of === undefined || cpu === 0 ? undefined : rounded(cpu / of.cpu, 2),
        ],
      })),
    },
    values,
  )
}
