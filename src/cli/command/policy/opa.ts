import { execFile } from 'node:child_process'
import { CountersignError, quoted } from '../../../errors.ts'

/** A build of large policies on a busy machine takes its time; what takes longer does not end. */
const timeoutMilliseconds = 120_000

/** A plan of the most that a bundle may have. */
const outputOctetsMax = 64 * 1024 * 1024

/** OPA's own compiler, which authors have for writing rules; nothing that enforces needs it. */
export interface Opa {
  /** Gives what it prints. Throws `policy/opa`, and `policy/source` for what it refuses. */
  run(words: readonly string[], input?: string): Promise<string>
}

/**
 * Finds `opa`: the file that was named, or `COUNTERSIGN_OPA` of the environment, or the first on the PATH. It is run when it is needed
 * first.
 */
export function findOpa(
  named: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Opa {
  const program = named ?? environment['COUNTERSIGN_OPA'] ?? 'opa'
  const env = { PATH: environment['PATH'], HOME: environment['HOME'] }
  const settings = { signal, env, timeout: timeoutMilliseconds, maxBuffer: outputOctetsMax }
  return {
    run: (words, input = '') =>
      new Promise<string>((resolve, reject) => {
        const child = execFile(program, words, settings, (error, out, err) => {
          if (error === null) resolve(out)
          else if (error.code === 'ENOENT' || error.code === 'EACCES')
            reject(missing(program, error))
          else if (typeof error.code === 'number') reject(refused(err === '' ? out : err))
          else reject(broken(program, error))
        })
        // What it does not want to read is no failure of ours: it says so itself.
        child.stdin?.on('error', () => {})
        child.stdin?.end(input)
      }).catch((error: unknown) => {
        throw error instanceof CountersignError ? error : unfit(error)
      }),
  }
}

/** Names come from sources: one with a NUL, or too many of them, no program can be given. */
function unfit(cause: unknown): CountersignError {
  return new CountersignError(
    'policy/source',
    'opa cannot be given the names of places and packages, want=fewer ones, without U+0000',
    { cause },
  )
}

function missing(program: string, cause: Error): CountersignError {
  return new CountersignError('policy/opa', `opa cannot be run, got=${quoted(program, 200)}`, {
    cause,
    hint: 'put OPA 1.22 or newer (https://www.openpolicyagent.org) on the PATH, or name it with --opa or COUNTERSIGN_OPA; a bundle that is compiled needs none',
  })
}

function broken(program: string, cause: Error): CountersignError {
  return new CountersignError('policy/opa', `opa ended early, got=${quoted(program, 200)}`, {
    cause,
  })
}

/** Its first error, which names a file and a row. */
function refused(text: string): CountersignError {
  // Some of its commands write an error as a text of Go, with the row of the source behind an escaped end of a line.
  const placed = [...text.matchAll(/\S+:\d+: .*?(?=\\n|$)/gm)].map(([line]) => line)
  const first = placed[0] ?? text.trim().split('\n', 1)[0] ?? ''
  const more = placed.length > 1 ? ` (and ${placed.length - 1} more)` : ''
  return new CountersignError('policy/source', `opa says: ${first.slice(0, 400)}${more}`, {
    hint: 'opa check says the rest',
  })
}
