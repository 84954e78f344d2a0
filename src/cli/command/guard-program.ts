import type { Command } from 'commander'
import { createLog } from '../create-log.ts'
import { serveUntilStopped } from '../serve-until-stopped.ts'
import type { Terminal } from '../terminal.ts'
import type { GuardOptions } from './guard-options.ts'

const several = (value: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  value,
]

/** `countersign guard`: what the library does, for servers in any language. */
export function addGuard(program: Command, terminal: Terminal): void {
  program
    .command('guard')
    .description(
      'Stands before a tool server in its pod: lets in only the gateway, verifies every call, and hands it on with its caller.',
    )
    .option('--to <url>', 'the server inside, such as http://127.0.0.1:8000/mcp')
    .argument('[command...]', 'with --stdio, after --: program and arguments, without a shell')
    .option('--stdio', 'the server inside is a command that speaks on standard input and output')
    .option('--path <path>', 'with --stdio: where it is served (default: /mcp)')
    .option(
      '--env <name>',
      'with --stdio: a variable that it gets; may come several times',
      several,
    )
    .option('--sessions-max <n>', 'with --stdio: processes of it, one a session (default: 16)')
    .option('--gateway <spiffe-id>', 'a gateway whose word counts; may come several times', several)
    .option(
      '--caller-trust-domain <name>',
      'another trust domain, whose agents may call through it; may come several times',
      several,
    )
    .option('--server <name>', 'the name that the gateway knows this server by')
    .option('--credential-bundle <file>', 'key and certificate chain, as kubelet mounts them')
    .option('--trust-bundle <file>', 'PEM file of anchors')
    .option('--identity-extension-oid <oid>', "the signer's (required but with --no-production)")
    .option('--revocations <cluster|file>', '`cluster`, or a file of such a list (default: none)')
    .option('--listen <address:port>', 'where the gateway comes to', '0.0.0.0:8443')
    .option('--admin <address:port>', 'health, readiness and metrics', '127.0.0.1:9092')
    .option('--grace-seconds <seconds>', 'after SIGTERM all is served on for so long', '5')
    .option('--no-production', 'for trying out: takes the example number of the extension')
    .addHelpText(
      'after',
      `
The server inside listens on 127.0.0.1 only, and trusts the header countersign-caller: docs/REACH.md has the pod. With --stdio it listens
nowhere, and is told who calls in params._meta of each message: countersign.dev/caller.
Exit codes: 0 ended, 1 it could not begin, 2 usage.

Example:
  countersign guard --to http://127.0.0.1:8000/mcp --server search \\
    --gateway spiffe://agents.example/ns/countersign-system/sa/countersign-gateway --identity-extension-oid 1.3.6.1.4.1.99999.1 \\
    --credential-bundle /var/run/countersign/credential-bundle.pem --trust-bundle /var/run/countersign/trust-bundle.pem
  countersign guard --stdio ... -- python -m your_server`,
    )
    .action(async (words: readonly string[], options: GuardOptions) => {
      const { parseGuardOptions } = await import('./guard-options.ts')
      const { openGuard } = await import('./guard-command.ts')
      const config = parseGuardOptions(options, words)
      const log = createLog({ name: 'guard' })
      await serveUntilStopped(() => openGuard(config, log), log, terminal.signal)
    })
}
