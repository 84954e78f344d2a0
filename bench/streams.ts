/**
 * What open streams of changes take of memory beside connections that do nothing, and how soon an event has reached all of them.
 *
 * A thousand connections of twenty identities with certificates on both sides, each with one `subscriptions/listen` for the same list, or
 * with the GET stream of a legacy session, or idle after one list, or never used. Fresh gateways take turns; resident memory before and after, and the difference of each. The upstream tells of a change, and the
 * time is taken until the last of the streams has it, at the client, in the process that has all thousand of them. Beside them a bare
 * forwarder of GET streams, which is what two connections with certificates take of Node.
 *
 *     npm run bench streams -- [--json] [--streams=1000] [--rounds=3] [--events=5] [--only=sessions]
 */
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { parseCredentialBundle } from '../src/pki/credential.ts'
import { list, request } from './gateway/contest.ts'
import { startRole } from './gateway/start-contestant.ts'
import { bundleContestant } from './rig/bundle-contestant.ts'
import { withMaterial, type BenchMaterial } from './rig/material.ts'
import { residentMebibytes } from './rig/process-figures.ts'
import { median, report, rounded } from './rig/report.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    streams: { type: 'string', default: '1000' },
    only: { type: 'string', default: '' },
    rounds: { type: 'string', default: '3' },
    events: { type: 'string', default: '5' },
  },
})

const count = Number(values.streams)
const kinds = ['unused', 'idle', 'streams', 'sessions', 'forwarded'] as const
type Kind = (typeof kinds)[number]
/** Those that are told of a change. */
type Told = 'streams' | 'sessions' | 'forwarded'
const chosen = kinds.filter((kind) => values.only === '' || values.only === kind)
const milliseconds: Record<Told, number[]> = { streams: [], sessions: [], forwarded: [] }
const mebibytes: Record<Kind, number[]> = { unused: [], idle: [], ...structuredClone(milliseconds) }
const rowNames = {
  unused: 'never used',
  idle: 'idle after a list',
  streams: 'subscriptions/listen',
  sessions: 'GET of a session',
  forwarded: 'GET, bare forwarder',
} as const

const listenRequest = requestOf('subscriptions/listen', {
  notifications: { toolsListChanged: true },
})
const listRequest = requestOf('tools/list', {})
const version = '2025-11-25'
const firstRequests = {
  idle: listRequest,
  streams: listenRequest,
  sessions: initialize(),
  forwarded: initialize(),
} as const
const answered = { resultType: 'complete', tools: [], ttlMs: 0, cacheScope: 'private' }
const hello = {
  protocolVersion: version,
  capabilities: { tools: { listChanged: true } },
  serverInfo: { name: 'bench', version: '1' },
}

await withMaterial(20, async (material) => {
  const program = await bundleContestant(material.folder)
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const kind of chosen) await measure(material, program, kind)
  }
})
const each = (kind: Kind): number => (median(mebibytes[kind]) * 1024) / count
report(
  {
    bench: 'streams',
    title: `${count} connections of 20 identities, medians of ${values.rounds} rounds`,
    columns: ['each KiB', 'of idle', 'an event to all, ms: median', 'longest'],
    rows: chosen.map((kind) => {
      const taken = isTold(kind) ? milliseconds[kind] : undefined
      const told = taken === undefined ? ['', ''] : [median(taken), Math.max(...taken)]
      const ofIdle = kind === 'unused' ? '' : rounded(each(kind) / each('idle'), 2)
      const cells = told.map((value) => (typeof value === 'number' ? Math.round(value) : value))
      return { name: rowNames[kind], cells: [rounded(each(kind), 1), ofIdle, ...cells] }
    }),
  },
  values,
)

async function measure(material: BenchMaterial, program: string, kind: Kind): Promise<void> {
  const upstream = await openUpstream(material)
  const { gatewayPem: credentialPem, folder } = material
  const shared = { ...material, program, folder: `${folder}/${kind}-${crypto.randomUUID()}` }
  const gateway = await startRole(kind === 'forwarded' ? 'forward-streams' : 'gateway')({
    ...shared,
    credentialPem,
    upstreamPort: upstream.port,
    upstreamStreamsMax: 4 * count,
    eras: ['modern', 'legacy'],
  })
  const clients: Client[] = []
  try {
    // The first ones take what is taken once.
    const first = await openAll(material, gateway.port, 200, isTold(kind) ? kind : 'streams')
    for (const { socket } of first) socket.destroy()
    await delay(500)
    const before = residentMebibytes(gateway.pid)
    clients.push(...(await openAll(material, gateway.port, count, kind)))
    await delay(500)
    mebibytes[kind].push(residentMebibytes(gateway.pid) - before)
    if (!isTold(kind)) return
    for (let event = 0; event < Number(values.events); event += 1) {
      const told = clients.map((client) => client.next())
      const started = performance.now()
      upstream.tell()
      await Promise.all(told)
      milliseconds[kind].push(performance.now() - started)
      // Who has been told of a change is told of no other for a second.
      await delay(1500)
    }
  } finally {
    for (const { socket } of clients) socket.destroy()
    await gateway.close()
    upstream.close()
  }
}

