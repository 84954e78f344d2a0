import type { Command } from 'commander'
import { createLog } from '../create-log.ts'
import { requiredFile } from '../required-file.ts'
import { serveUntilStopped } from '../serve-until-stopped.ts'
import type { Terminal } from '../terminal.ts'

/** `countersign intermediates`: a CA of its own for the signer of another cluster. */
export function addIntermediates(program: Command, terminal: Terminal): void {
  program
    .command('intermediates')
    .description('Signs CAs for the signer of another cluster, each bound to its trust domain.')
    .option('--config <file>', 'YAML configuration, see docs/OPERATING.md (required)')
    .addHelpText(
      'after',
      '\nExample:\n  countersign intermediates --config /etc/countersign/intermediates.yaml',
    )
    .action(async ({ config }: { config?: string }) => {
      const { readConfiguration } = await import('../configuration.ts')
      const { intermediateSchema } = await import('../intermediate/intermediate-configuration.ts')
      const { runIntermediates } = await import('../intermediate/run-intermediates.ts')
      const read = await readConfiguration(requiredFile(config), intermediateSchema)
      const log = createLog({ ...read.log, name: 'intermediates' })
      const { signal } = terminal
      await serveUntilStopped(() => runIntermediates(read, { log, signal }), log, signal)
    })
}
