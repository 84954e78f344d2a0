/**
 * Evaluations of the default policy a second, one thread: `npm run bench policy -- [--json] [--grants=11000] [--bodies=0]`. The peer is OPA's
 * own evaluator in Go on the same rules, data and input (`opa bench`), where it is built: `node test/tools/build.ts opa`. With `--bodies` a
 * rule of so many bodies, of which none holds, is asked of each call; that needs `opa`.
 */
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { parseDefinition, type Definition } from '../src/gateway/catalogue/definition.ts'
import { tellTool } from '../src/gateway/catalogue/resource-text.ts'
import { createAuthorizer } from '../src/policy/authorizer.ts'
import type { DecisionResource, DecisionSubject, Evaluated } from '../src/policy/authorizer.ts'
import { argumentsText, askCall, askList, textOf } from '../src/policy/asked.ts'
import type { CallTexts, DecisionContext, ListTexts } from '../src/policy/asked.ts'
import { createDecisionLog } from '../src/policy/decision-log.ts'
import { contentOf } from '../src/policy/bundle-content.ts'
import { readBundle } from '../src/policy/bundle-place.ts'
import { entrypoints, openPolicyBase } from '../src/policy/engine.ts'
import type { EngineName, PolicyEngine } from '../src/policy/engine.ts'
import { openShadow, type Shadow } from '../src/policy/shadow/shadow.ts'
import { shadowed } from '../src/policy/shadow/shadowed-log.ts'
import { startShadow } from '../src/cli/shadow-process.ts'
import type { Metrics } from '../src/metrics.ts'
import { formatInput } from '../src/policy/input.ts'
import { silentLog } from '../src/log.ts'
import { silentMetrics } from '../src/metrics.ts'
import { toolPath } from '../test/tools/build.ts'
import { buildBodies } from './rig/build-bodies.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    grants: { type: 'string', default: '11000' },
    bodies: { type: 'string', default: '0' },
  },
})

const policies = join(import.meta.dirname, '..', 'policies')
const server = 'files'

/** So many grants, in tenants with ten servers of twenty tools and two prefixes with conditions; the last tenant may have fewer. */
function grantsOf(count: number): object {
  const tenants: Record<string, Record<string, object>> = {}
  for (let made = 0; made < count; made += 22) {
    const names = Array.from({ length: Math.min(20, count - made - 2) }, (_, at) => `tool_${at}`)
    const tools = Object.fromEntries(names.map((name) => [name, {}]))
    const prefixes = { read_: {}, write_: { arguments: { branch: ['main', 'next'] } } }
    const at = made / 22
    const servers = (tenants[`tenant-${Math.floor(at / 10)}`] ??= {})
    servers[at % 10 === 0 ? server : `server-${at % 10}`] = { tools, prefixes }
  }
  return { tenants, subjects: {} }
}

function toolOf(name: string): DecisionResource {
  return { type: 'tool', id: name, properties: { server, definitionDigest: 'ab'.repeat(32) } }
}

const caller: DecisionSubject = {
  type: 'identity',
  id: 'spiffe://example.test/ns/research/sa/reader',
  properties: {
    role: 'agent',
    tenant: 'tenant-0',
    models: ['small'],
    toolScopes: [`${server}:read_*`, `${server}:write_*`, `${server}:tool_*`, 'mail:send'],
    namespace: 'research',
    serviceAccount: 'reader',
    pod: { name: 'reader-0', uid: '0bf1c1a4-0ab2-4d0c-9c6e-6b5f3f1f8a11' },
    certificate: { sha256: 'ab'.repeat(32), notAfter: '2026-11-22T10:00:00Z' },
  },
}

const context: DecisionContext = {
  era: 'modern',
  time: '2026-11-22T09:00:00Z',
  door: `mcp/${server}`,
  phase: 'request',
}

// The texts of a connection and of definitions, which the gateway makes once.
const subject = formatInput(caller)
const resource = formatInput(toolOf('write_file'))
const words = { branch: 'main', path: 'a/b', content: 'x'.repeat(500) }
const octets = Buffer.from(JSON.stringify(words))