function isTold(kind: Kind): kind is Told {
  return kind !== 'unused' && kind !== 'idle'
}

function initialize(): string {
  const params = {
    protocolVersion: version,
    capabilities: {},
    clientInfo: { name: 'bench', version: '1' },
  }
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params })
  const { host = '', accept = '' } = list.headers
  const lines = [
    `host: ${host}`,
    `accept: ${accept}`,
    'content-type: application/json',
    `content-length: ${body.length}`,
  ]
  return `POST /mcp/tools HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`
}

/** The stream of the session that an answer to `initialize` opens. */
function streamOf(answer: string): string {
  const [, id] = /^mcp-session-id: (.*)$/im.exec(answer) ?? []
  if (id === undefined) throw new Error(`want=a session got=${answer}`)
  const lines = [
    `host: ${list.headers['host'] ?? ''}`,
    'accept: text/event-stream',
    `mcp-protocol-version: ${version}`,
    `mcp-session-id: ${id.trim()}`,
  ]
  return `GET /mcp/tools HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`
}

function requestOf(method: string, params: object): string {
  const body = request(method, params)
  const length = String(body.length)
  const headers = { ...list.headers, 'mcp-method': method, 'content-length': length }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return `POST /mcp/tools HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`
}

interface Client {
  readonly socket: TLSSocket
  /** Resolves with the next event. */
  next(): Promise<void>
}

/** Some at a time: the gateway has handshakes in turns. */
async function openAll(
  { callerPems, bundlePem }: BenchMaterial,
  port: number,
  connections: number,
  kind: Kind,
): Promise<readonly Client[]> {
  const credentials = callerPems.map((pem) => parseCredentialBundle(pem))
  const clients: Client[] = []
  while (clients.length < connections) {
    const some = Array.from({ length: Math.min(20, connections - clients.length) }, (_, at) => {
      const credential = credentials[(clients.length + at) % credentials.length]
      return open({ cert: credential?.chainPem, key: credential?.privateKeyPem, port })
    })
    clients.push(...(await Promise.all(some)))
  }
  return clients

  async function open(o: {
    readonly cert: string | undefined
    readonly key: string | undefined
    readonly port: number
  }): Promise<Client> {
    const socket = connect({
      ...o,
      host: '127.0.0.1',
      ca: bundlePem,
      checkServerIdentity: () => undefined,
    })
    await once(socket, 'secureConnect')
    let heard = (): void => {}
    const client = {
      socket,
      next: () =>
        new Promise<void>((resolve) => {
          heard = resolve
        }),
    }
    if (kind === 'unused') return client
    const acknowledged = client.next()
    let begun = ''
    socket.on('data', (octets: Buffer) => {
      const text = begun + octets.toString('latin1')
      begun = ''
      if (text.includes('"error"')) throw new Error(text)
      if (text.includes('"protocolVersion"')) socket.write(streamOf(text))
      else if (text.includes('"jsonrpc"') || text.includes('text/event-stream')) heard()
      else begun = text
    })
    socket.write(firstRequests[kind])
    await acknowledged
    return client
  }
}

interface Upstream {
  readonly port: number
  tell(): void
  close(): void
}

/** A tool server that has its tools changed. */
async function openUpstream({ upstreamPem, bundlePem }: BenchMaterial): Promise<Upstream> {
  const { chainPem: cert, privateKeyPem: key } = parseCredentialBundle(upstreamPem)
  const open = new Map<ServerResponse, string>()
  const server = createServer(
    { cert, key, ca: bundlePem, requestCert: true },
    (incoming, response) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('end', () => {
        if (incoming.method === 'GET') {
          response.writeHead(200, { 'content-type': 'text/event-stream' })
          response.flushHeaders()
          open.set(response, '')
          response.once('close', () => open.delete(response))
          return
        }
        if (incoming.method === 'DELETE') {
          response.end()
          return
        }
        const { id, method, params } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Asked
        if (method !== 'subscriptions/listen') {
          const opened = method === 'initialize' ? { 'mcp-session-id': crypto.randomUUID() } : {}
          response.writeHead(200, { 'content-type': 'application/json', ...opened })
          const result = method === 'initialize' ? hello : answered
          response.end(JSON.stringify({ jsonrpc: '2.0', id, result }))
          return
        }
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        open.set(response, id)
        response.once('close', () => open.delete(response))
        say(response, 'notifications/subscriptions/acknowledged', id, params)
      })
    },
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    tell() {
      for (const [response, id] of open) say(response, 'notifications/tools/list_changed', id, {})
    },
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

interface Asked {
  readonly id: string
  readonly method: string
  readonly params: { readonly notifications?: object }
}

function say(
  response: ServerResponse,
  method: string,
  id: string,
  { notifications }: Asked['params'],
): void {
  const meta = id === '' ? {} : { 'io.modelcontextprotocol/subscriptionId': id }
  const params = { ...(notifications === undefined ? {} : { notifications }), _meta: meta }
  response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', method, params })}\n\n`)
}
