import type { Span } from '../../mcp/levels.ts'
import type { Call } from '../call.ts'
import { createPace } from '../catalogue/pace.ts'
import { whenThere, type Soon } from '../soon.ts'
import type { Turns } from '../turns.ts'
import { whyOver } from './over.ts'

/**
 * Asked before each of these parts of an answer is read: true as soon as its call has a turn to read it in, and false once nobody wants
 * them any more. Most answers are read within one turn, and nothing is waited for.
 */
export function inTurns(
  spans: readonly Span[],
  call: Call,
  turns: Turns,
): (span: Span) => Soon<boolean> {
  const pace = createPace(
    (octets) => turns.take(call.caller.account, octets),
    spans.map(({ start, end }) => end - start),
  )
  const isWanted = (): boolean => whyOver(call) === undefined
  return ({ start, end }) => whenThere(pace(end - start), isWanted)
}
