import { CountersignError } from '../../../errors.ts'
import { createToldDifferences, type ToldGroup } from '../../../policy/author/told-differences.ts'
import { Refused } from '../../run-program.ts'
import type { Terminal } from '../../terminal.ts'
import { printableGroup, printableName } from './printable.ts'
import { cutLine, noEvent, readEvents } from './read-events.ts'

export interface PolicyShadowOptions {
  readonly log?: readonly string[]
  readonly revision?: string
  readonly allowWidening?: boolean
  readonly json?: boolean
}

/** Tells in what a candidate has decided otherwise, as decision logs have it. Throws `Refused` where it allows more, fails, or was not asked. */
export async function runPolicyShadow(
  options: PolicyShadowOptions,
  terminal: Terminal,
): Promise<void> {
  const { log = [], revision, allowWidening = false, json = false } = options
  if (log.length === 0) throw new CountersignError('cli/usage', '--log: want=file got=none')
  const told = createToldDifferences(revision)
  for (const file of log) {
    for await (const { event, place } of readEvents(file, (at) => terminal.err(cutLine(at)))) {
      terminal.signal.throwIfAborted()
      if (!told.add(event)) throw noEvent(place)
    }
  }
  // In a pass of its own: the event of a decision may be in another log, and after what is told of it.
  for (const file of log) {
    for await (const { event } of readEvents(file, () => {})) {
      terminal.signal.throwIfAborted()
      told.join(event)
    }
  }
  const { groups, ungrouped, untold, asked } = told
  const isBad = ({ change }: ToldGroup): boolean => change === 'widened' || change === 'errors'
  const isMore = groups.some(isBad) || ungrouped > 0 || untold.length > 0
  // Of a candidate that nobody has asked nothing is known.
  const ok = asked > 0 && (allowWidening || !isMore)
  if (json) {
    terminal.out(`${JSON.stringify({ version: 1, ok, asked, groups, ungrouped, untold })}\n`)
  } else {
    for (const group of groups) terminal.out(printableGroup(group))
    const more = ungrouped === 0 ? '' : `, and ${ungrouped} in other ways`
    terminal.out(`${groups.length} ways in which a candidate decides otherwise${more}\n`)
    for (const change of untold) {
      terminal.out(`more is ${printableName(change)} than was told, and nothing is known of it\n`)
    }
    if (asked === 0) terminal.out('no candidate was asked, as far as the log tells\n')
  }
  if (!ok) throw new Refused()
}
