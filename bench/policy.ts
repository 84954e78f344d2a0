/**
 * Evaluations of the default policy a second, one thread: `node bench/policy.ts [--json]`. The peer is OPA's own
 * evaluator in Go on the same rules, data and input (`opa bench`), where it is built: `node test/tools/build.ts opa`.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAuthorizer } from '../src/policy/authorizer.ts'
import type { DecisionInput, DecisionResource, ListInput } from '../src/policy/authorizer.ts'
import { createDecisionLog } from '../src/policy/decision-log.ts'
import { entrypoints, openPolicyBase } from '../src/policy/engine.ts'
import { silentLog } from '../src/log.ts'
import { silentMetrics } from '../src/metrics.ts'
import { toolPath } from '../test/tools/build.ts'

const policies = join(import.meta.dirname, '..', 'policies')
const server = 'files'

/** Fifty tenants with ten servers of twenty tools each, and prefixes with conditions. */
function grantsOf(): object {
  const tools = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`tool_${index}`, {}]))
  const prefixes = { read_: {}, write_: { arguments: { branch: ['main', 'next'] } } }
  const servers = Object.fromEntries(
    Array.from({ length: 10 }, (_, index) => [
      index === 0 ? server : `server-${index}`,
      { tools, prefixes },
    ]),
  )
  const tenants = Array.from({ length: 50 }, (_, index) => [`tenant-${index}`, servers])
  return { tenants: Object.fromEntries(tenants), subjects: {} }
}

function toolOf(name: string): DecisionResource {
  return { type: 'tool', id: name, properties: { server, definitionDigest: 'ab'.repeat(32) } }
}

const subject: DecisionInput['subject'] = {
  type: 'identity',
  id: 'spiffe://example.test/ns/research/sa/reader',
  properties: {
    role: 'agent',
    tenant: 'tenant-7',
    models: ['small'],
    toolScopes: [`${server}:read_*`, `${server}:write_*`, `${server}:tool_*`, 'mail:send'],
    namespace: 'research',
    serviceAccount: 'reader',
    pod: { name: 'reader-0', uid: '0bf1c1a4-0ab2-4d0c-9c6e-6b5f3f1f8a11' },
    certificate: { sha256: 'ab'.repeat(32), notAfter: '2026-11-22T10:00:00Z' },
  },
}

const context: DecisionInput['context'] = {
  era: 'modern',
  time: '2026-11-22T09:00:00Z',
  door: `mcp/${server}`,
  phase: 'request',
}

const call: DecisionInput = {
  subject,
  action: { name: 'tools/call' },
  resource: toolOf('write_file'),
  context: { ...context, arguments: { branch: 'main', path: 'a/b', content: 'x'.repeat(500) } },
}

const list: ListInput = {
  subject,
  action: { name: 'tools/list' },
  resources: Array.from({ length: 500 }, (_, index) =>
    toolOf(`${['read_', 'tool_', 'drop_'][index % 3]}${index}`),
  ),
  context: { ...context, phase: 'list' },
}

interface Measured {
  readonly perSecond: number
  readonly p50Microseconds: number
  readonly p99Microseconds: number
}

/** The median of some rounds, so that a disturbance of the machine costs one round and not the figure. */
function measure(evaluate: () => void, rounds = 7): Measured {
  measureRound(evaluate)
  const measured = Array.from({ length: rounds }, () => measureRound(evaluate))
  const median = (figure: (round: Measured) => number): number =>
    measured.map(figure).toSorted((a, b) => a - b)[Math.floor(rounds / 2)] ?? 0
  return {
    perSecond: Math.round(median((round) => round.perSecond)),
    p50Microseconds: median((round) => round.p50Microseconds),
    p99Microseconds: median((round) => round.p99Microseconds),
  }
}

