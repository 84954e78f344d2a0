/** What a command may touch of the process it runs in. */
export interface Terminal {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** Aborted by SIGTERM or SIGINT: drain, then end. */
  readonly signal: AbortSignal
}

/** 0 ok; 1 refused, or a check failed; 2 usage or configuration. */
export type ExitCode = 0 | 1 | 2
