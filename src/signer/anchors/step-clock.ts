import { CountersignError } from '../../errors.ts'
import type { ApiProbe } from '../../kubernetes/api-client.ts'
import { createServerClock } from '../../kubernetes/server-clock.ts'

/**
 * Throws `pki/authority-step` unless the clock here is that of the API server, which all who follow a journal have: signers act on the
 * times of a step, and one that is wrong takes anchors away, or makes a CA that has not begun.
 */
export async function checkStepClock(
  probe: ApiProbe,
  { signal, now }: { readonly signal: AbortSignal; readonly now: () => number },
): Promise<void> {
  const clock = createServerClock()
  const askedAt = now()
  const { status, headers } = await probe.ask({ method: 'GET', path: '/version', signal })
  // What stands before an API server has a clock of its own.
  const date = status >= 200 && status < 300 ? headers.date : undefined
  clock.note({ date, askedAt, answeredAt: now() })
  const problem = Number.isNaN(Date.parse(date ?? ''))
    ? 'the clock here is not that of the API server, want=within 60 s got=no Date'
    : clock.problem()
  if (problem !== undefined) {
    const hint = 'set the clock of this machine: signers act on the times that a step writes'
    throw new CountersignError('pki/authority-step', `authority: ${problem}`, { hint })
  }
}
