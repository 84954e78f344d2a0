import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, Server } from '@modelcontextprotocol/server'
import { Agent, fetch } from 'undici'
import { parseCredentialBundle } from '../../src/pki/credential.ts'
import { tlsOptions, type Running, type Setting } from './contest.ts'

/** A gateway of the MCP SDK's own objects: its server before, its client behind, as most are made. No policy, no log, no token. */
export async function runSdkObjects(setting: Setting): Promise<Running> {
  const { client, dispatcher } = await connect(setting)
  const handle = toNodeHandler(
    createMcpHandler(() => {
      const server = new Server({ name: 'b', version: '1' }, { capabilities: { tools: {} } })
      server.setRequestHandler('tools/list', ({ params }) => client.listTools(params))
      server.setRequestHandler('tools/call', ({ params }) => client.callTool(params))
      return server
    }),
  )
  const options = { ...tlsOptions(setting), keepAliveTimeout: 300_000 }
  const server = createServer(options, (request, response) => {
    // The SDK's own types differ on undefined members (exactOptionalPropertyTypes).
    void handle(request as Parameters<typeof handle>[0], response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.closeAllConnections()
      server.close()
      await client.close()
      await dispatcher.destroy()
    },
  }
}

async function connect(
  setting: Setting,
): Promise<{ readonly client: Client; readonly dispatcher: Agent }> {
  const { chainPem, privateKeyPem } = parseCredentialBundle(setting.credentialPem)
  const dispatcher = new Agent({
    connect: {
      cert: chainPem,
      key: privateKeyPem,
      ca: setting.bundlePem,
      checkServerIdentity: () => undefined,
    },
  })
  const withCertificate = ((input: string, init: object) =>
    fetch(input, { ...init, dispatcher })) as unknown as typeof globalThis.fetch
  const url = new URL(`https://127.0.0.1:${setting.upstreamPort}/mcp`)
  const client = new Client(
    { name: 'bench', version: '1' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  )
  await client.connect(new StreamableHTTPClientTransport(url, { fetch: withCertificate }))
  return { client, dispatcher }
}