/** What is made for each call: the digest of its arguments, and the text of its input. */
function callOf(): CallTexts {
  return { subject, action: 'tools/call', resource, arguments: argumentsText(octets), context }
}

const definitions = Array.from({ length: 500 }, (_, index) => definitionOf(index))

function definitionOf(index: number): Definition {
  const name = `${['read_', 'tool_', 'drop_'][index % 3]}${index}`
  const definition = parseDefinition(Buffer.from(JSON.stringify({ name })))
  if (typeof definition === 'string') throw new Error(definition)
  return definition
}

/** What is made for a list of which every definition is new: what policy is told of each, as text and as value. */
function listOf(): ListTexts {
  const resources = definitions.map((each) => tellTool(server, each))
  return { subject, action: 'tools/list', resources, context: { ...context, phase: 'list' } }
}

/** What a mask is asked of: the event of a call, as the log hands it over. */
const event = formatInput({
  input: JSON.parse(textOf(askCall(callOf()))) as object,
  result: { allow: true, reasons: [], obligations: [] },
  digests: {},
})

interface Measured {
  readonly perSecond: number
  readonly p50Microseconds: number
  readonly p99Microseconds: number
  /** Of this thread, for one: garbage and what is drained later are in it. */
  readonly cpuMicroseconds: number
  /** Of the heap of JavaScript, for one; what a module takes of its own memory is not in it. */
  readonly allocatedOctets: number
}

/** The median of some rounds, so that a disturbance of the machine costs one round and not the figure. Contestants take turns. */
async function measure(
  contestants: readonly (() => void)[],
  rounds = 7,
): Promise<readonly Measured[]> {
  const measured = contestants.map((): Measured[] => [])
  for (const evaluate of contestants) await measureRound(evaluate)
  for (let round = 0; round < rounds; round += 1) {
    for (const [at, evaluate] of contestants.entries()) {
      measured[at]?.push(await measureRound(evaluate))
    }
  }
  return measured.map((all) => {
    const median = (figure: (round: Measured) => number): number =>
      all.map(figure).toSorted((a, b) => a - b)[Math.floor(rounds / 2)] ?? 0
    return {
      perSecond: Math.round(median((round) => round.perSecond)),
      p50Microseconds: median((round) => round.p50Microseconds),
      p99Microseconds: median((round) => round.p99Microseconds),
      cpuMicroseconds: median((round) => round.cpuMicroseconds),
      allocatedOctets: Math.round(median((round) => round.allocatedOctets)),
    }
  })
}

/** As many as come in one turn of a loaded gateway. */
const turnEvaluations = 16

async function measureRound(evaluate: () => void, milliseconds = 300): Promise<Measured> {
  const allocatedOctets = allocatedBy(evaluate)
  const times: number[] = []
  const start = performance.now()
  const cpu = process.threadCpuUsage()
  let before = start
  while (before < start + milliseconds) {
    evaluate()
    const after = performance.now()
    times.push(after - before)
    before = after
    if (times.length % turnEvaluations === 0) {
      await new Promise(setImmediate)
      before = performance.now()
    }
  }
  const { user, system } = process.threadCpuUsage(cpu)
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): number => (sorted[Math.floor(sorted.length * share)] ?? 0) * 1000
  return {
    perSecond: (times.length / (before - start)) * 1000,
    p50Microseconds: at(0.5),
    p99Microseconds: at(0.99),
    cpuMicroseconds: (user + system) / times.length,
    allocatedOctets,
  }
}

/** The least of some: where garbage was collected meanwhile the heap has become smaller, and nothing is said. */
function allocatedBy(evaluate: () => void, evaluations = 50): number {
  const grown = Array.from({ length: 9 }, () => {
    const before = process.memoryUsage().heapUsed
    for (let each = 0; each < evaluations; each += 1) evaluate()
    return (process.memoryUsage().heapUsed - before) / evaluations
  })
  const said = grown.filter((octets) => octets > 0).toSorted((a, b) => a - b)
  return said[Math.floor(said.length / 2)] ?? Number.NaN
}

