/** What a command may touch of the process it runs in. */
export interface Terminal {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** Aborted by SIGTERM or SIGINT: drain, then end. */
  readonly signal: AbortSignal
}

/** 0 ok; 1 refused, or a check failed; 2 usage or configuration; others where a command says what they mean. */
export type ExitCode = number

/**
 * The terminal of this process. Signals are heard from here on, so it comes before anything that takes long: the
 * first process of a container has no other handler, and would not hear a SIGTERM at all.
 */
export function processTerminal(): Terminal {
  const stop = new AbortController()
  process.once('SIGTERM', () => stop.abort())
  process.once('SIGINT', () => stop.abort())
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
      // Whoever reads has enough, as `head` has after some lines.
      stop.abort()
    })
  }
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    signal: stop.signal,
  }
}
