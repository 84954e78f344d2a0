import { resolve } from 'node:path'
import { Command } from 'commander'
import type { ApproveOptions } from './command/approve-command.ts'
import type { BridgeOptions } from './command/bridge-command.ts'
import { addAgent } from './command/agent-program.ts'
import { addApprover } from './command/approver-program.ts'
import { addCa } from './command/ca-program.ts'
import { withIdentity } from './command/client-options.ts'
import { addDecisions } from './command/decisions-program.ts'
import { addForward } from './command/forward-program.ts'
import { addGuard } from './command/guard-program.ts'
import { addIssuance } from './command/issuance-program.ts'
import { addIntermediates } from './command/intermediates-program.ts'
import { addIssued } from './command/issued-program.ts'
import { addLedger } from './command/ledger-program.ts'
import { addPolicy } from './command/policy/policy-program.ts'
import { createLog } from './create-log.ts'
import type { DoctorOptions } from './command/doctor-command.ts'
import { requiredFile } from './required-file.ts'
import { outputTo, runProgram } from './run-program.ts'
import type { Running } from './running.ts'
import { serveUntilStopped } from './serve-until-stopped.ts'
import type { ToolsOptions } from './command/tools-command.ts'
import type { ExitCode, Terminal } from './terminal.ts'
import { version } from '../version.ts'

/**
 * Runs one command line (without node and script) and gives its exit code. Never throws. Each command loads what it needs when it
 * is run: a signer never holds the gateway's HTTP client in memory, nor a gateway the ledger.
 */
export function run(argv: readonly string[], terminal: Terminal): Promise<ExitCode> {
  return runProgram(createProgram(terminal), argv, terminal)
}

function createProgram(terminal: Terminal): Command {
  const program = new Command('countersign')
    .description(
      'Short-lived pod certificates for AI-agent platforms, and a gateway that authorizes every MCP call on them.',
    )
    .exitOverride()
    .configureOutput(outputTo(terminal, 'countersign --help'))
    .version(version, '-V, --version', 'prints the version')
    .addHelpText(
      'after',
      `
Examples:
  countersign signer --config s.yaml   issue pod certificates
  countersign gateway --config g.yaml  authorize MCP calls
  countersign doctor                   examine a cluster

Exit codes: 0 ok, 1 refused or failed, 2 usage or configuration. An error is one line, and a hint.`,
    )
  addSigner(program, terminal)
  addGateway(program, terminal)
  addTools(program, terminal)
  addAgent(program, terminal)
  addApprover(program, terminal)
  addIssued(program, terminal)
  addIntermediates(program, terminal)
  addGuard(program, terminal)
  addForward(program, terminal)
  addBridge(program, terminal)
  addApprove(program, terminal)
  addPolicy(program, terminal)
  addDecisions(program, terminal)
  addDoctor(program, terminal)
  addCa(program, terminal)
  addLedger(program, terminal)
  addIssuance(program, terminal)
  program
    .command('version')
    .description('Prints the version, as --version does.')
    .action(() => terminal.out(`${version}\n`))
  return program
}

function addSigner(program: Command, terminal: Terminal): void {
  program
    .command('signer')
    .description(
      'Issues pod certificates after checking what each pod claims against what the cluster proves.',
    )
    .option('--config <file>', 'YAML configuration, see docs/OPERATING.md (required)')
    .addHelpText('after', '\nExample:\n  countersign signer --config /etc/countersign/signer.yaml')
    .action(async ({ config }: { config?: string }) => {
      const { readConfiguration } = await import('./configuration.ts')
      const { signerSchema } = await import('./signer/signer-configuration.ts')
      const { runSigner } = await import('./signer/run-signer.ts')
      const read = await readConfiguration(requiredFile(config), signerSchema)
      const log = createLog({ ...read.log, name: 'signer' })
      const { signal } = terminal
      await serveUntilStopped(() => runSigner(read, { log, signal }), log, signal)
    })
}