/** Evaluations a second of OPA in Go, undefined where it is not built. */
function measurePeer(entrypoint: string, input: string, data: object): number | undefined {
  const opa = toolPath('opa')
  if (opa === undefined) return undefined
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'))
  try {
    writeFileSync(join(folder, 'input.json'), input)
    writeFileSync(join(folder, 'data.json'), JSON.stringify(data))
    const query = `data.${entrypoint.replaceAll('/', '.')}`
    const rules = bodies === undefined ? [policies] : [join(scratch, 'sources')]
    const files = [
      ...rules.map((root) => join(root, 'countersign')),
      join(folder, 'data.json'),
    ].flatMap((file) => ['--data', file])
    const words = ['bench', ...files, '--input', join(folder, 'input.json'), '--format', 'json']
    const done = spawnSync(opa, [...words, '--benchmem=false', query], { encoding: 'utf8' })
    const { N, T } = JSON.parse(done.stdout) as { readonly N: number; readonly T: number }
    return Math.round((N / T) * 1e9)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** A row of the report. */
function rowOf(name: string, figures: Measured, peer?: number) {
  const { perSecond, allocatedOctets } = figures
  const [p50Microseconds = 0, p99Microseconds = 0, cpuMicroseconds = 0] = [
    figures.p50Microseconds,
    figures.p99Microseconds,
    figures.cpuMicroseconds,
  ].map((figure) => Number(figure.toFixed(1)))
  return {
    bench: 'policy',
    case: name,
    unit: 'evaluations/s',
    ours: perSecond,
    peer: peer ?? null,
    peerName: peer === undefined ? null : 'opa bench (Go)',
    ratio: peer === undefined ? null : Number((perSecond / peer).toFixed(2)),
    p50Microseconds,
    p99Microseconds,
    cpuMicroseconds,
    allocatedOctets,
  }
}

const data = { grants: grantsOf(Number(values.grants)) }

/** The same calls and lists with one engine. */
interface Contestant {
  readonly engine: EngineName
  readonly decide: () => Evaluated<unknown>
  readonly filter: () => Evaluated<unknown>
  readonly mask: () => unknown
  readonly record: (path: string, evaluated: Evaluated<unknown>) => void
  /** The same, with a candidate that is asked afterwards. */
  readonly recordShadowed: Contestant['record']
  readonly flush: () => Promise<void>
  readonly close: () => Promise<void>
}

/** A candidate of the shipped rules, in its process, which is asked of as many as it can take. */
async function openCandidate(engine: PolicyEngine): Promise<Shadow> {
  const documents = [{ name: 'data', value: data }]
  const shadow = openShadow({
    start: startShadow,
    engine: 'plan',
    inForce: () => ({ name: engine, documents }),
    log: silentLog,
    metrics: shadowMetrics,
  })
  const { files } = await readBundle(join(policies, 'bundle'))
  const own = JSON.parse(String(files.get('data.json'))) as object
  const other = Buffer.from(JSON.stringify({ ...own, log: { arguments: 'plain' } }))
  await shadow.offer(contentOf(new Map([...files, ['data.json', other]])))
  if (!shadow.isAsking) throw shadow.problem ?? new Error('want=a candidate that is asked')
  return shadow
}

const asked = { compared: 0, dropped: 0 }

const shadowMetrics: Metrics = {
  ...silentMetrics,
  count(name, _labels, amount = 1) {
    if (name === 'countersign_policy_shadow_decisions_total') asked.compared += amount
    if (name === 'countersign_policy_shadow_dropped_total') asked.dropped += amount
  },
}

async function openContestant(name: EngineName): Promise<Contestant> {
  const base = await openPolicyBase({ engine: name, content: bodies })
  if (base.engine !== name) throw new Error(`want=${name} got=${base.engine}`)
  const engine = base.engineWith([{ name: 'data', value: data }])
  const authorizer = createAuthorizer(engine)
  if (!authorizer.decide(callOf()).value.allow) throw new Error('want=a call that is allowed')
  const decisionLog = createDecisionLog(
    {
      available: true,
      waitingOctets: 0,
      append: () => true,
      flush: async () => {},
      [Symbol.asyncDispose]: async () => {},
    },
    { engine, labels: () => ({}), now: Date.now, log: silentLog, metrics: silentMetrics },
  )
  const shadow = name === 'plan' ? await openCandidate(engine) : undefined
  const recorded = shadowed(decisionLog, shadow)
  return {
    engine: name,
    recordShadowed: (path, evaluated) =>
      void recorded.record({ decisionId: randomUUID(), path, evaluated, requestedBy: caller.id }),
    decide: () => authorizer.decide(callOf()),
    filter: () => authorizer.filter(listOf()),
    // The log has its values already, as it has for each event.
    mask: () => engine.evaluate(entrypoints.mask, event, (read) => read(event)),
    record(path, evaluated) {
      decisionLog.record({ decisionId: randomUUID(), path, evaluated, requestedBy: caller.id })
    },
    flush: () => decisionLog.flush(),
    close: async () => shadow?.[Symbol.asyncDispose](),
  }
}

const scratch = mkdtempSync(join(tmpdir(), 'countersign-bodies-'))
const bodiesCount = Number(values.bodies)
const bodies = bodiesCount > 0 ? await buildBodies(scratch, bodiesCount) : undefined

const plan = await openContestant('plan')
const contestants = [plan, await openContestant('wasm')]

type Case = readonly [string, (c: Contestant) => void, (readonly [string, string])?]

const cases: readonly Case[] = [
  ['mcp decision', (c) => c.decide(), [entrypoints.decision, textOf(askCall(callOf()))]],
  ['mcp decision with its event', (c) => c.record('decision', c.decide())],
  ['mask of its event', (c) => c.mask(), [entrypoints.mask, event]],
  ['mcp list of 500 tools', (c) => c.filter(), [entrypoints.list, textOf(askList(listOf()))]],
  ['mcp list with its event', (c) => c.record('list', c.filter())],
]

const rows: ReturnType<typeof rowOf>[] = []
for (const [name, evaluate, asked] of cases) {
  const measured = await measure(contestants.map((each) => () => evaluate(each)))
  for (const { flush } of contestants) await flush()
  const peer = asked === undefined ? undefined : measurePeer(asked[0], asked[1], data)
  for (const [at, { engine }] of contestants.entries()) {
    const figures = measured[at]
    if (figures === undefined) continue
    rows.push(rowOf(`${name}, ${engine}`, figures, peer))
  }
}

// What a candidate costs those who decide: the same calls without and with one, taking turns.
const path = entrypoints.decision
const shadowing = await measure([
  () => plan.record(path, plan.decide()),
  () => plan.recordShadowed(path, plan.decide()),
])
for (const { flush } of contestants) await flush()
for (const [at, name] of ['without a candidate', 'with a candidate'].entries()) {
  const figures = shadowing[at]
  if (figures === undefined) continue
  rows.push(rowOf(`decision, event, ${name}`, figures))
}
const { compared, dropped } = asked
for (const { close } of contestants) await close()
rmSync(scratch, { recursive: true })

if (values.json) {
  for (const row of rows) process.stdout.write(`${JSON.stringify(row)}\n`)
} else {
  process.stdout.write(
    `${'case'.padEnd(36)} ${'ours/s'.padStart(9)} ${'p50 µs'.padStart(9)} ${'p99 µs'.padStart(9)} ${'CPU µs'.padStart(9)} ${'octets'.padStart(9)} ${'opa/s'.padStart(9)} ${'ratio'.padStart(6)}\n`,
  )
  for (const row of rows) {
    const { p50Microseconds, p99Microseconds, cpuMicroseconds, allocatedOctets } = row
    const times = [row.ours, p50Microseconds, p99Microseconds, cpuMicroseconds]
    const figures = [...times, allocatedOctets, row.peer ?? '-']
    const cells = figures.map((figure) => String(figure).padStart(9)).join(' ')
    process.stdout.write(
      `${row.case.padEnd(36)} ${cells} ${String(row.ratio ?? '-').padStart(6)}\n`,
    )
  }
  process.stdout.write(`a candidate was asked of ${compared} decisions, ${dropped} were dropped\n`)
}
