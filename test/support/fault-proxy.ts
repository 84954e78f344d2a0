import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Agent, createServer, request } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { parse } from 'yaml'
import { createAuthority, writeKubeconfig } from './cluster-credentials.ts'

export interface Asked {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
}

/** What the way to the API server does instead of passing a request on and its answer back. */
export type ProxyFault =
  /** Answered by whoever stands before the API server. */
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly headers?: Readonly<Record<string, string>>
      readonly body: string
    }
  /** The API server does it, and nobody hears of it. */
  | { readonly kind: 'lose' }
  | { readonly kind: 'cut' }
  /** An answer of 200 whose stream has these lines, and ends. */
  | { readonly kind: 'stream'; readonly lines: readonly object[] }

export interface FaultProxy extends AsyncDisposable {
  readonly kubeconfig: string
  /** Every request so far, those with a fault included. */
  readonly asked: readonly Asked[]
  /** Picks a fault for a request; undefined passes it on. */
  faultOf: (asked: Asked) => ProxyFault | undefined
}

/** Stands between a client and a real API server, as a load balancer does that ends TLS, and does what it is told. */
export async function startFaultProxy(kubeconfig: string): Promise<FaultProxy> {
  const { clusters, users } = parse(await readFile(kubeconfig, 'utf8'))
  const decode = (text: string): Buffer => Buffer.from(text, 'base64')
  const upstream = new URL(clusters[0].cluster.server)
  const agent = new Agent({
    keepAlive: true,
    ca: decode(clusters[0].cluster['certificate-authority-data']),
    cert: decode(users[0].user['client-certificate-data']),
    key: decode(users[0].user['client-key-data']),
  })
  const authority = await createAuthority('fault proxy CA')
  const serving = await authority.issueServer([{ type: 'ip', value: '127.0.0.1' }])
  const server = createServer({ cert: serving.certificatePem, key: serving.privateKeyPem })
  const sockets = new Set<Socket>()
  const asked: Asked[] = []
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const proxy: FaultProxy = {
    kubeconfig: await writeKubeconfig({
      path: join(dirname(kubeconfig), `through-${port}.yaml`),
      server: `https://127.0.0.1:${port}`,
      caPem: authority.certificatePem,
      // Nobody asks for it: the proxy has its own.
      credential: await authority.issueClient({ name: 'client', groups: [] }),
    }),
    asked,
    faultOf: () => undefined,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      agent.destroy()
      server.close()
      await once(server, 'close')
    },
  }
  server.on('request', (incoming, response) => {
    const { pathname, searchParams } = new URL(incoming.url ?? '/', upstream)
    const one = { method: incoming.method ?? '', path: pathname, query: searchParams }
    asked.push(one)
    const fault = proxy.faultOf(one)
    if (fault === undefined || fault.kind === 'lose') {
      pass(incoming, response, { upstream, agent, isLost: fault !== undefined })
    } else answer(response, fault)
  })
  return proxy
}

function answer(response: ServerResponse, fault: Exclude<ProxyFault, { kind: 'lose' }>): void {
  if (fault.kind === 'cut') return void response.socket?.destroy()
  if (fault.kind === 'answer') {
    response.writeHead(fault.status, { 'content-type': 'text/plain', ...fault.headers })
    return void response.end(fault.body)
  }
  response.writeHead(200, { 'content-type': 'application/json' })
  for (const line of fault.lines) response.write(`${JSON.stringify(line)}\n`)
  response.end()
}

function pass(
  incoming: IncomingMessage,
  response: ServerResponse,
  way: { readonly upstream: URL; readonly agent: Agent; readonly isLost: boolean },
): void {
  const { upstream, agent, isLost } = way
  const { method, headers } = incoming
  const url = new URL(incoming.url ?? '/', upstream)
  const outgoing = request(url, { agent, method, headers: { ...headers, host: upstream.host } })
  outgoing.on('error', () => response.socket?.destroy())
  response.on('close', () => outgoing.destroy())
  outgoing.on('response', (found) => {
    if (isLost) {
      found.on('end', () => response.socket?.destroy())
      found.resume()
      return
    }
    response.writeHead(found.statusCode ?? 502, found.headers)
    response.flushHeaders()
    found.on('error', () => response.socket?.destroy())
    found.pipe(response)
  })
  incoming.pipe(outgoing)
}
