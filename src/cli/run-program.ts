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

/** Where Commander writes, and how it words an error of usage. */
export function outputTo(terminal: Terminal): OutputConfiguration {
  return {
    writeOut: terminal.out,
    writeErr: terminal.err,
    outputError: (text, write) => write(`countersign: ${text.trimEnd()} (cli/usage)\n`),
  }
}

/** A command whose answer is no: what there is to say has been said. */
export class Refused extends Error {}

/** Of the configuration, though another room reads that part of it. */
const usageCodes: ReadonlySet<ErrorCode> = new Set(['pki/profile', 'pki/identity-extension-oid'])

function explain(error: unknown, terminal: Terminal): ExitCode {
  if (error instanceof Refused) return 1
  // Commander has printed its own errors already; --help and --version end here with 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (!(error instanceof CountersignError)) {
    terminal.err(
      `countersign: error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    )
    return 1
  }
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : ''
  terminal.err(`countersign: error: ${error.message}${cause} (${error.code})\n`)
  if (error.hint !== undefined) terminal.err(`hint: ${error.hint}\n`)
  return error.code.startsWith('cli/') || usageCodes.has(error.code) ? 2 : 1
}