function measureRound(evaluate: () => void, milliseconds = 300): Measured {
  const times: number[] = []
  const start = performance.now()
  let before = start
  while (before < start + milliseconds) {
    evaluate()
    const after = performance.now()
    times.push(after - before)
    before = after
  }
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): number => (sorted[Math.floor(sorted.length * share)] ?? 0) * 1000
  return {
    perSecond: (times.length / (before - start)) * 1000,
    p50Microseconds: at(0.5),
    p99Microseconds: at(0.99),
  }
}

/** Evaluations a second of OPA in Go, undefined where it is not built. */
function measurePeer(entrypoint: string, input: object, data: object): number | undefined {
  const opa = toolPath('opa')
  if (opa === undefined) return undefined
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'))
  try {
    writeFileSync(join(folder, 'input.json'), JSON.stringify(input))
    writeFileSync(join(folder, 'data.json'), JSON.stringify(data))
    const query = `data.${entrypoint.replaceAll('/', '.')}`
    const files = ['--data', join(policies, 'countersign'), '--data', join(folder, 'data.json')]
    const words = ['bench', ...files, '--input', join(folder, 'input.json'), '--format', 'json']
    const done = spawnSync(opa, [...words, '--benchmem=false', query], { encoding: 'utf8' })
    const { N, T } = JSON.parse(done.stdout) as { readonly N: number; readonly T: number }
    return Math.round((N / T) * 1e9)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const data = { grants: grantsOf() }
const engine = (await openPolicyBase()).engineWith([{ name: 'data', value: data }])
const authorizer = createAuthorizer(engine)
if (!authorizer.decide(call).value.allow) throw new Error('want=a call that is allowed')

const decisionLog = createDecisionLog(
  {
    available: true,
    append: () => true,
    flush: async () => {},
    [Symbol.asyncDispose]: async () => {},
  },
  { engine, labels: () => ({}), now: Date.now, log: silentLog, metrics: silentMetrics },
)

function decideAndRecord(): void {
  const evaluated = authorizer.decide(call)
  decisionLog.record({ decisionId: 'd', path: entrypoints.decision, evaluated, requestedBy: 'x' })
}

const cases: readonly (readonly [string, () => void, readonly [string, object] | undefined])[] = [
  ['mcp decision', () => authorizer.decide(call), [entrypoints.decision, call]],
  ['mcp decision with its event', decideAndRecord, undefined],
  ['mcp list of 500 tools', () => authorizer.filter(list), [entrypoints.list, list]],
]

const rows = cases.map(([name, evaluate, asked]) => {
  const { perSecond: ours, p50Microseconds, p99Microseconds } = measure(evaluate)
  const peer = asked === undefined ? undefined : measurePeer(asked[0], asked[1], data)
  const ratio = peer === undefined ? null : Number((ours / peer).toFixed(2))
  return {
    bench: 'policy',
    case: name,
    unit: 'evaluations/s',
    ours,
    peer: peer ?? null,
    peerName: peer === undefined ? null : 'opa bench (Go)',
    ratio,
    p50Microseconds: Number(p50Microseconds.toFixed(1)),
    p99Microseconds: Number(p99Microseconds.toFixed(1)),
  }
})

if (process.argv.includes('--json')) {
  for (const row of rows) process.stdout.write(`${JSON.stringify(row)}\n`)
} else {
  process.stdout.write(
    `${'case'.padEnd(30)} ${'ours/s'.padStart(9)} ${'p50 µs'.padStart(9)} ${'p99 µs'.padStart(9)} ${'opa/s'.padStart(9)} ${'ratio'.padStart(6)}\n`,
  )
  for (const row of rows) {
    const figures = [row.ours, row.p50Microseconds, row.p99Microseconds, row.peer ?? '-']
    const cells = figures.map((figure) => String(figure).padStart(9)).join(' ')
    process.stdout.write(
      `${row.case.padEnd(30)} ${cells} ${String(row.ratio ?? '-').padStart(6)}\n`,
    )
  }
}
