import { readFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { parse } from 'yaml'

export interface PlainRequest {
  readonly path: string
  /** GET unless told. */
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly body?: unknown
  /** JSON unless told. */
  readonly accept?: string
}

export interface PlainAnswer {
  readonly status: number
  /** The parsed JSON, or the text where the answer is none. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests reach into whatever the server sent
  readonly body: any
}

export type PlainClient = (request: PlainRequest) => Promise<PlainAnswer>

/** The plainest possible client, so that what a test sees is what the server said. */
export async function createPlainClient(kubeconfigPath: string): Promise<PlainClient> {
  const kubeconfig = parse(await readFile(kubeconfigPath, 'utf8'))
  const { cluster } = kubeconfig.clusters[0]
  const { user } = kubeconfig.users[0]
  const decode = (text: string): Buffer => Buffer.from(text, 'base64')
  const agent = new Agent({
    ca: decode(cluster['certificate-authority-data']),
    cert: decode(user['client-certificate-data']),
    key: decode(user['client-key-data']),
  })

  return ({ path, method = 'GET', body, accept = 'application/json' }) =>
    new Promise((resolve, reject) => {
      const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
      const outgoing = request(new URL(path, cluster.server), {
        agent,
        method,
        headers: { accept, 'content-type': type },
        timeout: 60_000,
      })
      outgoing.once('error', reject)
      outgoing.once('timeout', () => outgoing.destroy(new Error(`no answer: ${method} ${path}`)))
      outgoing.once('response', (incoming) => {
        const chunks: Buffer[] = []
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
        incoming.once('error', reject)
        incoming.once('end', () => {
          const text = Buffer.concat(chunks).toString('utf8')
          const json = incoming.headers['content-type']?.includes('json') === true
          resolve({ status: incoming.statusCode ?? 0, body: json ? JSON.parse(text) : text })
        })
      })
      outgoing.end(body === undefined ? undefined : JSON.stringify(body))
    })
}
