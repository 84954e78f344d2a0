/**
 * How long a saved rule takes until a call is refused for it, and the longest time without a decision meanwhile: sources that are followed and built as
 * `npm run dev -- --policy <folder>` does, into an archive that is followed, tested in a process of its own and put in force as a gateway does.
 * It needs `opa`: `node test/tools/build.ts opa`.
 * With `NODE_COMPILE_CACHE` it finds what it has compiled before, as the demonstration does.
 *   npm run bench saved -- [--rounds=10] [--json]
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { buildSources, followSources } from '../dev/session/follow-sources.ts'
import { openPolicy, type OpenPolicy } from '../src/cli/open-policy.ts'
import { run } from '../src/cli/program.ts'
import { silentLog } from '../src/log.ts'
import { silentMetrics } from '../src/metrics.ts'
import { entrypoints } from '../src/policy/engine.ts'
import { callInput } from '../test/policy/call-input.ts'
import { toolPath } from '../test/tools/build.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '10' }, json: { type: 'boolean', default: false } },
})

const tenant = 'acme'

/** What is permitted until a rule denies it. */
const call = callInput({ tenant, role: 'agent', toolScopes: ['files:read'] })

interface Round {
  readonly builtMilliseconds: number
  readonly enforcedMilliseconds: number
  /** Between two decisions, while it was built, tested and put in force. */
  readonly longestGapMilliseconds: number
}

await main()

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-saved-'))
  const stop = new AbortController()
  try {
    await measure(folder, stop.signal)
  } finally {
    stop.abort()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function measure(folder: string, signal: AbortSignal): Promise<void> {
  const opa = toolPath('opa')
  if (opa === undefined) throw new Error('no opa; hint: node test/tools/build.ts opa')
  process.env['COUNTERSIGN_OPA'] = opa
  const sources = join(folder, 'sources')
  const bundle = join(folder, 'bundle.tar.gz')
  const out = (): void => {}
  await run(['policy', 'new', sources], { out, err: out, signal })
  const custom = join(sources, 'countersign', 'custom')
  mkdirSync(custom, { recursive: true })
  const builtAt = Date.now()
  const problem = await buildSources({ sources, bundle, signal })
  if (problem !== undefined) throw new Error(problem)
  flushCompileCache()
  let built = 0
  const tell = (): void => void (built = performance.now())
  followSources({ sources, bundle, signal, builtAt, tell })
  const parts = { log: silentLog, metrics: silentMetrics }
  const grants = join(folder, 'grants.json')
  const granted = { [tenant]: { files: { tools: { read: {} } } } }
  writeFileSync(grants, JSON.stringify({ grants: { tenants: granted, subjects: {} } }))
  await using policy = await openPolicy({ bundle, data: [grants] }, parts)
  const rounds: Round[] = []
  for (let round = 0; round < Number(values.rounds); round += 1) {
    // What the last one left to do is not this one's.
    await delay(1000)
    const code = `round-${round}`
    const begun = performance.now()
    writeFileSync(join(custom, 'saved.rego'), ruleOf(code))
    const { at, longestGapMilliseconds } = await enforced(policy, code)
    const builtMilliseconds = built - begun
    rounds.push({ builtMilliseconds, enforcedMilliseconds: at - begun, longestGapMilliseconds })
  }
  report(rounds)
}

function ruleOf(code: string): string {
  const reason = JSON.stringify({ code, message: 'saved' })
  return `package countersign.custom\n\ndeny contains ${reason} if input.action.name == "tools/call"\n`
}

/** Decides all the time, as a gateway does. */
async function enforced(
  { engine }: OpenPolicy,
  code: string,
): Promise<{ readonly at: number; readonly longestGapMilliseconds: number }> {
  let longest = 0
  let before = performance.now()
  for (;;) {
    const decision = JSON.stringify(engine.evaluate(entrypoints.decision, call))
    const at = performance.now()
    longest = Math.max(longest, at - before)
    before = at
    if (decision.includes(`"${code}"`)) return { at, longestGapMilliseconds: longest }
    await delay(1)
  }
}

function report(rounds: readonly Round[]): void {
  if (values.json) {
    process.stdout.write(`${JSON.stringify(rounds)}\n`)
    return
  }
  for (const name of [
    'builtMilliseconds',
    'enforcedMilliseconds',
    'longestGapMilliseconds',
  ] as const) {
    const sorted = rounds.map((round) => round[name]).toSorted((a, b) => a - b)
    const [median = 0, most = 0] = [sorted[Math.floor(sorted.length / 2)], sorted.at(-1)]
    process.stdout.write(
      `${name.padEnd(24)} median ${median.toFixed(0)} most ${most.toFixed(0)} of ${rounds.length}\n`,
    )
  }
}
