import { CountersignError } from '../../../errors.ts'
import { createToldDifferences, type ToldGroup } from '../../../policy/author/told-differences.ts'
import { Refused } from '../../run-program.ts'
import type { Terminal } from '../../terminal.ts'
import { printableGroup } from './printable.ts'
import { cutLine, noEvent, readEvents } from './read-events.ts'

export interface PolicyShadowOptions {
  readonly log?: readonly string[]
  readonly revision?: string
  readonly allowWidening?: boolean
  readonly json?: boolean
}

/** Tells in what a candidate has decided otherwise, as decision logs have it. Throws `Refused` where it allows more, or fails. */
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
  const { groups, ungrouped } = told
  const isBad = ({ change }: ToldGroup): boolean => change === 'widened' || change === 'errors'
  const ok = allowWidening || (!groups.some(isBad) && ungrouped === 0)
  if (json) terminal.out(`${JSON.stringify({ version: 1, ok, groups, ungrouped })}\n`)
  else {
    for (const group of groups) terminal.out(printableGroup(group))
    const more = ungrouped === 0 ? '' : `, and ${ungrouped} in other ways`
    terminal.out(`${groups.length} ways in which a candidate decides otherwise${more}\n`)
  }
  if (!ok) throw new Refused()
}
