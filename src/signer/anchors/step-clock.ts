import { CountersignError } from '../../errors.ts'
import type { ApiProbe } from '../../kubernetes/api-client.ts'

/** The times of a journal are of the clock here, and signers act on them: one that is wrong takes anchors away, or makes a CA that has not begun. */
const clockSecondsMax = 60

/** Throws `pki/authority-step` unless the clock here is that of the API server, which all who follow a journal have. */
export async function checkStepClock(
  probe: ApiProbe,
  { signal, now }: { readonly signal: AbortSignal; readonly now: () => number },
): Promise<void> {
  const before = now()
  const { headers } = await probe.ask({ method: 'GET', path: '/version', signal })
  const after = now()
  const date = Date.parse(headers.date ?? '')
  // The header leaves the milliseconds out, and was written somewhere between the two.
  const ahead = before - (date + 999)
  const behind = date - after
  const seconds = Math.round(Math.max(ahead, behind) / 1000)
  if (Number.isNaN(date) || seconds > clockSecondsMax) {
    const got = Number.isNaN(date)
      ? 'no Date'
      : `${seconds} s ${ahead > behind ? 'ahead' : 'behind'}`
    const message = `authority: the clock here is not that of the API server, want=within ${clockSecondsMax} s got=${got}`
    const hint = 'set the clock of this machine: signers act on the times that a step writes'
    throw new CountersignError('pki/authority-step', message, { hint })
  }
}
