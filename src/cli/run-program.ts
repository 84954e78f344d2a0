import { CommanderError, type Command, type OutputConfiguration } from 'commander'
import { CountersignError, type ErrorCode } from '../errors.ts'
import type { ExitCode, Terminal } from './terminal.ts'

/** Runs a command line (without node and script) and gives its exit code. Never throws. */
export async function runProgram(
  program: Command,
  argv: readonly string[],
  terminal: Terminal,
): Promise<ExitCode> {
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return 0
  } catch (error) {
    return explain(error, terminal)
  }
}

/** Where Commander writes, and how it words an error of usage: one line, and a hint. */
export function outputTo(terminal: Terminal, help: string): OutputConfiguration {
  return {
    writeOut: terminal.out,
    writeErr: terminal.err,
    outputError: (text, write) => {
      const [what, suggestion] = text.trimEnd().split('\n')
      const meant = /^\(Did you mean (.*)\?\)$/.exec(suggestion ?? '')?.[1]
      const hint = meant === undefined ? help : `did you mean ${meant}? ${help}`
      write(`countersign: ${what} (cli/usage)\nhint: ${hint}\n`)
    },
  }
}

/** A command whose answer is no: what there is to say has been said. */
export class Refused extends Error {}

/** A command whose answer is a number: what there is to say has been said. */
export class Answered extends Error {
  readonly exitCode: ExitCode
  constructor(exitCode: ExitCode) {
    super()
    this.exitCode = exitCode
  }
}

/** Of the configuration, though another room reads that part of it. */
const usageCodes: ReadonlySet<ErrorCode> = new Set([
  'cli/usage',
  'cli/configuration',
  'pki/profile',
  'pki/identity-extension-oid',
  'kubernetes/configuration',
  'policy/malformed',
  'policy/source',
  'policy/opa',
  'policy/replay',
  'guard/inside',
])

function explain(error: unknown, terminal: Terminal): ExitCode {
  if (error instanceof Refused) return 1
  if (error instanceof Answered) return error.exitCode
  // Commander has printed its own errors already; --help and --version end here with 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (!(error instanceof CountersignError)) {
    terminal.err(`countersign: error: ${oneLine(error)}\n`)
    terminal.err(
      'hint: nobody foresaw this; with log.level: debug the log has where it came from\n',
    )
    return 1
  }
  const cause = error.cause === undefined ? '' : `: ${oneLine(error.cause)}`
  // A message that was made of its cause has said it already.
  const said = error.message.includes(cause.slice(2)) ? error.message : `${error.message}${cause}`
  terminal.err(`countersign: error: ${said} (${error.code})\n`)
  const hint = error.hint ?? `docs/ERRORS.md says of ${error.code} what to do`
  terminal.err(`hint: ${hint}\n`)
  return usageCodes.has(error.code) ? 2 : 1
}

function oneLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.split('\n', 1)[0] ?? ''
}
