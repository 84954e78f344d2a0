import { openCountersignFetch } from '../../agent/countersign-fetch.ts'
import { bridgeBounds, runStdioBridge } from '../../agent/stdio-bridge.ts'
import { CountersignError, quoted } from '../../errors.ts'
import { parseSpiffeId } from '../../identity/spiffe-id.ts'
import type { Terminal } from '../terminal.ts'

export interface BridgeOptions {
  readonly url?: string
  readonly server?: string
  readonly credentialBundle?: string
  readonly trustBundle?: string
  readonly dev?: string
  readonly pod?: string
}

export type BridgeTarget = Required<Omit<BridgeOptions, 'dev' | 'pod'>>

/** Speaks MCP on standard input and output, and mTLS to the gateway. */
export async function runBridge(options: BridgeOptions, terminal: Terminal): Promise<void> {
  const { url, server, credentialBundle, trustBundle } = await targetOf(options, 'bridge')
  const { requestsMax, noticesMax } = bridgeBounds
  await using gateway = await openCountersignFetch({
    server,
    credentialBundle,
    trustBundle,
    // One more to open a lost session again, and one to end it.
    connectionsMax: requestsMax + noticesMax + 2,
  })
  // What cannot be written is told to who writes it.
  process.stdout.on('error', () => {})
  await runStdioBridge({
    input: process.stdin,
    write: writeLine,
    warn: (text) => terminal.err(`countersign bridge: ${text}\n`),
    fetch: gateway.fetch,
    url,
    signal: terminal.signal,
  })
}

/** Settles when the line has left this process: a client that reads slowly slows its own streams, and fills no memory here. */
function writeLine(line: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(Buffer.concat([line, lineEnd]), (error) => {
      if (error === null || error === undefined) resolve()
      else reject(error)
    })
  })
}

const lineEnd = Buffer.from('\n')

/** Where the gateway is, and with what it is spoken to. Throws `cli/usage`. */
export async function targetOf(options: BridgeOptions, command: string): Promise<BridgeTarget> {
  const { dev, pod, url, server, credentialBundle, trustBundle } = options
  if (dev !== undefined) {
    // Only there a schema is needed: a client may keep many bridges, and each holds what it has loaded.
    const { targetInDev } = await import('./bridge-dev.ts')
    return targetInDev(dev, pod ?? 'acme/researcher')
  }
  const missing = Object.entries({ url, server, credentialBundle, trustBundle }).find(
    ([, value]) => value === undefined,
  )
  if (missing === undefined) {
    return checked({ url, server, credentialBundle, trustBundle } as BridgeTarget)
  }
  throw new CountersignError('cli/usage', `${command}: ${missing[0]}: required`, {
    hint: 'give --url, --server, --credential-bundle and --trust-bundle, or --dev and --pod',
  })
}

/** What can be seen to be wrong before anything is asked of it. */
function checked(target: BridgeTarget): BridgeTarget {
  const { url, server } = target
  if (!URL.canParse(url) || new URL(url).protocol !== 'https:') {
    throw new CountersignError('cli/usage', `bridge: url: want=https://… got=${quoted(url)}`, {
      hint: 'such as https://countersign-gateway.countersign-system.svc/mcp',
    })
  }
  try {
    parseSpiffeId(server)
  } catch (cause) {
    throw new CountersignError('cli/usage', 'bridge: server', {
      cause,
      hint: 'such as spiffe://agents.example/ns/countersign-system/sa/countersign-gateway',
    })
  }
  return target
}
