import type { Command } from 'commander'
import type { Terminal } from '../terminal.ts'
import { withIdentity } from './client-options.ts'
import type { ForwardOptions } from './forward-command.ts'

/** `countersign forward`: the pod's certificate, for a client that cannot show it. */
export function addForward(program: Command, terminal: Terminal): void {
  const forward = program
    .command('forward')
    .description(
      'Answers on loopback with what the gateway answers to this pod, for clients without certificates.',
    )
    .option('--port <number>', 'of 127.0.0.1 (default: 8089)')
    .option('--socket <path>', 'a Unix socket instead, which its owner alone can connect to')
    .option('--group', 'with --socket: its group, too')
  withIdentity(forward)
    .addHelpText(
      'after',
      `
Whoever can connect there speaks as the pod: docs/REACH.md says what is taken.
Exit codes: 0 ended, 1 it could not begin, 2 usage.

Example:
  countersign forward --url https://gateway.example/mcp --server spiffe://agents.example/ns/system/sa/gateway \\
    --credential-bundle /var/run/countersign/credential-bundle.pem --trust-bundle /var/run/countersign/trust-bundle.pem`,
    )
    .action(async (options: ForwardOptions) => {
      const { runForward } = await import('./forward-command.ts')
      await runForward(options, terminal)
    })
}
