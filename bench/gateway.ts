/**
 * What a call through the gateway costs, beside Envoy, a forwarder, an SDK's objects and the necessary work alone.
 *
 * `tools/call` over TLS 1.3 with client certificates on both sides, on 16 kept-alive connections, driven by a load generator in Go.
 * Contestants take turns in rounds of a second in one run, so that a busy machine slows all alike; each is warmed by 15,000 calls first.
 * CPU is that of all processes and threads of a contestant.
 *
 *     npm run bench gateway -- [--json] [--rounds=7] [--seconds=1] [--warm=15000] [--only=gateway,inline]
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { answerText, call, answersOf, type Setting } from './gateway/contest.ts'
import { checkRefusals, type Decides } from './gateway/check-refusals.ts'
import { accessLogFile, findEnvoy, startEnvoy, type EnvoyKind } from './gateway/envoy.ts'
import { decisionLogFile } from './gateway/product.ts'
import { startContestant } from './gateway/start-contestant.ts'
import { openGoLoad, type Driver, type GoLoad, type Round } from './rig/go-load.ts'
import { withMaterial, type BenchMaterial } from './rig/material.ts'
import { cpuMicroseconds, residentMebibytes } from './rig/process-figures.ts'
import { median, report, rounded } from './rig/report.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '1' },
    warm: { type: 'string', default: '15000' },
    only: { type: 'string' },
  },
})

interface Started {
  readonly pid: number
  readonly port: number
  close(): Promise<void>
}

interface Contestant extends Started {
  readonly name: string
  readonly driver: Driver
  /** Where it writes a line a call. */
  readonly log?: string | undefined
  readonly rounds: (Round & { readonly cpuMicroseconds: number })[]
  calls: number
  residentMebibytes: number
}

const ours = 'gateway'
const peer = 'Envoy MCP + RBAC'
const inline = 'the necessary work inline'

await withMaterial(1, async (material) => {
  const go = openGoLoad(material.folder)
  if (go === undefined) return
  const upstream = await go.serve({
    credentialPem: material.upstreamPem,
    bundlePem: material.bundlePem,
    answer: answerText,
    answers: answersOf(2),
  })
  const list: Contestant[] = []
  try {
    await startAll({ go, material, upstreamPort: upstream.port, list })
    for (const each of list) await round(each, { requests: Number(values.warm) })
    for (const each of list) each.rounds.length = 0
    for (let index = 0; index < Number(values.rounds); index += 1) {
      for (const each of list) await round(each, { seconds: Number(values.seconds) })
    }
  } finally {
    for (const each of list) await each.driver.close()
    for (const each of list) await each.close()
    await upstream.close()
  }
  for (const each of list) checkLog(each)
  print(list)
})

async function startAll(o: {
  readonly go: GoLoad
  readonly material: BenchMaterial
  readonly upstreamPort: number
  readonly list: Contestant[]
}): Promise<void> {
  const { go, material, upstreamPort, list } = o
  const only = values.only?.split(',')
  const add = async (
    name: string,
    start: (setting: Setting) => Promise<Started>,
    more: { readonly path?: string; readonly log?: string; readonly decides?: Decides } = {},
  ): Promise<void> => {
    if (only !== undefined && !only.some((word) => name.includes(word))) return
    const folder = join(material.folder, String(list.length))
    const setting = { ...material, folder, credentialPem: material.gatewayPem, upstreamPort }
    const started = await start(setting)
    const driver = driverOf(go, material, { name, port: started.port, path: more.path })
    const log = more.log === undefined ? undefined : join(folder, more.log)
    const { decides = 'nothing' } = more
    const each = { name, ...started, driver, log, rounds: [], calls: 0, residentMebibytes: 0 }
    list.push(each)
    each.calls = await checkRefusals(material, { name, port: started.port, decides })
  }
  const role = (role: string) => (setting: Setting) => startContestant(role, setting)
  const decides = 'arguments'
  await add(ours, role('gateway'), { log: decisionLogFile, decides })
  await add(inline, role('inline'), { log: decisionLogFile, decides })
  const program = findEnvoy()
  const envoy = async (name: string, kind: EnvoyKind): Promise<void> => {
    if (program === undefined) return
    const { callerSpiffeIds } = material
    const start = (setting: Setting): Promise<Started> =>
      startEnvoy(program, setting, { ...kind, callerSpiffeIds, baseId: 100 + list.length })
    const decides = kind.args ? 'arguments' : kind.mcp ? 'tool' : 'nothing'
    await add(name, start, { decides, ...(kind.args ? { log: accessLogFile } : {}) })
  }
  await envoy(peer, { mcp: true, args: false })
  await envoy(`${peer} on arguments, access log`, { mcp: true, args: true })
  await envoy('Envoy bare', { mcp: false, args: false })
  await add('bare Node forwarder', role('forwarder'))
  await add('MCP SDK objects on both sides', role('sdk-objects'))
  const direct = { pid: 0, port: upstreamPort, close: async () => {} }
  await add('upstream alone', async () => direct, { path: '/mcp' })
}

function driverOf(
  go: GoLoad,
  { callerPems, bundlePem }: BenchMaterial,
  { name, port, path = '/mcp/tools' }: { name: string; port: number; path?: string | undefined },
): Driver {
  const caller = { credentialPems: callerPems, bundlePem }
  return go.drive(name, { ...caller, ...call, port, path, want: '"a map"', connections: 16 })
}

async function round(
  each: Contestant,
  order: { readonly seconds: number } | { readonly requests: number },
): Promise<void> {
  const before = each.pid === 0 ? 0 : cpuMicroseconds(each.pid)
  const made = await each.driver.round(order)
  const after = each.pid === 0 ? 0 : cpuMicroseconds(each.pid)
  each.calls += made.requests
  each.residentMebibytes = each.pid === 0 ? 0 : residentMebibytes(each.pid)
  each.rounds.push({ ...made, cpuMicroseconds: (after - before) / made.requests })
}

/** A line for each call, and each of them a JSON object: what logs less is quicker. */
function checkLog({ name, log, calls }: Contestant): void {
  if (log === undefined) return
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n')
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
  report(
    {
      bench: 'gateway',
      title: `tools/call of ${Buffer.byteLength(call.body)} octets, 16 connections, medians of ${values.rounds} rounds`,
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
