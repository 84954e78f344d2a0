import { createServer } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { tlsOptions, type Running, type Setting } from './contest.ts'

/** TLS of Node with client certificates, and nobody who reads: what a connection costs before anything is done with it. */
export async function runBareTls(setting: Setting): Promise<Running> {
  const open = new Set<TLSSocket>()
  const server = createServer(tlsOptions(setting), (socket) => {
    open.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => open.delete(socket))
    socket.resume()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    async close() {
      for (const socket of open) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
