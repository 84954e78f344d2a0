import type { Ask } from '../../mcp/ask.ts'
import type { DecisionContext } from '../../policy/asked.ts'
import type { Situation } from './policy.ts'

/** What policy is told of a question beside who asks for what. */
export function contextOf(
  { message, arrived }: Situation,
  time: string,
  phase: DecisionContext['phase'],
): DecisionContext {
  return { era: message.era, time, door: arrived.door.name, phase }
}

/** What policy is told of what a server asks of the caller. */
export function contextOfAsk(situation: Situation, time: string, ask: Ask): DecisionContext {
  const { method: _, ...asked } = ask
  return { ...contextOf(situation, time, 'response'), asked }
}