function addGateway(program: Command, terminal: Terminal): void {
  const gateway = program
    .command('gateway')
    .description('Serves MCP to agents over mTLS and authorizes every call.')
    .option('--config <file>', 'YAML configuration, see docs/OPERATING.md (required)')
    .addHelpText(
      'after',
      '\nExamples:\n  countersign gateway --config /etc/countersign/gateway.yaml\n  countersign gateway check /etc/countersign/gateway.yaml',
    )
    .action(async ({ config }: { config?: string }) => {
      const { default: cluster } = await import('node:cluster')
      if (cluster.isWorker) {
        const { runWorker } = await import('./gateway/run-worker.ts')
        await runWorker(terminal)
        return
      }
      const { readConfiguration } = await import('./configuration.ts')
      const { gatewaySchema } = await import('./gateway/gateway-configuration.ts')
      const file = resolve(requiredFile(config))
      const read = { ...(await readConfiguration(file, gatewaySchema)), file }
      const log = createLog({ ...read.log, name: 'gateway' })
      const start = async (): Promise<Running> => {
        // Whoever only looks after others loads nothing of what they do.
        if (read.workers > 1)
          return (await import('./gateway/run-workers.ts')).runWorkers(read, { log })
        return (await import('./gateway/run-gateway.ts')).runGateway(read, {
          log,
          signal: terminal.signal,
        })
      }
      await serveUntilStopped(start, log, terminal.signal)
    })
  gateway
    .command('check')
    .description(
      'Checks a gateway’s configuration and what it points at: files, policy, tool servers.',
    )
    .argument('<config>', 'YAML configuration, see docs/OPERATING.md')
    .option('--json', 'one document for programs, see docs/OPERATING.md')
    .addHelpText(
      'after',
      `
Nothing is written and no tool is called. Tool servers are connected to with the gateway's own certificate.
Exit codes: 0 no problem, 1 a problem, 2 usage.

Example:
  countersign gateway check /etc/countersign/gateway.yaml`,
    )
    .action(async (file: string, options: { json?: boolean }) => {
      const { runGatewayCheck } = await import('./check/check-gateway.ts')
      await runGatewayCheck(file, options, terminal)
    })
  addExplainList(gateway, terminal)
}

function addExplainList(gateway: Command, terminal: Terminal): void {
  gateway
    .command('explain-list')
    .description(
      'Shows every tool, prompt, resource and template with what hides it from an identity: ceiling, pin or policy.',
    )
    .argument('[identity]', 'SPIFFE ID, <namespace>/<service account>, or <namespace>/pods/<pod>')
    .option('--config <file>', 'YAML configuration of the gateway (required)')
    .option('--server <name>', 'this tool server alone')
    .option('--certificate <file>', 'PEM of the certificate that is asked about')
    .option(
      '--tool-scopes <list>',
      'of a SPIFFE ID: what its certificate would have, such as github:*',
    )
    .option('--role <role>', 'of a SPIFFE ID: what its certificate would have (default: agent)')
    .option('--tenant <name>', 'of a SPIFFE ID: what its certificate would have')
    .option(
      '--objects <file>',
      'what kubectl get … -o json has printed, instead of asking the API server',
    )
    .option(
      '--kubeconfig <file>',
      'to look a workload up (default: the one of the configuration, or the pod’s)',
    )
    .option('--json', 'one document for programs, see docs/OPERATING.md')
    .addHelpText(
      'after',
      `
Nothing is written and no tool is called. Tool servers are asked for their lists with the gateway's own certificate.
Exit codes: 0 shown, 1 a tool server does not answer, 2 usage or configuration.

Examples:
  countersign gateway explain-list spiffe://agents.example/ns/research/sa/crawler --config /etc/countersign/gateway.yaml \\
    --tenant acme --tool-scopes 'github:*'
  kubectl get ns/research sa/crawler pod/crawler-0 -n research -o json | kubectl -n countersign-system exec -i deploy/countersign-gateway -- \\
    node /opt/countersign/dist/cli/main.mjs gateway explain-list research/pods/crawler-0 --config /etc/countersign/gateway.yaml --objects /dev/stdin`,
    )
    // Without this the --config of `gateway` itself would take the option.
    .action(async (identity: string | undefined, _: object, command: Command) => {
      const { runExplainList } = await import('./command/explain-list.ts')
      await runExplainList(identity, command.optsWithGlobals(), terminal)
    })
}

