import type { MetricsPage } from '../metrics.ts'
import { isReady, type Condition } from '../readiness.ts'
import { createPageServer, type Page, type Pages } from './page-server.ts'

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
  const server = createPageServer(pagesOf(options), options)
  return {
    url: await server.listen('admin', { host, port }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

function pagesOf({ conditions, metrics, pages = {} }: AdminOptions): Pages {
  const others = Object.entries(pages).map(([path, page]) => [path, () => page() ?? absent])
  return {
    ...(Object.fromEntries(others) as Pages),
    '/healthz': () => ({ body: 'ok\n' }),
    '/readyz'({ headers }) {
      const current = conditions()
      const ready = isReady(current)
      const code = ready ? 200 : 503
      const isJson = headers.accept?.includes('application/json') === true
      if (!isJson) return { code, body: formatText(current) }
      const body = `${JSON.stringify({ ready, conditions: current })}\n`
      return { code, contentType: 'application/json; charset=utf-8', body }
    },
    '/metrics': async () => ({ contentType: metrics.contentType, body: await metrics.page() }),
  }
}

const absent: Page = { code: 503, body: 'not there yet, see /readyz\n' }

/** `[+] policy: revision 3`, `[-] revocations: what is wrong`, and `[!]` for what work goes on without. */
function formatText(conditions: readonly Condition[]): string {
  return conditions
    .map(({ name, ok, optional, reason }) => {
      const mark = ok ? '+' : optional === true ? '!' : '-'
      return `[${mark}] ${name}: ${reason}\n`
    })
    .join('')
}
