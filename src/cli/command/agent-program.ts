import type { Command } from 'commander'
import { CountersignError } from '../../errors.ts'
import { createLog } from '../create-log.ts'
import { requiredFile } from '../required-file.ts'
import { Answered } from '../run-program.ts'
import { serveUntilStopped } from '../serve-until-stopped.ts'
import type { Terminal } from '../terminal.ts'

/** An exit code has eight bits, and the last of them says that there are none. */
const daysMax = 250
const notGood = 255

interface AgentOptions {
  readonly config?: string
  readonly memory?: boolean
  readonly once?: boolean
  readonly check?: boolean
  readonly days?: boolean
}

/** `countersign agent`: what kubelet does for a pod, where it does not. */
export function addAgent(program: Command, terminal: Terminal): void {
  program
    .command('agent')
    .description(
      'Keeps the credential of its pod where kubelet does not: asks by CertificateSigningRequests, and renews.',
    )
    .option('--config <file>', 'YAML configuration, see docs/OPERATING.md (required)')
    .option('--memory', 'takes no folder but one in memory: no key is written to a disk')
    .option('--once', 'ends when a credential is there that needs no renewal')
    .option('--check', 'asks for nothing: says until when the credential in the folder is good')
    .option('--days', 'with --check: the exit code is how many days it is good for')
    .addHelpText(
      'after',
      `
The pod's author has to declare it by annotations: docs/ISSUANCE.md, What a pod asks by itself.
Exit codes: 0 ended, or with --check good; 1 failed, or with --check not good; 2 usage or configuration.
With --check --days: whole days that it is good for, 250 for as many and more, 0 for less than one; 255 where there is none that is good.

Examples:
  countersign agent --config /etc/countersign/agent.yaml
  countersign agent --config /etc/countersign/agent.yaml --check`,
    )
    .action(
      async ({
        config,
        memory = false,
        once = false,
        check = false,
        days = false,
      }: AgentOptions) => {
        if (once && check) {
          throw new CountersignError('cli/usage', 'agent: want=--once or --check, not both')
        }
        if (days && !check)
          throw new CountersignError('cli/usage', 'agent: want=--check beside --days')
        const { readConfiguration } = await import('../configuration.ts')
        const { agentSchema } = await import('../agent/agent-configuration.ts')
        const { checkCredential, runAgent, runAgentOnce } = await import('../agent/run-agent.ts')
        const configured = await readConfiguration(requiredFile(config), agentSchema)
        const read = { ...configured, memory: memory || configured.memory }
        if (check) {
          const now = Date.now()
          const { until, standsIn } = await checkCredential(read, now).catch((error: unknown) => {
            if (!days || !(error instanceof CountersignError)) throw error
            terminal.err(`countersign: ${error.message} (${error.code})\n`)
            throw new Answered(notGood)
          })
          const left = Math.floor((until.getTime() - now) / 86_400_000)
          terminal.out(`good until ${until.toISOString()}, ${left} days\n`)
          if (standsIn !== undefined)
            terminal.err(`countersign: warning: its source is ${standsIn}\n`)
          if (days) throw new Answered(Math.min(left, daysMax))
          return
        }
        const log = createLog({ ...read.log, name: 'agent' })
        const { signal } = terminal
        if (once) await runAgentOnce(read, { log, signal })
        else await serveUntilStopped(() => runAgent(read, log), log, signal)
      },
    )
}
