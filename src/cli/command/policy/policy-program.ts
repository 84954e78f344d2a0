import type { Command } from 'commander'
import type { Terminal } from '../../terminal.ts'
import { addAuthorCommands } from './author-program.ts'
import type { PolicyBenchOptions } from './bench-command.ts'
import type { PolicyCheckOptions } from './check-command.ts'
import type { PolicyExplainOptions } from './explain-command.ts'
import { algorithm, data, json, log, opa, scope, signedBy, tenant } from './policy-options.ts'
import type { PolicyPromoteOptions } from './promote-command.ts'
import type { PolicyReplayOptions } from './replay-command.ts'
import type { PolicyShadowOptions } from './shadow-command.ts'
import type { PolicySignOptions, PolicyVerifyOptions } from './sign-command.ts'

export function addPolicy(program: Command, terminal: Terminal): void {
  const policy = program
    .command('policy')
    .description('Tests and examines policy: sources and bundles.')
  addAuthorCommands(policy, terminal)
  addCheck(policy, terminal)
  addSign(policy, terminal)
  addVerify(policy, terminal)
  addReplay(policy, terminal)
  addShadow(policy, terminal)
  addPromote(policy, terminal)
  addExplain(policy, terminal)
  addBench(policy, terminal)
}

function addCheck(policy: Command, terminal: Terminal): void {
  policy
    .command('check')
    .description(
      'Takes a bundle through everything that it must pass before it is in force, and warns of rules in sources.',
    )
    .argument('<bundle>', 'folder or archive, as `opa build` makes it, or a folder of sources')
    .option(...data)
    .option(...tenant)
    .option('--public-key <file>', 'PEM file of the key that has to have signed it')
    .option(...algorithm)
    .option(...signedBy)
    .option(...scope)
    .option(...opa)
    .option('--strict', 'end with 1 where a rule of sources is warned of')
    .option(...json)
    .addHelpText(
      'after',
      `
Nothing is written, and opa is needed for sources alone.
Exit codes: 0 it would be in force, 1 it would be refused or there are warnings and --strict, 2 usage.

Example:
  countersign policy check bundle.tar.gz --data grants.json --public-key authors.pem --algorithm ES256`,
    )
    .action(async (bundle: string, options: PolicyCheckOptions) => {
      const { runPolicyCheck } = await import('./check-command.ts')
      await runPolicyCheck(bundle, options, terminal)
    })
}

function addSign(policy: Command, terminal: Terminal): void {
  policy
    .command('sign')
    .description('Signs a bundle as a whole, in OPA’s format.')
    .argument('<bundle>', 'folder or archive')
    .option('--key <file>', 'PEM file of the private key, without a passphrase (required)')
    .option(...algorithm)
    .option('--key-id <text>', 'what gateways know the key by')
    .option(...scope)
    .option(
      '-o, --output <file>',
      'the archive to write (default: the one that is signed; required for a folder)',
    )
    .option(...json)
    .addHelpText(
      'after',
      `
Exit codes: 0 signed, 1 it cannot be, 2 usage.

Example:
  countersign policy sign bundle.tar.gz --key authors.key --algorithm ES256 --key-id authors-2026`,
    )
    .action(async (bundle: string, options: PolicySignOptions) => {
      const { runPolicySign } = await import('./sign-command.ts')
      await runPolicySign(bundle, options, terminal)
    })
}

function addVerify(policy: Command, terminal: Terminal): void {
  policy
    .command('verify')
    .description('Says whether a key has signed a bundle as a whole.')
    .argument('<bundle>', 'folder or archive')
    .option('--public-key <file>', 'PEM file of the public key (required)')
    .option(...algorithm)
    .option(...signedBy)
    .option(...scope)
    .option(...json)
    .addHelpText(
      'after',
      `
Exit codes: 0 it is as it was signed, 1 it is not, 2 usage.

Example:
  countersign policy verify bundle.tar.gz --public-key authors.pem --algorithm ES256 --key-id authors-2026`,
    )
    .action(async (bundle: string, options: PolicyVerifyOptions) => {
      const { runPolicyVerify } = await import('./sign-command.ts')
      await runPolicyVerify(bundle, options, terminal)
    })
}

function addReplay(policy: Command, terminal: Terminal): void {
  policy
    .command('replay')
    .description('Asks a candidate what was decided before, and tells what it would have changed.')
    .option(...log)
    .option('--candidate <bundle>', 'folder or archive (required)')
    .option(...data)
    .option('--allow-widening', 'ends with 0 though it allows more')
    .option('--allow-unknown', 'ends with 0 though decisions are not replayable or lost')
    .option(...json)
    .addHelpText(
      'after',
      `
Time and input are the event's, data is what is given here. What an event does not show is never guessed: where a rule reads it, that
decision is not replayable.
A permit that loses or changes an obligation allows more, too.
Exit codes: 0 nothing more is allowed, 1 something is, or a decision is not replayable or lost, or none was asked, 2 usage, or no log.

Example:
  countersign policy replay --log decisions.jsonl --candidate bundle.tar.gz --data grants.json`,
    )
    .action(async (options: PolicyReplayOptions) => {
      const { runPolicyReplay } = await import('./replay-command.ts')
      await runPolicyReplay(options, terminal)
    })
}

