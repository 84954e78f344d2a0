import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { createMetrics } from '../metrics.ts'

export interface AdminListener extends AsyncDisposable {
  readonly url: string
}

/**
 * Serves `/healthz` (the process answers), `/readyz` (it may be sent work), `/metrics` (Prometheus text) and the
 * pages given. Read-only and without secrets, so plain HTTP; its address is loopback unless configured.
 */
export async function openAdminListener(options: {
  readonly host: string
  readonly port: number
  readonly ready: () => boolean
  readonly metrics: ReturnType<typeof createMetrics>
  readonly pages?: Readonly<Record<string, () => { contentType: string; body: string }>>
}): Promise<AdminListener> {
  const text = 'text/plain; charset=utf-8'
  const answer = async (path: string): Promise<[number, string, string]> => {
    if (path === '/healthz') return [200, text, 'ok\n']
    if (path === '/readyz')
      return options.ready() ? [200, text, 'ok\n'] : [503, text, 'not ready\n']
    if (path === '/metrics') return [200, options.metrics.contentType, await options.metrics.page()]
    const page = options.pages?.[path]
    if (page === undefined) return [404, text, 'no such page\n']
    const { contentType, body } = page()
    return [200, contentType, body]
  }
  const server = createServer((request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end()
      return
    }
    const path = new URL(request.url ?? '/', 'http://admin').pathname
    answer(path).then(
      ([status, contentType, body]) =>
        response.writeHead(status, { 'content-type': contentType }).end(body),
      () => response.writeHead(500).end(),
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
