import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { PostSpans } from './export-spans.ts'

const timeoutMilliseconds = 5_000

/** POSTs to an OTLP/HTTP endpoint, on one connection that is kept. Redirects are not followed, answers are not read. */
export function createPost(endpoint: string): PostSpans & Disposable {
  const url = new URL(endpoint)
  const isPlain = url.protocol === 'http:'
  const settings = { keepAlive: true, maxSockets: 1 }
  const agent = isPlain ? new HttpAgent(settings) : new HttpsAgent(settings)
  const request = isPlain ? httpRequest : httpsRequest
  const post = (body: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const signal = AbortSignal.timeout(timeoutMilliseconds)
      const headers = {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(body)),
      }
      const sent = request(url, { method: 'POST', agent, headers, signal }, (response) => {
        const { statusCode = 0 } = response
        response.on('error', reject)
        response.once('end', () => {
          if (statusCode >= 200 && statusCode < 300) resolve()
          else reject(new Error(`collector answers ${statusCode}`))
        })
        response.resume()
      })
      sent.once('error', reject)
      sent.end(body)
    })
  return Object.assign(post, { [Symbol.dispose]: () => agent.destroy() })
}
