import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Answer = (request: IncomingMessage, response: ServerResponse) => void

export interface BundleServer extends AsyncDisposable {
  readonly url: string
  /** From now on it answers so. */
  answer(how: Answer): void
  /** Every request so far. */
  readonly asked: readonly IncomingMessage['headers'][]
}

/** A bundle server of a few lines that says what it is told to say. */
export async function openBundleServer(): Promise<BundleServer> {
  const asked: IncomingMessage['headers'][] = []
  let how: Answer = (_request, response) => void response.writeHead(503).end()
  const server = createServer((request, response) => {
    asked.push(request.headers)
    how(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    answer(next) {
      how = next
    },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** Serves one bundle as a file server does: by its ETag. */
export function serving(archive: Buffer, etag: string): Answer {
  return (request, response) => {
    const isKnown = request.headers['if-none-match'] === etag
    response.writeHead(isKnown ? 304 : 200, { etag, 'content-type': 'application/gzip' })
    response.end(isKnown ? undefined : archive)
  }
}
