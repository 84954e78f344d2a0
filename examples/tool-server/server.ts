/** A tool server behind the gateway: who may ask it, how long it keeps connections, and how it ends. */
import { createServer } from 'node:https'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { requireCountersign } from '../../src/toolserver/require-countersign.ts'

const folder = process.env['IDENTITY'] ?? '/var/run/countersign'
const gateway = 'spiffe://agents.example/ns/countersign-system/sa/countersign-gateway'

function clock(): McpServer {
  const server = new McpServer({ name: 'clock', version: '1.0.0' })
  server.registerTool(
    'now',
    { description: 'The time of day.', annotations: { readOnlyHint: true } },
    () => ({ content: [{ type: 'text', text: new Date().toISOString() }] }),
  )
  return server
}

const handle = toNodeHandler(createMcpHandler(clock))

const countersign = await requireCountersign({
  credentialBundle: `${folder}/credential-bundle.pem`,
  trustBundle: `${folder}/trust-bundle.pem`,
  trustDomain: 'agents.example',
  gateways: [gateway],
  server: 'clock',
  production: process.env['PRODUCTION'] !== 'false',
})

const server = createServer(
  countersign.tlsOptions,
  countersign.guard((request, response, { caller, body }) => {
    console.log(JSON.stringify({ caller: caller.spiffeId }))
    return handle(
      request as Parameters<typeof handle>[0],
      response,
      JSON.parse(body.toString('utf8')),
    )
  }),
)

// Longer than the gateway keeps a connection that nobody uses, so that it is never this end that closes one first.
server.keepAliveTimeout = 75_000

// New handshakes show the certificate that kubelet wrote last.
countersign.attach(server)

process.once('SIGTERM', () => {
  void countersign
    .close({ graceSeconds: Number(process.env['GRACE_SECONDS'] ?? 5) })
    .then(() => countersign[Symbol.asyncDispose]())
})

server.listen(Number(process.env['PORT'] ?? 8443), process.env['HOST'], () => {
  console.log(JSON.stringify({ listening: server.address() }))
})
