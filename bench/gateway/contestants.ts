/** What is measured, each in a process of its own: `node contestants.ts gateway|forwarder|upstream`, told the rest by its parent. */
import { constants } from 'node:crypto'
import { createServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Pool } from 'undici'
import { createGateway } from '../../src/gateway/gateway.ts'
import { parseSpiffeId } from '../../src/identity/spiffe-id.ts'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { createLog } from '../../src/cli/create-log.ts'
import { createMetrics } from '../../src/metrics.ts'
import { parseBundle } from '../../src/pki/bundle.ts'
import { parseCredentialBundle } from '../../src/pki/credential.ts'
import { createAuthorizer } from '../../src/policy/authorizer.ts'
import { openDecisionLog } from '../../src/policy/decision-log.ts'
import { openPolicyBase } from '../../src/policy/engine.ts'

/** What a contestant is told. */
export interface Setting {
  readonly folder: string
  readonly credentialPem: string
  readonly bundlePem: string
  readonly trustDomain: string
  readonly upstreamPort: number
  readonly upstreamSpiffeId: string
  readonly grants: object
  readonly answer: string
}

const run = { gateway: runGateway, forwarder: runForwarder, upstream: runUpstream }

process.once('message', (setting: Setting) => {
  const role = process.argv[2]
  if (role === undefined || !Object.hasOwn(run, role)) throw new Error(`no such role: ${role}`)
  void run[role as keyof typeof run](setting).then((port) => process.send?.(port))
})

/** The product: the shipped policy, a decision log on disk, tokens, metrics, and a log of refusals. */
async function runGateway(setting: Setting): Promise<number> {
  const log = createLog({ level: 'warn' })
  const metrics = createMetrics()
  const engine = (await openPolicyBase()).engineWith([
    { name: 'grants', value: { grants: setting.grants } },
  ])
  const credential = parseCredentialBundle(setting.credentialPem)
  const bundle = parseBundle(setting.bundlePem, parseTrustDomain(setting.trustDomain))
  const unchanging = { onChange: () => () => {} }
  const gateway = await createGateway({
    listen: { host: '127.0.0.1', port: 0 },
    credential: { current: () => credential, ...unchanging },
    trustBundle: { current: () => bundle, ...unchanging },
    authorizer: createAuthorizer(engine, { metrics }),
    decisionLog: await openDecisionLog({
      file: join(setting.folder, 'decisions.ndjson'),
      engine,
      labels: () => ({ id: 'bench' }),
      now: Date.now,
      log,
      metrics,
    }),
    upstreams: [
      {
        server: 'tools',
        url: `https://127.0.0.1:${setting.upstreamPort}/mcp`,
        spiffeId: parseSpiffeId(setting.upstreamSpiffeId),
        eras: ['modern'],
      },
    ],
    revocations: { find: () => undefined, staleSeconds: 0, ...unchanging },
    pods: { alive: () => true, staleSeconds: 0, ...unchanging },
    hosts: ['gateway.bench'],
    origins: [],
    now: Date.now,
    log,
    metrics,
  })
  return gateway.port
}

function tlsOptions({ credentialPem, bundlePem }: Setting): ServerOptions {
  const { chainPem, privateKeyPem } = parseCredentialBundle(credentialPem)
  return {
    cert: chainPem,
    key: privateKeyPem,
    ca: bundlePem,
    minVersion: 'TLSv1.3',
    requestCert: true,
    rejectUnauthorized: true,
    secureOptions: constants.SSL_OP_NO_TICKET,
  }
}

/** The least that Node can do between two connections: no check, no JSON, no policy, no log. */
function runForwarder(setting: Setting): Promise<number> {
  const { chainPem, privateKeyPem } = parseCredentialBundle(setting.credentialPem)
  const pool = new Pool(`https://127.0.0.1:${setting.upstreamPort}`, {
    connect: {
      cert: chainPem,
      key: privateKeyPem,
      ca: setting.bundlePem,
      checkServerIdentity: () => undefined,
    },
    connections: 128,
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
  })
  const server = createServer(tlsOptions(setting), (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks)
      const headers = ['content-type', 'application/json']
      pool.dispatch(
        { method: 'POST', path: '/mcp', headers, body },
        {
          onRequestStart: () => {},
          onResponseStart: (_, status, received) => {
            response.writeHead(status, {
              'content-type': String(received['content-type']),
              'content-length': String(received['content-length']),
            })
          },
          onResponseData: (_, chunk) => void response.write(chunk),
          onResponseEnd: () => void response.end(),
          onResponseError: () => void response.destroy(),
        },
      )
    })
  })
  return listening(server)
}

/** Stands in for the upstream in Go where there is no Go. */
function runUpstream(setting: Setting): Promise<number> {
  const list =
    '{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","tools":[{"name":"search","inputSchema":{"type":"object"}}],"ttlMs":0,"cacheScope":"public"}}'
  const server = createServer(tlsOptions(setting), (request, response) => {
    const listed = request.headers['mcp-method'] === 'tools/list'
    const text = listed ? list : setting.answer
    request.resume().on('end', () => {
      response.writeHead(200, {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(text)),
      })
      response.end(text)
    })
  })
  return listening(server)
}

async function listening(server: ReturnType<typeof createServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}
