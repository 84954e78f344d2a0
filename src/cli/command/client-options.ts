import type { Command } from 'commander'

/** The options of a command that asks the gateway with the identity of a pod. */
export function withIdentity(command: Command): Command {
  return command
    .option('--url <url>', "the gateway's door, such as https://gateway.example/mcp")
    .option('--server <spiffe-id>', 'the SPIFFE ID that the gateway must prove')
    .option('--credential-bundle <file>', 'key and certificate chain, as kubelet mounts them')
    .option('--trust-bundle <file>', 'PEM file of anchors')
    .option('--dev <file>', 'the dev.json of a running `npm run dev`, instead of the four above')
    .option('--pod <namespace/name>', 'with --dev: whose certificate (default acme/researcher)')
}
