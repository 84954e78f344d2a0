import type { Command } from 'commander'
import { CountersignError } from '../../errors.ts'
import { createLog } from '../create-log.ts'
import { requiredFile } from '../required-file.ts'
import { serveUntilStopped } from '../serve-until-stopped.ts'
import type { Terminal } from '../terminal.ts'

interface AgentOptions {
  readonly config?: string
  readonly once?: boolean
  readonly check?: boolean
}

/** `countersign agent`: what kubelet does for a pod, where it does not. */
export function addAgent(program: Command, terminal: Terminal): void {
  program
    .command('agent')
    .description(
      'Keeps the credential of its pod where kubelet does not: asks by CertificateSigningRequests, and renews.',
    )
    .option('--config <file>', 'YAML configuration, see docs/OPERATING.md (required)')
    .option('--once', 'ends when a credential is there that needs no renewal')
    .option('--check', 'asks for nothing: says until when the credential in the folder is good')
    .addHelpText(
      'after',
      `
The pod's author has to declare it by annotations: docs/ISSUANCE.md, What a pod asks by itself.
Exit codes: 0 ended, or with --check good; 1 failed, or with --check not good; 2 usage or configuration.

Examples:
  countersign agent --config /etc/countersign/agent.yaml
  countersign agent --config /etc/countersign/agent.yaml --check`,
    )
    .action(async ({ config, once = false, check = false }: AgentOptions) => {
      if (once && check) {
        throw new CountersignError('cli/usage', 'agent: want=--once or --check, not both')
      }
      const { readConfiguration } = await import('../configuration.ts')
      const { agentSchema } = await import('../agent/agent-configuration.ts')
      const { checkCredential, runAgent, runAgentOnce } = await import('../agent/run-agent.ts')
      const read = await readConfiguration(requiredFile(config), agentSchema)
      if (check) {
        const until = await checkCredential(read, Date.now())
        terminal.out(`good until ${until.toISOString()}\n`)
        return
      }
      const log = createLog({ ...read.log, name: 'agent' })
      const { signal } = terminal
      if (once) await runAgentOnce(read, { log, signal })
      else await serveUntilStopped(() => runAgent(read, log), log, signal)
    })
}
