import type { ErrorCode } from '../../errors.ts'
import type { MetricsSnapshot } from '../../metrics.ts'
import type { Condition } from '../../readiness.ts'

/** What a worker is told. Secrets come this way: argument lists and environments are open to others. */
export type ToWorker<Settings> =
  | { readonly kind: 'begin'; readonly settings: Settings }
  /** Answered with `counted`. */
  | { readonly kind: 'count'; readonly ask: number }
  /** For what it does, in the words of that. */
  | { readonly kind: 'carried'; readonly message: unknown }
  /** Drain, and end. */
  | { readonly kind: 'end' }

/** Why a start has failed, as the terminal tells it. */
export interface StartFailure {
  readonly code: ErrorCode | undefined
  readonly message: string
  readonly hint: string | undefined
}

/** What a worker has to show, by path; undefined where there is nothing yet. */
export type WorkerPages = Readonly<
  Record<string, { readonly contentType: string; readonly body: string } | undefined>
>

/** What a worker says. */
export type FromWorker =
  /** It listens, and wants to begin. */
  | { readonly kind: 'here' }
  /** Again and again from when it has begun: silence is a sign too. */
  | {
      readonly kind: 'state'
      readonly conditions: readonly Condition[]
      readonly pages: WorkerPages
    }
  | { readonly kind: 'failed'; readonly failure: StartFailure }
  /** Of what it does, for whoever has started it. */
  | { readonly kind: 'carried'; readonly message: unknown }
  | { readonly kind: 'counted'; readonly ask: number; readonly snapshot: MetricsSnapshot }

/** One process. */
export interface WorkerProcess<Settings> {
  send(message: ToWorker<Settings>): void
  onMessage(listener: (message: FromWorker) => void): void
  /** Once, with how it ended, in words. */
  onExit(listener: (how: string) => void): void
  /** At once. */
  kill(): void
}
