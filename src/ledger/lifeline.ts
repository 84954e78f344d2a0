import { createConnection, createServer } from 'node:net'

/** A socket that is listened on as long as the process lives. */
export interface Lifeline {
  readonly path: string
  close(): Promise<void>
}

/** unix(7): what fits `sun_path` of every system; a longer path would be cut, and then another's. */
const pathOctetsMax = 100

/**
 * Listens on a socket of this name. The kernel closes it with the process, however that ends, and answers for it under
 * every host name and in every pid namespace of the machine. Undefined where the folder takes no sockets.
 */
export async function openLifeline(path: string): Promise<Lifeline | undefined> {
  if (Buffer.byteLength(path) > pathOctetsMax) return undefined
  const server = createServer((connection) => connection.destroy())
  const listening = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false))
    server.listen({ path }, () => resolve(true))
  })
  if (!listening) return undefined
  server.on('error', () => {})
  server.unref()
  return { path, close: () => new Promise((resolve) => server.close(() => resolve())) }
}

/** Whether the process behind a socket of this machine lives; `unknown` where the socket does not tell. */
export function answers(path: string): Promise<'lives' | 'dead' | 'unknown'> {
  if (Buffer.byteLength(path) > pathOctetsMax) return Promise.resolve('unknown')
  return new Promise((resolve) => {
    const connection = createConnection({ path })
    connection.once('connect', () => resolve('lives'))
    connection.once('error', (error: NodeJS.ErrnoException) => {
      // A backlog that is full (EAGAIN) has a listener.
      if (error.code === 'EAGAIN') resolve('lives')
      resolve(error.code === 'ECONNREFUSED' ? 'dead' : 'unknown')
    })
    connection.once('connect', () => connection.destroy())
  })
}
