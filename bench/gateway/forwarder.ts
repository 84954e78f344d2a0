import { createServer, type Server } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Pool } from 'undici'
import { parseCredentialBundle } from '../../src/pki/credential.ts'
import { tlsOptions, type Running, type Setting } from './contest.ts'

/** Connections to the upstream, as many as callers may need. */
export function openPool(setting: Setting): Pool {
  const { chainPem, privateKeyPem } = parseCredentialBundle(setting.credentialPem)
  return new Pool(`https://127.0.0.1:${setting.upstreamPort}`, {
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
}

/** The least that Node can do between two connections: no check, no JSON, no policy, no log. */
export function runForwarder(setting: Setting): Promise<Running> {
  const pool = openPool(setting)
  const headers = ['content-type', 'application/json']
  return openServer(setting, pool, (_request, body, response) => {
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
}

/** A door that reads a request's body and hands it on. It closes the connections behind it, too. */
export async function openServer(
  setting: Setting,
  pool: Pool,
  serve: (request: IncomingMessage, body: Buffer, response: ServerResponse) => void,
  prepare: (server: Server) => void = () => {},
): Promise<Running> {
  // Connections outlast the turns of the others.
  const options = { ...tlsOptions(setting), keepAliveTimeout: 300_000 }
  const server = createServer(options, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const [first] = chunks
      const body = chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks)
      serve(request, body, response)
    })
  })
  prepare(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.closeAllConnections()
      await pool.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
