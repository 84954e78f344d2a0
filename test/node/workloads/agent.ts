/**
 * An agent in a pod: without words it waits, as the pod's own process; with words it does one thing and says one line of
 * JSON: `list`, `call TOOL ARGUMENTS`, `loop TOOL ARGUMENTS SECONDS`, `certificate`.
 */
import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { system, trustDomain } from '../stage/cast.ts'
import { openCountersignFetch } from '../../../src/agent/countersign-fetch.ts'

const volume = '/var/run/countersign'
const credentialBundle = `${volume}/credential-bundle.pem`

function describe(error: unknown): object {
  const { message, code, data, cause } = error as Error & { code?: unknown; data?: unknown }
  return { message, code, data, cause: cause instanceof Error ? cause.message : undefined }
}

async function withClient<T>(work: (client: Client) => Promise<T>): Promise<T> {
  await using gateway = await openCountersignFetch({
    credentialBundle,
    trustBundle: `${volume}/trust-bundle.pem`,
    server: `spiffe://${trustDomain}/ns/${system}/sa/countersign-gateway`,
  })
  const url = new URL(`https://countersign-gateway.${system}.svc/mcp`)
  const settings = { versionNegotiation: { mode: { pin: '2026-07-28' } } } as const
  const client = new Client({ name: 'agent', version: '1.0.0' }, settings)
  await client.connect(new StreamableHTTPClientTransport(url, { fetch: gateway.fetch }))
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}

type Input = Record<string, unknown>

/** One client that goes on calling, as an agent does; each failure is told with its time. */
async function loop(client: Client, name: string, input: Input, seconds: number): Promise<object> {
  const until = performance.now() + seconds * 1000
  const failures: object[] = []
  let calls = 0
  let slowestMilliseconds = 0
  while (performance.now() < until) {
    const begun = performance.now()
    calls += 1
    try {
      await client.callTool({ name, arguments: input })
    } catch (error) {
      failures.push({ at: new Date().toISOString(), ...describe(error) })
    }
    slowestMilliseconds = Math.max(slowestMilliseconds, Math.round(performance.now() - begun))
  }
  return { calls, failed: failures.length, slowestMilliseconds, failures: failures.slice(0, 8) }
}

function certificate(): object {
  const read = new X509Certificate(readFileSync(credentialBundle))
  const { subjectAltName, serialNumber, validTo } = read
  const { mode, uid, gid } = statSync(credentialBundle)
  return { subjectAltName, serialNumber, validTo, mode: (mode & 0o777).toString(8), uid, gid }
}

const errands: Readonly<Record<string, (...words: string[]) => Promise<object> | object>> = {
  certificate,
  list: () =>
    withClient(async (client) => {
      const { tools } = await client.listTools()
      return tools.map((tool) => tool.name).toSorted()
    }),
  call: (name = '', input = '{}') =>
    withClient((client) => client.callTool({ name, arguments: JSON.parse(input) as Input })),
  loop: (name = '', input = '{}', seconds = '10') =>
    withClient((client) => loop(client, name, JSON.parse(input) as Input, Number(seconds))),
}

const [errand, ...words] = process.argv.slice(2)
if (errand === undefined) {
  const forever = setInterval(() => undefined, 1e9)
  process.once('SIGTERM', () => clearInterval(forever))
} else {
  let answer: object
  try {
    answer = { ok: await errands[errand]?.(...words) }
  } catch (error) {
    answer = { failed: describe(error) }
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
