import type { Command } from 'commander'
import { CountersignError } from '../../errors.ts'
import { createLog } from '../create-log.ts'
import { requiredFile } from '../required-file.ts'
import { serveUntilStopped } from '../serve-until-stopped.ts'
import type { Terminal } from '../terminal.ts'

/** `countersign approve-requests`: it approves what nodes ask, or what pods ask of a signer of ours, and another program signs. */
export function addApprover(program: Command, terminal: Terminal): void {
  program
    .command('approve-requests')
    .description('Approves certificates that the cluster proves, for others to sign.')
    .option('--config <file>', 'of nodes: YAML configuration, see docs/OPERATING.md')
    .option(
      '--signer <file>',
      'of pods: the configuration of the signer that signs what is approved',
    )
    .addHelpText(
      'after',
      '\nOne of both.\n\nExamples:\n  countersign approve-requests --config /etc/countersign/approver.yaml\n  countersign approve-requests --signer /etc/countersign/signer.yaml',
    )
    .action(async ({ config, signer }: { config?: string; signer?: string }) => {
      if (signer !== undefined) return approveForSigner(signer, { config, terminal })
      const { readConfiguration } = await import('../configuration.ts')
      const { approverSchema } = await import('../approver/approver-configuration.ts')
      const { runApprover } = await import('../approver/run-approver.ts')
      const read = await readConfiguration(requiredFile(config), approverSchema)
      const log = createLog({ ...read.log, name: 'approver' })
      const { signal } = terminal
      await serveUntilStopped(() => runApprover(read, { log, signal }), log, signal)
    })
}

async function approveForSigner(
  file: string,
  { config, terminal }: { readonly config: string | undefined; readonly terminal: Terminal },
): Promise<void> {
  if (config !== undefined) {
    throw new CountersignError('cli/usage', 'approve-requests: --config or --signer, not both')
  }
  const { readConfiguration } = await import('../configuration.ts')
  const { signerSchema } = await import('../signer/signer-configuration.ts')
  const { runRequestApprover } = await import('../signer/run-request-approver.ts')
  const read = await readConfiguration(file, signerSchema)
  const log = createLog({ ...read.log, name: 'csr-approver' })
  const { signal } = terminal
  await serveUntilStopped(() => runRequestApprover(read, { log, signal }), log, signal)
}
