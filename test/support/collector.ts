import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface OtlpSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly traceState?: string
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly { key: string; value: { stringValue: string } }[]
  readonly status?: { code: number }
}

/** A collector as small as there may be one. */
export async function openCollector(): Promise<
  { readonly endpoint: string; readonly bodies: string[] } & AsyncDisposable
> {
  const bodies: string[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
    request.on('end', () => {
      bodies.push(body)
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`,
    bodies,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export function spansOf(body: string | undefined): readonly OtlpSpan[] {
  const parsed = JSON.parse(body ?? '{"resourceSpans":[]}') as {
    resourceSpans: { scopeSpans: { spans: OtlpSpan[] }[] }[]
  }
  return parsed.resourceSpans[0]?.scopeSpans[0]?.spans ?? []
}
