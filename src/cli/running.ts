import type { Condition } from '../readiness.ts'

/** Something that was started: it serves until disposed, and disposal drains it. */
export interface Running extends AsyncDisposable {
  /** Base URL of health and metrics. */
  readonly adminUrl: string
  /** Whether it may be sent work. */
  ready(): boolean
  /** What it needs, each as it is at this moment. */
  conditions(): readonly Condition[]
  /** Settles when it ended by itself; rejects when it cannot go on. */
  readonly ended: Promise<void>
}

/** The one condition of a program that is still being put together. */
export const beginning: Condition = {
  name: 'start',
  ok: false,
  reason: 'configuration, policy and files are being read',
}
