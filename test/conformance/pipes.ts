import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import type { Bundle } from '../../src/pki/bundle.ts'
import type { Credential } from '../../src/pki/credential.ts'

/** A port of loopback whose connections continue elsewhere: octets both ways, and no idea of what they say. */
export interface Pipe extends AsyncDisposable {
  readonly port: number
}

/** How a certificate is presented, and whose is expected at the other end. */
export interface Secured {
  readonly credential: Credential
  readonly bundle: Bundle
}

/** For a client without a certificate: it presents one to the gateway, which may open later than this. */
export function pipeToTls(target: () => Secured & { readonly port: number }): Promise<Pipe> {
  const server = createServer((client) => {
    const { port, credential, bundle } = target()
    const socket = connectTls({
      host: '127.0.0.1',
      port,
      cert: credential.chainPem,
      key: credential.privateKeyPem,
      ca: bundle.pem,
      // Outside a cluster the gateway's certificate names a SPIFFE ID only.
      checkServerIdentity: () => undefined,
    })
    joinStreams(client, socket)
  })
  return listen(server)
}

/** For a server without a certificate, at this port: the gateway finds one, and has to have its own. */
export function pipeFromTls(port: number, { credential, bundle }: Secured): Promise<Pipe> {
  const options = {
    cert: credential.chainPem,
    key: credential.privateKeyPem,
    ca: bundle.pem,
    requestCert: true,
    rejectUnauthorized: true,
  }
  const server = createTlsServer(options, (client) =>
    joinStreams(client, connect({ host: '127.0.0.1', port })),
  )
  return listen(server)
}

/** Whichever ends, the other does: a client that goes away is seen to go. */
function joinStreams(one: Duplex, other: Duplex): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.pipe(to)
    from.on('error', () => to.destroy())
    from.on('close', () => to.destroy())
  }
}

async function listen(server: Server): Promise<Pipe> {
  const open = new Set<Duplex>()
  server.on('connection', (socket: Duplex) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of open) socket.destroy()
      await once(server, 'close')
    },
  }
}
