import type { Command } from 'commander'
import { createLog } from '../create-log.ts'
import { requiredFile } from '../required-file.ts'
import { serveUntilStopped } from '../serve-until-stopped.ts'
import type { Terminal } from '../terminal.ts'

/** `countersign approve-requests`: it approves, and another program signs. */
export function addApprover(program: Command, terminal: Terminal): void {
  program
    .command('approve-requests')
    .description('Approves the certificates of nodes that the cluster proves, for others to sign.')
    .option('--config <file>', 'YAML configuration, see docs/OPERATING.md (required)')
    .addHelpText(
      'after',
      '\nExample:\n  countersign approve-requests --config /etc/countersign/approver.yaml',
    )
    .action(async ({ config }: { config?: string }) => {
      const { readConfiguration } = await import('../configuration.ts')
      const { approverSchema } = await import('../approver/approver-configuration.ts')
      const { runApprover } = await import('../approver/run-approver.ts')
      const read = await readConfiguration(requiredFile(config), approverSchema)
      const log = createLog({ ...read.log, name: 'approver' })
      const { signal } = terminal
      await serveUntilStopped(() => runApprover(read, { log, signal }), log, signal)
    })
}