function addShadow(policy: Command, terminal: Terminal): void {
  policy
    .command('shadow')
    .description('Tells in what a candidate that gateways ask decides otherwise.')
    .option(...log)
    .option('--revision <text>', 'of this candidate alone')
    .option('--allow-widening', 'ends with 0 though it allows more, or fails')
    .option(...json)
    .addHelpText(
      'after',
      `
Of each kind of difference a log has three; how many there are is in countersign_policy_shadow_decisions_total.
Exit codes: 0 nothing more is allowed of what is told, 1 something is, the candidate fails, was not asked, or more was not told, 2 usage, or no log.

Example:
  countersign policy shadow --log decisions.jsonl --revision 2026-11-30`,
    )
    .action(async (options: PolicyShadowOptions) => {
      const { runPolicyShadow } = await import('./shadow-command.ts')
      await runPolicyShadow(options, terminal)
    })
}

function addPromote(policy: Command, terminal: Terminal): void {
  policy
    .command('promote')
    .description('Puts a candidate where gateways follow it, or back what was there before.')
    .argument('[candidate]', 'folder or archive')
    .option(
      '--to <archive>',
      'policy.bundle of the gateways, or what their server sends (required)',
    )
    .option('--revision <text>', 'what the candidate, or what comes back, has to be (required)')
    .option('--digest <hex>', 'what it has to be with its data, as /readyz and policy check say it')
    .option('--roll-back', 'what was there before comes back')
    .option(...data)
    .option('--public-key <file>', 'PEM file of the key that has to have signed it')
    .option('--key <file>', 'PEM file of the private key that signs it anew, as of now')
    .option('--new-signer', 'what is there was signed by another key, as before a rotation')
    .option(...algorithm)
    .option(...signedBy)
    .option(...scope)
    .option('--by <text>', 'who does it (default: the account)')
    .option(...json)
    .addHelpText(
      'after',
      `
It has to pass what gateways ask of a bundle, and each of them asks it again. Who has done what is in <archive>.promotions.jsonl.
Exit codes: 0 it is there, 1 nothing has changed, 2 usage.

Examples:
  countersign policy promote candidate.tar.gz --to bundle.tar.gz --revision 2026-11-30 --data grants.json
  countersign policy promote --roll-back --to bundle.tar.gz --revision 2026-11-23`,
    )
    .action(async (candidate: string | undefined, options: PolicyPromoteOptions) => {
      const { runPolicyPromote } = await import('./promote-command.ts')
      await runPolicyPromote(candidate, options, terminal)
    })
}

function addExplain(policy: Command, terminal: Terminal): void {
  policy
    .command('explain')
    .description('Tells which rules decided a call that a decision log has.')
    .argument('<decision-id>', 'data.decisionId of a refusal, or decision_id of an event')
    .option(...log)
    .option('--bundle <bundle>', 'folder or archive of the bundle that decided (required)')
    .option(...data)
    .option(...json)
    .addHelpText(
      'after',
      `
The rules are asked again about the input and the time of the event. What an event does not show is never guessed.
Exit codes: 0 explained, 1 rules read what the event does not show, or decide otherwise with this data, 2 usage, or another bundle decided.

Example:
  countersign policy explain 01920b1e --log decisions.jsonl --bundle bundle.tar.gz --data grants.json`,
    )
    .action(async (id: string, options: PolicyExplainOptions) => {
      const { runPolicyExplain } = await import('./explain-command.ts')
      await runPolicyExplain(id, options, terminal)
    })
}

function addBench(policy: Command, terminal: Terminal): void {
  policy
    .command('bench')
    .description('Says what a decision takes, and which rules take it, on what a log has.')
    .option(...log)
    .option('--bundle <bundle>', 'folder or archive (required)')
    .option(...data)
    .option('--decisions <count>', 'of the log, the first ones', '1000')
    .option('--rounds <count>', 'how often each of them is asked about', '20')
    .option(...json)
    .addHelpText(
      'after',
      `
Times are of this machine, now; steps are the same everywhere, each time.
Exit codes: 0 measured, 1 no decision of the log can be asked about again, 2 usage, or no log.

Example:
  countersign policy bench --log decisions.jsonl --bundle bundle.tar.gz --data grants.json`,
    )
    .action(async (options: PolicyBenchOptions) => {
      const { runPolicyBench } = await import('./bench-command.ts')
      await runPolicyBench(options, terminal)
    })
}
