import type { Command } from 'commander'
import type { Terminal } from '../../terminal.ts'
import type { PolicyBuildOptions } from './build-command.ts'
import type { PolicyCheckOptions } from './check-command.ts'
import type { PolicyExplainOptions } from './explain-command.ts'
import type { PolicyNewOptions } from './new-command.ts'
import type { PolicyPromoteOptions } from './promote-command.ts'
import type { PolicyReplayOptions } from './replay-command.ts'
import type { PolicyShadowOptions } from './shadow-command.ts'
import type { PolicySignOptions, PolicyVerifyOptions } from './sign-command.ts'
import type { PolicyTestOptions } from './test-command.ts'

export function addPolicy(program: Command, terminal: Terminal): void {
  const policy = program
    .command('policy')
    .description('Tests and examines policy: sources and bundles.')
  addNew(policy, terminal)
  addCheck(policy, terminal)
  addTest(policy, terminal)
  addBuild(policy, terminal)
  addSign(policy, terminal)
  addVerify(policy, terminal)
  addReplay(policy, terminal)
  addShadow(policy, terminal)
  addPromote(policy, terminal)
  addExplain(policy, terminal)
}

/** Where OPA's compiler is, for those who have sources. */
const opa = [
  '--opa <file>',
  'OPA’s compiler (default: COUNTERSIGN_OPA, or opa on the PATH)',
] as const
/** Of a bundle that is asked about the calls of one tenant. */
const tenant = ['--tenant <name>', 'a bundle of this tenant, see policy.tenants'] as const
const json = ['--json', 'one document for programs, see docs/POLICY.md'] as const

/** Of a key that signs or has signed. */
const algorithm = ['--algorithm <name>', 'of that key, such as ES256', 'RS256'] as const
const scope = ['--scope <text>', 'what the signature has to say', ''] as const
const signedBy = ['--key-id <text>', 'what the signature may name the key by'] as const

/** What is decided with, and what was. */
const data = [
  '--data <file...>',
  'JSON documents to merge with its data, as in policy.data',
] as const
const log = ['--log <file...>', 'decision logs of gateways (required)'] as const

function addNew(policy: Command, terminal: Terminal): void {
  policy
    .command('new')
    .description(
      'Makes a folder of sources: the shipped rules, and a rule of your own with its test.',
    )
    .argument('<folder>', 'what to make, or an empty one')
    .option(...json)
    .addHelpText(
      'after',
      `
Exit codes: 0 made, 2 usage, or something is there already.

Example:
  countersign policy new my-policy`,
    )
    .action(async (folder: string, options: PolicyNewOptions) => {
      const { runPolicyNew } = await import('./new-command.ts')
      await runPolicyNew(folder, options, terminal)
    })
}

function addCheck(policy: Command, terminal: Terminal): void {
  policy
    .command('check')
    .description('Takes a bundle through everything that it must pass before it is in force.')
    .argument('<bundle>', 'folder or archive, as `opa build` makes it')
    .option(...data)
    .option(...tenant)
    .option('--public-key <file>', 'PEM file of the key that has to have signed it')
    .option(...algorithm)
    .option(...signedBy)
    .option(...scope)
    .option(...json)
    .addHelpText(
      'after',
      `
Nothing is written, and opa is not needed.
Exit codes: 0 it would be in force, 1 it would be refused, 2 usage.

Example:
  countersign policy check bundle.tar.gz --data grants.json --public-key authors.pem --algorithm ES256`,
    )
    .action(async (bundle: string, options: PolicyCheckOptions) => {
      const { runPolicyCheck } = await import('./check-command.ts')
      await runPolicyCheck(bundle, options, terminal)
    })
}

function addTest(policy: Command, terminal: Terminal): void {
  policy
    .command('test')
    .description('Runs the tests of a policy on the engine that enforces it.')
    .argument('<source...>', 'files and folders of Rego with their data, or one compiled bundle')
    .option('--run <pattern>', 'those tests alone whose path matches this regular expression')
    .option('--verbose', 'tells of tests that pass, too')
    .option(...opa)
    .option(...json)
    .addHelpText(
      'after',
      `
Tests are those of opa test: rules that begin with test_, each case of test_x[name] by itself; todo_test_ is for later.
Exit codes: 0 all pass, 1 one does not, 2 usage, or the sources do not compile.

Example:
  countersign policy test policies --run files_test`,
    )
    .action(async (places: readonly string[], options: PolicyTestOptions) => {
      const { runPolicyTest } = await import('./test-command.ts')
      await runPolicyTest(places, options, terminal)
    })
}

function addBuild(policy: Command, terminal: Terminal): void {
  policy
    .command('build')
    .description(
      'Builds sources into a bundle: the plan that is enforced, and the module beside it.',
    )
    .argument('<source...>', 'files and folders of Rego with their data')
    .option('-o, --output <file>', 'the archive to write (required)')
    .option('--revision <text>', 'what decisions name it by (default: a digest of what decides)')
    .option(...tenant)
    .option(...opa)
    .option(...json)
    .addHelpText(
      'after',
      `
Tests are left out. A schemas.json beside the sources goes into the bundle. What a gateway would refuse is not written.
Exit codes: 0 written, 1 a gateway would refuse it, 2 usage, or the sources do not compile.

Example:
  countersign policy build policies -o bundle.tar.gz`,
    )
    .action(async (places: readonly string[], options: PolicyBuildOptions) => {
      const { runPolicyBuild } = await import('./build-command.ts')
      await runPolicyBuild(places, options, terminal)
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
