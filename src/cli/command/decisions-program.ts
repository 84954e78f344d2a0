import type { Command } from 'commander'
import type { Terminal } from '../terminal.ts'
import type { DecisionsOptions } from './policy/decisions-command.ts'
import type { VerifyDecisionsOptions } from './policy/verify-decisions.ts'

/** `countersign decisions`: what gateways have decided, found in their logs. */
export function addDecisions(program: Command, terminal: Terminal): void {
  const decisions = program
    .command('decisions')
    .description('Finds decisions in the decision logs of gateways.')
    .option(
      '--log <file...>',
      'each with <file>.1 and so on, oldest first; - reads input (required)',
    )
    .option('--id <text>', 'data.decisionId of a refusal, or decision_id of an event')
    .option('--identity <identity>', 'of the caller: SPIFFE ID or <namespace>/<service account>')
    .option('--tool <name>', 'the tool that was called: <server>:<tool>, or the tool alone')
    .option('--since <time>', 'RFC 3339')
    .option('--until <time>', 'RFC 3339; what was decided then is not among them')
    .option('--outcome <outcome>', 'allow or deny')
    .option('--code <code>', 'of one of the reasons, such as not-granted')
    .option('--limit <count>', 'ends after as many')
    .option('--json', 'the events as they stand, one a line')
    .addHelpText(
      'after',
      `
All that is given has to be so. Each decision is a line: time, outcome, caller, action, what it was about, codes, id. What an event does not
show is never guessed, and said on standard error. What signers decided is in their ledgers: countersign ledger find.
Exit codes: 0 found, 1 none, 2 usage, or a log that cannot be read.

Examples:
  countersign decisions --log decisions.jsonl --identity research/crawler --outcome deny --since 2026-11-30T09:00:00Z
  countersign decisions --log decisions-*.jsonl --tool github:issues_create --code not-granted --json`,
    )
    .action(async (options: DecisionsOptions) => {
      const { runDecisions } = await import('./policy/decisions-command.ts')
      await runDecisions(options, terminal)
    })
  addVerify(decisions, terminal)
}

function addVerify(decisions: Command, terminal: Terminal): void {
  decisions
    .command('verify')
    .description(
      'Holds a log with checkpoints against them; exits 1 with the file and line of what was changed, cut, put in or moved.',
    )
    .argument('<log>', 'with its folder <log>.log, and all files whose names begin like it')
    .option('--key <verifier key>', 'of the log, as its writer says it at its start')
    .option('--checkpoint <file...>', 'checkpoints that were kept elsewhere')
    .option('--json', 'for programs, see docs/LEDGER.md')
    .addHelpText(
      'after',
      `
Files are only read, beside a running gateway or as copies; they may be renamed, and packed with gzip.
Exit codes: 0 ok, 1 changed, cut or missing, 2 usage, or a log that has no checkpoints or cannot be read.`,
    )
    .action(async (file: string, _, command: Command) => {
      // What its parent has an option for, too, is set there.
      const options: VerifyDecisionsOptions = command.optsWithGlobals()
      const { runVerifyDecisions } = await import('./policy/verify-decisions.ts')
      await runVerifyDecisions(file, options, terminal)
    })
}
