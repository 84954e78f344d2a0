import type { DecisionContext } from '../../policy/asked.ts'
import type { Call } from '../call.ts'

/** What policy is told of a question beside who asks for what. */
export function contextOf(
  { message, arrived }: Call,
  time: string,
  phase: DecisionContext['phase'],
): DecisionContext {
  return { era: message.era, time, door: arrived.door.name, phase }
}
