import type { Ask } from '../../mcp/ask.ts'
import type { DecisionContext } from '../../policy/asked.ts'
import { eraThere } from '../translate/era.ts'
import type { Situation } from './policy.ts'
import type { Moment } from './remember.ts'

/** What policy is told of a question beside who asks for what. */
export function contextOf(
  { message, arrived, target: { upstream } }: Situation,
  { time, history }: Moment,
  phase: DecisionContext['phase'],
): DecisionContext {
  const { era } = message
  const door = arrived.door.name
  // Lists of several servers, and what the gateway answers itself, are of none of them.
  if (upstream === undefined) return { era, time, door, phase, history }
  return { era, time, door, phase, history, upstream: { era: eraThere(era, upstream.config) } }
}

/** What policy is told of what a server asks of the caller. */
export function contextOfAsk(situation: Situation, moment: Moment, ask: Ask): DecisionContext {
  const { method: _, ...asked } = ask
  return { ...contextOf(situation, moment, 'response'), asked }
}
