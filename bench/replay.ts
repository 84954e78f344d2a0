/**
 * How long `countersign policy replay` takes over a large decision log, and what memory it holds.
 *
 * The log is that of a gateway with the shipped rules: calls of twenty tools of one server, every second of them granted, in the order in
 * which they came. The command is a process of its own. A log of a tenth goes before it, so that one can see whether memory grows with it.
 *
 *     npm run bench replay -- [--json] [--decisions=1000000]
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { linesOf } from '../test/policy/author/logged-events.ts'
import { loadPolicyBundle } from '../test/support/load-policy.ts'
import { cpuMicroseconds, residentMebibytes } from './rig/process-figures.ts'
import { report, rounded } from './rig/report.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    decisions: { type: 'string', default: '1000000' },
  },
})

const root = join(import.meta.dirname, '..')
const names = Array.from({ length: 20 }, (_, index) => `tool_${index}`)
const granted = Object.fromEntries(names.filter((_, at) => at % 2 === 0).map((name) => [name, {}]))
const data = { grants: { tenants: { acme: { files: { tools: granted } } }, subjects: {} } }

interface Replayed {
  readonly seconds: number
  readonly cpuSeconds: number
  readonly mostMebibytes: number
}

/** The lines come again and again: each has its number, which nothing of a replay looks at. */
async function writeLog(file: string, lines: readonly string[], count: number): Promise<void> {
  const out = createWriteStream(file)
  for (let written = 0; written < count; written += lines.length) {
    const some = lines.slice(0, count - written)
    if (!out.write(`${some.join('\n')}\n`)) await once(out, 'drain')
  }
  out.end()
  await finished(out)
}

async function replay(log: string, documents: string, count: number): Promise<Replayed> {
  const bundle = join(root, 'policies', 'bundle')
  const words = ['policy', 'replay', '--log', log, '--candidate', bundle, '--data', documents]
  const start = performance.now()
  const child = spawn(process.execPath, [join(root, 'dist/cli/main.js'), ...words, '--json'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const told: Buffer[] = []
  child.stdout.on('data', (some: Buffer) => void told.push(some))
  const most = { cpu: 0, memory: 0 }
  const { pid = 0 } = child
  const look = setInterval(() => {
    most.cpu = Math.max(most.cpu, cpuMicroseconds(pid))
    most.memory = Math.max(most.memory, residentMebibytes(pid))
  }, 200)
  try {
    const [code] = (await once(child, 'close')) as [number | null]
    const { counts } = JSON.parse(Buffer.concat(told).toString()) as { counts: { same: number } }
    if (code !== 0 || counts.same !== count) throw new Error(`want=${count} got=${counts.same}`)
  } finally {
    clearInterval(look)
  }
  const seconds = (performance.now() - start) / 1000
  return { seconds, cpuSeconds: most.cpu / 1_000_000, mostMebibytes: most.memory }
}

const folder = await mkdtemp(join(tmpdir(), 'countersign-bench-replay-'))
try {
  const documents = join(folder, 'grants.json')
  await writeFile(documents, JSON.stringify(data))
  const calls = Array.from({ length: 1000 }, (_, at) => ({
    tool: names[at % names.length] ?? '',
    arguments: { path: `folder/${at}`, content: 'x'.repeat(200) },
  }))
  // The last one is of a list.
  const lines = linesOf(await loadPolicyBundle({ data }), calls).slice(0, -1)
  const log = join(folder, 'decisions.jsonl')
  const rows = []
  for (const count of [Number(values.decisions) / 10, Number(values.decisions)]) {
    await writeLog(log, lines, count)
    const { size } = await stat(log)
    const { seconds, cpuSeconds, mostMebibytes } = await replay(log, documents, count)
    const cells = [
      rounded(size / 1024 / 1024),
      rounded(seconds, 1),
      rounded(cpuSeconds, 1),
      rounded(count / seconds),
      rounded(mostMebibytes),
    ]
    rows.push({ name: `${count.toLocaleString('en-US')} decisions`, cells })
  }
  const columns = ['log MiB', 'seconds', 'CPU s', 'decisions/s', 'most MiB']
  report({ bench: 'replay', title: 'policy replay', columns, rows }, values)
} finally {
  await rm(folder, { recursive: true, force: true })
}
