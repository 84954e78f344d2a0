import { CountersignError, quoted } from '../../../errors.ts'
import { explainDecision } from '../../../policy/author/explain.ts'
import type { Explained } from '../../../policy/author/explain.ts'
import { nameOf, parseLoggedDecision, HiddenRead } from '../../../policy/author/logged-decision.ts'
import type { LoggedDecision, Result } from '../../../policy/author/logged-decision.ts'
import { nearestPermits, type NearestPermits } from '../../../policy/author/nearest-permits.ts'
import { Refused } from '../../run-program.ts'
import type { Terminal } from '../../terminal.ts'
import { openRules } from './open-bundle.ts'
import type { OpenedRules } from './open-bundle.ts'
import { printableName, printableText } from './printable.ts'
import { cutLine, noEvent, readEvents } from './read-events.ts'

export interface PolicyExplainOptions {
  readonly log?: readonly string[]
  readonly bundle?: string
  readonly data?: readonly string[]
  readonly json?: boolean
}

/** Tells which rules decided. Throws `Refused` where they rest on what the event does not show, or decide otherwise now. */
export async function runPolicyExplain(
  id: string,
  options: PolicyExplainOptions,
  terminal: Terminal,
): Promise<void> {
  const { log = [], bundle, data = [], json } = options
  if (log.length === 0) throw new CountersignError('cli/usage', '--log: want=file got=none')
  if (bundle === undefined)
    throw new CountersignError('cli/usage', '--bundle: want=bundle got=none')
  const decision = await findDecision(id, log, terminal)
  const policy = await openRules(bundle, data, terminal.signal)
  if (policy.revision !== decision.revision) {
    const message = `bundle is another one than decided, want=${quoted(decision.revision)} got=${quoted(policy.revision)}`
    throw new CountersignError('policy/replay', message)
  }
  const isSameData = policy.digest === decision.digest
  // Where the event does not show the answer, rules decide neither as they did nor otherwise: nobody knows.
  const [hiddenAnswer] = decision.hiddenResult
  const explained =
    hiddenAnswer === undefined ? explain(decision, policy) : { hidden: hiddenAnswer }
  const isSame =
    'result' in explained && JSON.stringify(explained.result) === JSON.stringify(decision.result)
  if (json === true) {
    const recorded = hiddenAnswer === undefined ? decision.result : undefined
    const document = {
      version: 1,
      ok: isSame,
      ...nameOf(decision),
      recorded,
      isSameData,
      ...explained,
    }
    terminal.out(`${JSON.stringify(document)}\n`)
  } else tell(decision, explained, isSameData, terminal)
  if (!isSame) throw new Refused()
}

async function findDecision(
  id: string,
  log: readonly string[],
  { err }: Terminal,
): Promise<LoggedDecision> {
  for (const file of log) {
    for await (const { event, place } of readEvents(file, (at) => err(cutLine(at)))) {
      if ((event as { readonly decision_id?: unknown } | null)?.decision_id !== id) continue
      const decision = parseLoggedDecision(event)
      if (decision === undefined) throw noEvent(place)
      if (typeof decision !== 'string') return decision
      const { path } = event as { readonly path: string }
      const why = {
        list: 'a list',
        'without-policy': `by ${printableName(path)}, not by rules`,
        minimal: 'not shown',
        tenant: 'by the bundle of a tenant, not by these rules',
      }
      throw new CountersignError('policy/replay', `decision is ${why[decision]}, got=${quoted(id)}`)
    }
  }
  throw new CountersignError('policy/replay', `decision is not in the log, got=${quoted(id)}`)
}

/** Of a refusal, what would have to differ, too. */
type ExplainedNear = Explained & { readonly nearest?: NearestPermits }

function explain(
  decision: LoggedDecision,
  policy: OpenedRules,
): ExplainedNear | { readonly hidden: string } {
  try {
    const explained = explainDecision(decision, policy)
    if (explained.result?.allow !== false) return explained
    return { ...explained, nearest: nearestPermits(decision, policy) }
  } catch (error) {
    if (error instanceof HiddenRead) return { hidden: error.pointer }
    throw error
  }
}

function tell(
  decision: LoggedDecision,
  explained: ExplainedNear | { readonly hidden: string },
  isSameData: boolean,
  { out }: Terminal,
): void {
  const { subject, resource } = nameOf(decision)
  out(`${printableName(subject)} ${printableName(resource)}\n`)
  if (decision.hiddenResult.length === 0) out(`decided: ${textOf(decision.result)}\n`)
  if (!isSameData) out('the data is not that of then, so rules may decide otherwise\n')
  if ('hidden' in explained) {
    const needs = decision.hiddenResult.length > 0 ? 'the answer has' : 'rules read'
    const hidden = printableName(explained.hidden)
    out(`not explained: ${needs} ${hidden}, which the event does not show\n`)
    return
  }
  out(`by these rules: ${textOf(explained.result)}\n`)
  for (const { path, file, row, isDefault } of explained.held) {
    out(
      `  ${printableName(path)} (${printableName(file)}:${row})${isDefault ? ', its default' : ''}\n`,
    )
  }
  if (explained.nearest !== undefined) tellNearest(explained.nearest, out)
}

function tellNearest(
  { agent, operator, ways, isWhole }: NearestPermits,
  out: Terminal['out'],
): void {
  if (agent.length > 0) out('for the agent:\n')
  for (const text of agent) out(`  ${printableText(text)}\n`)
  out('for operators:\n')
  for (const text of operator) out(`  ${printableText(text)}\n`)
  for (const way of ways) out(`  it is allowed with ${way.map(printableText).join(', and ')}\n`)
  if (ways.length === 0) out('  nothing near is allowed\n')
  if (!isWhole) out('  and perhaps with more, of what the event does not show\n')
}

function textOf(result: Result | undefined): string {
  if (result === undefined) return 'no decision'
  const { allow, reasons, lifetimeSecondsMax } = result
  const life = lifetimeSecondsMax === undefined ? '' : ` for ${lifetimeSecondsMax} s`
  return allow ? `allow${life}` : `deny, ${reasons.map(printableText).join(', ')}`
}
