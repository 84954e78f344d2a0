import type { Command } from 'commander'
import type { Terminal } from '../terminal.ts'
import type { CaOptions } from './ca-command.ts'

/** `countersign ca`: the rotation of the signer's own CA, step by step. */
export function addCa(program: Command, terminal: Terminal): void {
  const ca = program
    .command('ca')
    .description(
      'Rotates the CA of the signer (authority.selfSigned or authority.csr) without a pause.',
    )
    .addHelpText(
      'after',
      `
docs/OPERATING.md, Rotate the CA, says what each step does. A CA in files is rotated by writing the new one over it.
Exit codes: 0 done, 1 out of order or not proved yet, and nothing was changed unless it says that it may have been, 2 usage or configuration.

Examples:
  countersign ca status
  countersign ca prepare
  countersign ca activate
  countersign ca activate --leaked-key
  countersign ca revoke 3f9c0d21a7b4`,
    )
  function step(name: string, description: string): Command {
    return ca
      .command(name)
      .description(description)
      .option('--namespace <name>', 'where Countersign is installed', 'countersign-system')
      .option('--config <file>', 'YAML configuration of the signer, instead of the installed one')
      .option('--kubeconfig <file>', 'as kubectl finds it when absent')
      .option('--json', 'one document for programs, see docs/OPERATING.md')
  }
  const named = [
    '<authority>',
    'the first characters of its SHA-256, as status shows them',
  ] as const
  step('status', 'Shows each CA with its state, and what readers have of it.').action(
    async (options: CaOptions) => {
      const { runCaStatus } = await import('./ca-command.ts')
      await runCaStatus(options, terminal)
    },
  )
  step('prepare', 'Makes the next CA. Its anchor is published, and it signs nothing yet.').action(
    async (options: CaOptions) => {
      const { runCaPrepare } = await import('./ca-command.ts')
      await runCaPrepare(options, terminal)
    },
  )
  step('activate', 'Lets the prepared CA sign, once readers had time to take up its anchor.')
    .option('--delivered', 'readers were given the anchor by other means, where none is published')
    .option('--leaked-key', 'does not wait for readers, because the key of the active one is known')
    .action(async (options: CaOptions) => {
      const { runCaActivate } = await import('./ca-command.ts')
      await runCaActivate(options, terminal)
    })
  step('taint', 'Marks an old CA whose key is doubted. Its anchor stays meanwhile.')
    .argument(...named)
    .action(async (name: string, options: CaOptions) => {
      const { runCaTaint } = await import('./ca-command.ts')
      await runCaTaint(name, options, terminal)
    })
  step(
    'revoke',
    'Takes the anchor of a CA away at once: its certificates are refused from then on.',
  )
    .argument(...named)
    .action(async (name: string, options: CaOptions) => {
      const { runCaRevoke } = await import('./ca-command.ts')
      await runCaRevoke(name, options, terminal)
    })
}
