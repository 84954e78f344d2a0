import { formatReport } from '../../doctor/format-report.ts'
import { gatherFacts } from '../../doctor/gather/gather-facts.ts'
import { examine } from '../../doctor/report.ts'
import { CountersignError, quoted } from '../../errors.ts'
import { isDnsLabel } from '../../identity/kubernetes-name.ts'
import { clusterConfiguration } from '../read-cluster-configuration.ts'
import { Refused } from '../run-program.ts'
import type { Terminal } from '../terminal.ts'
import { openClient } from './open-client.ts'
import { version } from '../../version.ts'

export interface DoctorOptions {
  readonly kubeconfig?: string
  readonly namespace: string
  readonly gateway?: string
  readonly json?: boolean
}

/** Examines a cluster and prints what it found. Throws `Refused` when there is a problem, so that the exit code is 1. */
export async function runDoctor(
  options: DoctorOptions,
  terminal: Terminal,
  now: () => number = Date.now,
): Promise<void> {
  const { namespace, json = false } = options
  const gateway = options.gateway === undefined ? undefined : parseGateway(options.gateway)
  if (!isDnsLabel(namespace)) {
    const message = `--namespace: want=a name of a namespace got=${quoted(namespace)}`
    const hint = 'where the chart is installed, such as countersign-system'
    throw new CountersignError('cli/usage', message, { hint })
  }
  const client = openClient(options.kubeconfig, 'doctor')
  try {
    const facts = await gatherFacts({
      client,
      signal: terminal.signal,
      namespace,
      release: version,
      configuration: clusterConfiguration,
      gateway,
      now,
    })
    const report = examine(facts, client.server)
    terminal.out(json ? `${JSON.stringify(report)}\n` : formatReport(report))
    if (report.status === 'problem') throw new Refused()
  } catch (error) {
    // Whoever stops it knows that it has not ended.
    if (terminal.signal.aborted) throw new Refused()
    throw error
  } finally {
    client.close()
  }
}

function parseGateway(text: string): { readonly host: string; readonly port: number } {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'https:') {
    const message = `--gateway: want=an https URL got=${quoted(text)}`
    const hint = 'such as https://127.0.0.1:8443, through a port-forward'
    throw new CountersignError('cli/usage', message, { hint })
  }
  // URLs write IPv6 addresses in brackets, sockets do not.
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return { host, port: url.port === '' ? 443 : Number(url.port) }
}
