import type { Command } from 'commander'
import type { Terminal } from '../../terminal.ts'
import type { PolicyBuildOptions } from './build-command.ts'
import type { PolicyDocsOptions } from './docs-command.ts'
import type { PolicyEvalOptions } from './eval-command.ts'
import type { PolicyNewOptions } from './new-command.ts'
import { data, json, opa, tenant } from './policy-options.ts'
import type { PolicySchemaOptions } from './schema-command.ts'
import type { PolicyTestOptions } from './test-command.ts'

/** What authors do with sources, before there is a bundle or to make one. */
export function addAuthorCommands(policy: Command, terminal: Terminal): void {
  addNew(policy, terminal)
  addTest(policy, terminal)
  addEval(policy, terminal)
  addDocs(policy, terminal)
  addSchema(policy, terminal)
  addBuild(policy, terminal)
}

function addNew(policy: Command, terminal: Terminal): void {
  policy
    .command('new')
    .description(
      'Makes a folder of sources: the shipped rules, and a rule of your own with its test.',
    )
    .argument('<folder>', 'what to make, or an empty one')
    .option('--rules <name...>', 'ready rules in the place of the example')
    .option(...json)
    .addHelpText(
      'after',
      `
Ready rules: after-secret, argument-pattern, argument-prefix, argument-range, calls-in-window, emergency-stop, read-only-hours, secret-egress.
Exit codes: 0 made, 2 usage, or something is there already.

Examples:
  countersign policy new my-policy
  countersign policy new my-policy --rules read-only-hours argument-range`,
    )
    .action(async (folder: string, options: PolicyNewOptions) => {
      const { runPolicyNew } = await import('./new-command.ts')
      await runPolicyNew(folder, options, terminal)
    })
}

function addTest(policy: Command, terminal: Terminal): void {
  policy
    .command('test')
    .description('Runs the tests of a policy on the engine that enforces it.')
    .argument('<source...>', 'files and folders of Rego with their data, or one compiled bundle')
    .option('--run <pattern>', 'those tests alone whose path matches this regular expression')
    .option('--verbose', 'tells of tests that pass, too')
    .option('--coverage', 'tells which rows of the rules the tests have come to')
    .option('--threshold <percent>', 'ends with 1 where fewer of them are covered')
    .option(...opa)
    .option(...json)
    .addHelpText(
      'after',
      `
Tests are those of opa test: rules that begin with test_, each case of test_x[name] by itself; todo_test_ is for later.
A row is covered when all that begins in it was come to; the head of a rule is when a body has held.
Exit codes: 0 all pass, 1 one does not, or too few rows are covered, 2 usage, or the sources do not compile.

Examples:
  countersign policy test policies --run files_test
  countersign policy test my-policy
  countersign policy test my-policy/countersign/custom --threshold 100`,
    )
    .action(async (places: readonly string[], options: PolicyTestOptions) => {
      const { runPolicyTest } = await import('./test-command.ts')
      await runPolicyTest(places, options, terminal)
    })
}

function addEval(policy: Command, terminal: Terminal): void {
  policy
    .command('eval')
    .description('Asks the engine that enforces what a rule or an expression is worth.')
    .argument('<source...>', 'files and folders of Rego with their data, or one compiled bundle')
    .option(
      '--query <text>',
      'an entrypoint, such as countersign/mcp/decision, or of sources an expression (required)',
    )
    .option('--input <file>', 'a JSON document to ask about (default: there is no input)')
    .option(...data)
    .option(...opa)
    .option(...json)
    .addHelpText(
      'after',
      `
Of an expression each value is told that it has. A compiled bundle is asked for its entrypoints, and needs no opa.
Exit codes: 0 it has a value, 1 it is undefined, or the evaluation ended early, 2 usage, or the sources do not compile.

Examples:
  countersign policy eval bundle.tar.gz --query countersign/mcp/decision --input call.json --data grants.json
  countersign policy eval my-policy --query 'data.countersign.custom.deny[_].code' --input call.json`,
    )
    .action(async (places: readonly string[], options: PolicyEvalOptions) => {
      const { runPolicyEval } = await import('./eval-command.ts')
      await runPolicyEval(places, options, terminal)
    })
}

function addDocs(policy: Command, terminal: Terminal): void {
  policy
    .command('docs')
    .description('Writes what METADATA says of rules, as Markdown.')
    .argument('<source...>', 'files and folders of Rego')
    .option('-o, --output <file>', 'where to write it (default: it is printed)')
    .option('--check <file>', 'ends with 1 where this file says something else')
    .option('--complete', 'ends with 1 where a rule has no title or no description')
    .option(...opa)
    .option(...json)
    .addHelpText(
      'after',
      `
Tests are left out. What stands under custom, such as code, severity and audience, is told as it is.
Exit codes: 0 written, or as it should be, 1 it is not, 2 usage, or the sources do not parse.

Examples:
  countersign policy docs my-policy/countersign/custom -o RULES.md
  countersign policy docs my-policy/countersign/custom --check RULES.md --complete`,
    )
    .action(async (places: readonly string[], options: PolicyDocsOptions) => {
      const { runPolicyDocs } = await import('./docs-command.ts')
      await runPolicyDocs(places, options, terminal)
    })
}

function addSchema(policy: Command, terminal: Terminal): void {
  policy
    .command('schema')
    .description(
      'Writes the types of tools’ arguments, so that a wrong name in a rule is an error.',
    )
    .option('--tools <file...>', 'what tools list --json has printed, or answers to tools/list')
    .option('--server <name>', 'whose tools they are, where the file does not say it')
    .option('--config <file>', 'or of a gateway, which is asked now, with its certificate')
    .option('-o, --output <folder>', 'schemas of the sources (required)')
    .option(...json)
    .addHelpText(
      'after',
      `
Printed are the rows of METADATA that hold a rule to the types of one tool.
Exit codes: 0 written, 1 a tool server does not list its tools, 2 usage.

Examples:
  countersign policy schema --tools weather.json --server weather -o my-policy/schemas
  countersign policy schema --config gateway.yaml -o my-policy/schemas`,
    )
    .action(async (options: PolicySchemaOptions) => {
      const { runPolicySchema } = await import('./schema-command.ts')
      await runPolicySchema(options, terminal)
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
