import { homedir } from 'node:os'
import { parseDocument } from 'yaml'
import type { z } from 'zod'
import { formatReport } from '../doctor/format-report.ts'
import { gatherFacts } from '../doctor/gather/gather-facts.ts'
import { examine } from '../doctor/report.ts'
import { CountersignError, quoted } from '../errors.ts'
import { createApiClient } from '../kubernetes/api-client.ts'
import { validate } from './configuration.ts'
import { gatewaySchema } from './gateway-configuration.ts'
import { Refused } from './run-program.ts'
import { signerSchema } from './signer-configuration.ts'
import type { Terminal } from './terminal.ts'
import { version } from './version.ts'

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
  const gateway = options.gateway === undefined ? undefined : parseGateway(options.gateway)
  const client = createApiClient({
    kubeconfig: options.kubeconfig,
    home: homedir(),
    environment: process.env,
    userAgent: 'countersign-doctor',
  })
  try {
    const { namespace } = options
    const facts = await gatherFacts({
      client,
      signal: terminal.signal,
      namespace,
      release: version,
      configuration: {
        signer: (text) => readYaml(text, signerSchema('/etc/countersign'), 'signer.yaml'),
        gateway: (text) => readYaml(text, gatewaySchema('/etc/countersign'), 'gateway.yaml'),
      },
      gateway,
      now,
    })
    const report = examine(facts, client.server)
    terminal.out(options.json === true ? `${JSON.stringify(report)}\n` : formatReport(report))
    if (report.status === 'problem') throw new Refused()
  } finally {
    client.close()
  }
}

function parseGateway(text: string): { readonly host: string; readonly port: number } {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'https:') {
    throw new CountersignError('cli/usage', `--gateway: want=an https URL got=${quoted(text)}`)
  }
  // URLs write IPv6 addresses in brackets, sockets do not.
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return { host, port: url.port === '' ? 443 : Number(url.port) }
}

function readYaml<S extends z.ZodType>(text: string, schema: S, what: string): z.output<S> {
  const document = parseDocument(text, { uniqueKeys: true, strict: true, version: '1.2' })
  if (document.errors.length > 0) {
    throw new CountersignError('cli/configuration', `${what}: want=YAML`)
  }
  return validate(document.toJS({ maxAliasCount: 0 }), schema, what)
}
