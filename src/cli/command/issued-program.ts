import type { Command } from 'commander'
import { createLog } from '../create-log.ts'
import { requiredFile } from '../required-file.ts'
import { serveUntilStopped } from '../serve-until-stopped.ts'
import type { Terminal } from '../terminal.ts'

/** `countersign issued-certificates`: it makes keys and asks, and another program signs. */
export function addIssued(program: Command, terminal: Terminal): void {
  program
    .command('issued-certificates')
    .description('Keeps in Secrets what the IssuedCertificates of a cluster ask for.')
    .option('--config <file>', 'YAML configuration, see docs/OPERATING.md (required)')
    .addHelpText(
      'after',
      '\nExample:\n  countersign issued-certificates --config /etc/countersign/issued.yaml',
    )
    .action(async ({ config }: { config?: string }) => {
      const { readConfiguration } = await import('../configuration.ts')
      const { issuedSchema } = await import('../issued/issued-configuration.ts')
      const { runIssued } = await import('../issued/run-issued.ts')
      const read = await readConfiguration(requiredFile(config), issuedSchema)
      const log = createLog({ ...read.log, name: 'issued-certificates' })
      await serveUntilStopped(() => runIssued(read, log), log, terminal.signal)
    })
}
