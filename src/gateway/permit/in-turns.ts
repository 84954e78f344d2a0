import type { Span } from '../../mcp/levels.ts'
import type { Call } from '../call.ts'
import { createPace } from '../catalogue/pace.ts'
import type { Turns } from '../turns.ts'
import { whyOver } from './over.ts'

/** Parts of an answer, each as soon as its call has a turn to read it in, and none once nobody wants them any more. */
export async function* inTurns<T extends Span>(
  spans: readonly T[],
  call: Call,
  turns: Turns,
): AsyncGenerator<T> {
  const pace = createPace(
    (octets) => turns.take(call.caller.account, octets),
    spans.map(({ start, end }) => end - start),
  )
  for (const span of spans) {
    const turn = pace(span.end - span.start)
    if (turn !== undefined) await turn
    if (whyOver(call) !== undefined) return
    yield span
  }
}
