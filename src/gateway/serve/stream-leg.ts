import {
  hearSession,
  type HearingOfSession,
  type Leg,
  type LegEnd,
  type Unasked,
} from '../upstream/hear-session.ts'
import { elicitationComplete } from '../upstream/judge-answer.ts'
import type { AskCarrier } from './carry-asks.ts'
import type { Changes } from './changes.ts'
import type { OfTask } from './task-told.ts'

export interface LegOptions extends Omit<HearingOfSession, 'take'> {
  readonly asks: Pick<AskCarrier, 'carry' | 'takeBack' | 'end'>
  readonly changes: Pick<Changes, 'take'>
  /** An event, as it is to be written. */
  readonly pass: (data: Buffer) => void
  /** A page is done, by the server's own id. */
  readonly pageDone?: (elicitationId: unknown, data: Buffer) => void
  /** What is told of a task, by the server's own id. */
  readonly ofTask: (told: OfTask, data: Buffer) => void
}

/** The stream of a session with one upstream, on its way to whoever reads for its caller. */
export function openLeg(options: LegOptions): Leg {
  const { upstream, asks, changes, over } = options

  function take(unasked: Unasked, data: Buffer): string | undefined {
    if (unasked.kind === 'server request') {
      const isCarried = asks.carry(unasked, data)
      return isCarried ? undefined : 'more requests at a time than anybody answers'
    }
    if (unasked.kind === 'of a task') options.ofTask(unasked, data)
    else if (unasked.method === 'notifications/cancelled') asks.takeBack(data)
    else if (unasked.method === 'notifications/message') options.pass(data)
    else if (unasked.method === elicitationComplete)
      options.pageDone?.(unasked.params?.['elicitationId'], data)
    else changes.take(upstream, unasked)
    return undefined
  }
  return hearSession({
    ...options,
    take,
    over(end: LegEnd) {
      asks.end()
      over(end)
    },
  })
}
