import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { MetricsPage } from '../metrics.ts'
import { isReady, type Condition } from '../readiness.ts'
import { listening } from './listening.ts'
import { createPageServer } from './page-server.ts'

export interface AdminListener extends AsyncDisposable {
  readonly url: string
}

export interface AdminOptions {
  readonly host: string
  readonly port: number
  readonly conditions: () => readonly Condition[]
  readonly metrics: MetricsPage
  /** Whoever says nothing for so long, or takes so long for one request, is not waited for. Default 5000. */
  readonly silenceMilliseconds?: number
  readonly pages?: Readonly<Record<string, AdminPage>>
}

/** Undefined while there is nothing to show. */
export type AdminPage = () => { readonly contentType: string; readonly body: string } | undefined

/**
 * Serves `/healthz` (the process answers), `/readyz` (what it needs, each with its state), `/metrics` (Prometheus text) and the pages
 * given. Read-only and without secrets, so plain HTTP; its address is loopback unless configured. Throws `cli/listen`.
 */
export async function openAdminListener(options: AdminOptions): Promise<AdminListener> {
  const { host, port } = options
  const app = createPageServer(options)
  addPages(app, options)
  await listening('admin', { host, port }, () => app.listen({ host, port }))
  const bound = (app.server.address() as AddressInfo).port
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    [Symbol.asyncDispose]: () => app.close(),
  }
}

function addPages(app: FastifyInstance, options: AdminOptions): void {
  const { conditions, metrics, pages = {} } = options
  app.get('/healthz', () => 'ok\n')
  app.get('/readyz', (request, reply) => {
    const current = conditions()
    const ready = isReady(current)
    reply.code(ready ? 200 : 503)
    if (request.headers.accept?.includes('application/json') !== true) return formatText(current)
    reply.type('application/json; charset=utf-8')
    return `${JSON.stringify({ ready, conditions: current })}\n`
  })
  app.get('/metrics', async (_request, reply) => {
    reply.type(metrics.contentType)
    return metrics.page()
  })
  for (const [path, page] of Object.entries(pages)) {
    app.get(path, (_request, reply) => {
      const { contentType, body } = page() ?? {}
      if (body === undefined) return reply.code(503).send('not there yet, see /readyz\n')
      return reply.type(contentType ?? 'text/plain').send(body)
    })
  }
}

/** `[+] policy: revision 3`, `[-] revocations: what is wrong`, and `[!]` for what work goes on without. */
function formatText(conditions: readonly Condition[]): string {
  return conditions
    .map(({ name, ok, optional, reason }) => {
      const mark = ok ? '+' : optional === true ? '!' : '-'
      return `[${mark}] ${name}: ${reason}\n`
    })
    .join('')
}
