import { Command } from 'commander'
import { outputTo, Refused, runProgram } from '../../src/cli/run-program.ts'
import type { ExitCode, Terminal } from '../../src/cli/terminal.ts'
import { runDev, type DevOptions } from './command.ts'

/** Runs one command line of the demonstration and gives its exit code. Never throws. */
export function run(argv: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const program = new Command('countersign dev')
    .description(
      'Runs the whole product on this machine: control plane, kubelet, signer, gateway, agents, tools.',
    )
    .exitOverride()
    .configureOutput(outputTo(terminal, 'npm run dev -- --help'))
    .option('--once', 'tell the story, check every step, exit 0 or 1')
    .option('--dir <folder>', 'where everything is written (default: a new temporary folder)')
    .option(
      '--upstream <url|command>',
      'puts your own MCP server behind the gateway: a URL on this machine, or a command in quotes',
    )
    .option(
      '--policy <bundle>',
      'what the gateway decides by, a bundle or a folder of Rego, followed while it runs (default: what is shipped)',
    )
    .option(
      '--policy-config <file>',
      'the same from the `policy` of a gateway configuration, such as a bundle server, with the grants beside it',
    )
    .option('--json', 'one JSON object a line instead of prose')
    .addHelpText(
      'after',
      '\nExamples:\n  npm run dev -- --once\n  npm run dev -- --dir ./dev-cluster\n  npm run dev -- --upstream http://127.0.0.1:3000/mcp\n  npm run dev -- --upstream "node my-server.js"',
    )
    .action(async (options: DevOptions) => {
      if (!(await runDev(options, terminal))) throw new Refused()
    })
  return runProgram(program, argv, terminal)
}
