import { CountersignError, quoted } from '../../../errors.ts'
import { parseLoggedDecision } from '../../../policy/author/logged-decision.ts'
import type { LoggedDecision } from '../../../policy/author/logged-decision.ts'
import { measureRules } from '../../../policy/author/rule-times.ts'
import type { Measured } from '../../../policy/author/rule-times.ts'
import { Refused } from '../../run-program.ts'
import type { Terminal } from '../../terminal.ts'
import { openRules } from './open-bundle.ts'
import { printableName } from './printable.ts'
import { cutLine, noEvent, readEvents } from './read-events.ts'

export interface PolicyBenchOptions {
  readonly log?: readonly string[]
  readonly bundle?: string
  readonly data?: readonly string[]
  readonly decisions?: string
  readonly rounds?: string
  readonly json?: boolean
}

/** After so many the engine has made of the rules what it makes of them. */
const warmEvaluations = 2_000

/** Says what an evaluation takes, and which rules take it, on what was asked before. Throws `Refused` where nothing of the log can be asked. */
export async function runPolicyBench(
  options: PolicyBenchOptions,
  terminal: Terminal,
): Promise<void> {
  const { log = [], bundle, data = [], json } = options
  if (log.length === 0) throw new CountersignError('cli/usage', '--log: want=file got=none')
  if (bundle === undefined)
    throw new CountersignError('cli/usage', '--bundle: want=bundle got=none')
  const decisionsMax = parseCount(options.decisions ?? '1000', '--decisions', 10_000)
  const rounds = parseCount(options.rounds ?? '20', '--rounds', 1_000)
  const decisions = await readDecisions(log, decisionsMax, terminal)
  const rules = await openRules(bundle, data, terminal.signal)
  const { signal } = terminal
  const how = { rounds, warm: warmEvaluations, signal, elapsed: () => performance.now() }
  const measured = await measureRules(rules, decisions, how)
  const ok = measured !== undefined
  const { revision, digest } = rules
  if (json === true) {
    const found = measured ?? { decisions: 0, notMeasured: decisions.length }
    terminal.out(`${JSON.stringify({ version: 1, ok, revision, digest, ...found })}\n`)
  } else if (ok) tell(measured, terminal)
  else {
    terminal.out(`none of ${decisions.length} decisions can be asked about again\n`)
  }
  if (!ok) throw new Refused()
}

function parseCount(text: string, option: string, max: number): number {
  const count = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (count >= 1 && count <= max) return count
  throw new CountersignError('cli/usage', `${option}: want=1..${max} got=${quoted(text)}`)
}

/** The first so many. */
async function readDecisions(
  log: readonly string[],
  max: number,
  { err, signal }: Terminal,
): Promise<readonly LoggedDecision[]> {
  const decisions: LoggedDecision[] = []
  for (const file of log) {
    for await (const { event, place } of readEvents(file, (at) => err(cutLine(at)))) {
      signal.throwIfAborted()
      const decision = parseLoggedDecision(event)
      if (decision === undefined) throw noEvent(place)
      if (typeof decision === 'string') continue
      decisions.push(decision)
      if (decisions.length === max) return decisions
    }
  }
  return decisions
}

function tell(
  { decisions, notMeasured, rounds, microseconds, steps, rules }: Measured,
  { out }: Terminal,
): void {
  const { p50, p99, mean } = microseconds
  out(`${decisions} decisions, ${rounds} times each, of ${shown(steps)} steps\n`)
  if (notMeasured > 0) out(`${notMeasured} more cannot be asked about again\n`)
  out(`p50 ${shown(p50)} µs, p99 ${shown(p99)} µs, mean ${shown(mean)} µs; of the mean\n`)
  out('      µs  evaluations    steps  rule\n')
  for (const rule of rules) {
    const columns = [
      shown(rule.microseconds).padStart(8),
      shown(rule.evaluations).padStart(11),
      shown(rule.steps).padStart(7),
    ]
    out(`${columns.join('  ')}  ${printableName(rule.path)}\n`)
  }
}

function shown(number: number): string {
  return number.toFixed(2)
}
