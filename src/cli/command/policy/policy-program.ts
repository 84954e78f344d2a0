import type { Command } from 'commander'
import type { Terminal } from '../../terminal.ts'
import type { PolicyCheckOptions } from './check-command.ts'
import type { PolicyTestOptions } from './test-command.ts'

export function addPolicy(program: Command, terminal: Terminal): void {
  const policy = program
    .command('policy')
    .description('Tests and examines policy: sources and bundles.')
  addCheck(policy, terminal)
  addTest(policy, terminal)
}

/** Where OPA's compiler is, for those who have sources. */
const opa = [
  '--opa <file>',
  'OPA’s compiler (default: COUNTERSIGN_OPA, or opa on the PATH)',
] as const
const json = ['--json', 'one document for programs, see docs/POLICY.md'] as const

function addCheck(policy: Command, terminal: Terminal): void {
  policy
    .command('check')
    .description('Takes a bundle through everything that it must pass before it is in force.')
    .argument('<bundle>', 'folder or archive, as `opa build` makes it')
    .option('--data <file...>', 'JSON documents to merge with its data, as in policy.data')
    .option('--public-key <file>', 'PEM file of the key that has to have signed it')
    .option('--algorithm <name>', 'of that key, such as ES256', 'RS256')
    .option('--scope <text>', 'what the signature has to say', '')
    .option('--json', 'one document for programs, see docs/POLICY.md')
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