function addTools(program: Command, terminal: Terminal): void {
  const tools = program
    .command('tools')
    .description('Looks at the definitions of a tool server’s tools, and approves them.')
    .addHelpText(
      'after',
      `
Exit codes: 0 done, 1 the tool server does not answer, 2 usage or configuration.

Examples:
  countersign tools list github --config gateway.yaml
  countersign tools approve github issues_create --config gateway.yaml --digest <the one that was looked at>
  kubectl -n countersign-system exec deploy/countersign-gateway -- node /opt/countersign/dist/cli/main.mjs tools list search --config /etc/countersign/gateway.yaml --json >search.json
  countersign tools approve search --listed search.json`,
    )
  const config = ['--config <file>', 'YAML configuration of the gateway'] as const
  const listed = [
    '--listed <file>',
    'what tools list --json has printed, instead of asking anew',
  ] as const
  tools
    .command('list')
    .description('Shows name, digest and state of each tool.')
    .argument('<server>', 'its name in the gateway')
    .option(...config)
    .option(...listed)
    .option('--json', 'one document for programs, see docs/OPERATING.md')
    .action(async (server: string, options: ToolsOptions) => {
      const { runToolsList } = await import('./command/tools-command.ts')
      await runToolsList(server, options, terminal)
    })
  tools
    .command('approve')
    .description('Pins what its tools say now: in the configuration file, or in its ToolServer.')
    .argument('<server>', 'its name in the gateway')
    .argument('[tool]', 'this tool alone')
    .option(...config)
    .option(...listed)
    .option('--digest <hex>', 'approves only the definition of this digest')
    .option('--dry-run', 'shows what would be approved, and writes nothing')
    .option(
      '--kubeconfig <file>',
      'of whoever may write the ToolServer; as kubectl finds it when absent',
    )
    .action(async (server: string, tool: string | undefined, options: ToolsOptions) => {
      const { runToolsApprove } = await import('./command/tools-command.ts')
      await runToolsApprove(server, tool, options, terminal)
    })
}

function addBridge(program: Command, terminal: Terminal): void {
  const bridge = program
    .command('bridge')
    .description(
      'Speaks MCP on standard input and output and mTLS to the gateway, for clients without certificates.',
    )
  withIdentity(bridge)
    .addHelpText(
      'after',
      `
Ends with its input, or at SIGTERM; docs/QUICKSTART-AGENT.md says what it holds and how long a line may be.
Exit codes: 0 ended, 1 it could not begin, 2 usage. What no answer can say is told on standard error.

Examples:
  countersign bridge --dev ./dev-cluster/dev.json --pod acme/researcher
  countersign bridge --url https://gateway.example/mcp --server spiffe://agents.example/ns/system/sa/gateway \\
    --credential-bundle /var/run/countersign/credential-bundle.pem --trust-bundle /var/run/countersign/trust-bundle.pem`,
    )
    .action(async (options: BridgeOptions) => {
      const { runBridge } = await import('./command/bridge-command.ts')
      await runBridge(options, terminal)
    })
}

function addApprove(program: Command, terminal: Terminal): void {
  const approve = program
    .command('approve')
    .description(
      'Approves a call that waits for it at the gateway, or denies it, or lists what waits.',
    )
    .argument('[ticket]', 'as whoever made the call was told')
    .option('--list', 'what waits, as far as you may decide it')
    .option('--deny', 'denies the call instead')
  withIdentity(approve)
    .addHelpText(
      'after',
      `
Who may approve what is policy's to say: data.approvals, see docs/AUTHORIZATION.md. Nobody approves their own calls.
Exit codes: 0 done, 1 refused, 2 usage.

Examples:
  countersign approve --list --url https://gateway.example/mcp --server spiffe://agents.example/ns/system/sa/gateway \\
    --credential-bundle /var/run/countersign/credential-bundle.pem --trust-bundle /var/run/countersign/trust-bundle.pem
  countersign approve <ticket> --deny ...`,
    )
    .action(async (ticket: string | undefined, options: ApproveOptions) => {
      const { runApprove } = await import('./command/approve-command.ts')
      await runApprove(ticket, options, terminal)
    })
}

function addDoctor(program: Command, terminal: Terminal): void {
  program
    .command('doctor')
    .description('Examines a cluster: what it lacks, who could get around us, and what to do.')
    .option('--kubeconfig <file>', 'as kubectl finds it when absent')
    .option('--namespace <name>', 'where Countersign is installed', 'countersign-system')
    .option('--gateway <url>', 'where the gateway is reached from here, as through a port-forward')
    .option('--json', 'one document for programs, see docs/OPERATING.md')
    .addHelpText(
      'after',
      `
Nothing is changed: what the API server would do is tried with dryRun=All.
Exit codes: 0 no problem, 1 a problem, 2 usage.

Example:
  countersign doctor --namespace countersign-system`,
    )
    .action(async (options: DoctorOptions) => {
      const { runDoctor } = await import('./command/doctor-command.ts')
      await runDoctor(options, terminal)
    })
}
