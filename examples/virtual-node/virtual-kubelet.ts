import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { createSecureContext, TLSSocket, type SecureContext } from 'node:tls'

/** The serving side of a virtual kubelet. */
export interface VirtualKubelet extends AsyncDisposable {
  readonly port: number
}

/** Serves logs as a kubelet does, line after line, by the files that stand in the folder when a connection is opened. */
export async function serveLogs(folder: string): Promise<VirtualKubelet> {
  const http = createHttpServer((_request, response) => {
    let line = 0
    const say = (): void => void response.write(`line ${(line += 1)}\n`)
    const timer = setInterval(say, 50)
    response.once('close', () => clearInterval(timer))
    say()
  })
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    const secureContext = readContext(folder)
    const secure = new TLSSocket(socket, {
      isServer: true,
      secureContext,
      ALPNProtocols: ['http/1.1'],
    })
    secure.on('error', () => secure.destroy())
    http.emit('connection', secure)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: portOf(server.address()),
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

function portOf(address: ReturnType<Server['address']>): number {
  if (address === null || typeof address === 'string') throw new TypeError('no port')
  return address.port
}

/** Whoever opens two files may see the key of one moment and the certificate of the next: then they are read again. */
function readContext(folder: string): SecureContext {
  for (let tries = 1; ; tries += 1) {
    const [cert, key] = ['tls.crt', 'tls.key'].map((name) => readFileSync(join(folder, name)))
    try {
      return createSecureContext({ cert, key, minVersion: 'TLSv1.3' })
    } catch (error) {
      if (tries === 5) throw error
    }
  }
}
