import { Agent, createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { parseCredentialBundle } from '../../src/pki/credential.ts'
import { tlsOptions, type Running, type Setting } from './contest.ts'

/**
 * The least that Node's own HTTP can do for a stream of a session: a connection of its caller, one to the upstream, certificates on both,
 * and octets from the one to the other. No session, no check, no event is read.
 */
export async function runForwardStreams(setting: Setting): Promise<Running> {
  const { chainPem: cert, privateKeyPem: key } = parseCredentialBundle(setting.credentialPem)
  const agent = new Agent({
    cert,
    key,
    ca: setting.bundlePem,
    checkServerIdentity: () => undefined,
    maxCachedSessions: 0,
    keepAlive: true,
  })
  const place = { agent, host: '127.0.0.1', port: setting.upstreamPort, path: '/mcp' }
  const server = createServer(tlsOptions(setting), (incoming, response) => {
    const { method, headers } = incoming
    const asking = request({ ...place, method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      response.flushHeaders()
      answer.pipe(response)
    })
    asking.on('error', () => response.destroy())
    response.on('close', () => asking.destroy())
    incoming.pipe(asking)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.closeAllConnections()
      agent.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
