import type { Command } from 'commander'
import type { Terminal } from '../terminal.ts'
import type { ForwardOptions } from './forward-command.ts'

/** `countersign forward`: the pod's certificate, for a client that cannot show it. */
export function addForward(program: Command, terminal: Terminal): void {
  program
    .command('forward')
    .description(
      'Answers on loopback with what the gateway answers to this pod, for clients without certificates.',
    )
    .option('--port <number>', 'of 127.0.0.1', '8089')
    .option('--url <url>', "the gateway's door, such as https://gateway.example/mcp")
    .option('--server <spiffe-id>', 'the SPIFFE ID that the gateway must prove')
    .option('--credential-bundle <file>', 'key and certificate chain, as kubelet mounts them')
    .option('--trust-bundle <file>', 'PEM file of anchors')
    .option('--dev <file>', 'the dev.json of a running `npm run dev`, instead of the four above')
    .option('--pod <namespace/name>', 'with --dev: whose certificate (default acme/researcher)')
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
