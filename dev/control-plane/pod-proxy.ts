import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { textAt } from './json-object.ts'
import type { ObjectStore } from './object-store.ts'
import { decodeSegment } from './request.ts'
import { pods } from './resources/pod.ts'
import { badRequest, notFound, StatusError } from './status.ts'

const answerMilliseconds = 10_000

/** A page of a pod that the API server is to fetch. */
export interface ProxyTarget {
  readonly namespace: string
  /** As it stands in the path, with scheme and port: what roles name. */
  readonly name: string
  readonly path: string
}

const proxyPattern = /^\/api\/v1\/namespaces\/([^/]+)\/pods\/([^/]+)\/proxy(\/.*)?$/

/** Undefined for a path that is none of a pod's proxy. */
export function proxyTargetOf(url: URL): ProxyTarget | undefined {
  const match = proxyPattern.exec(url.pathname)
  if (match === null) return undefined
  const [, namespace = '', name = '', path = '/'] = match
  return {
    namespace: decodeSegment(namespace),
    name: decodeSegment(name),
    path: `${path}${url.search}`,
  }
}

/** Fetches over plain HTTP from the pod's address, with the headers of the request but its credentials. Throws a StatusError. */
export async function proxy(
  store: ObjectStore,
  target: ProxyTarget,
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
): Promise<void> {
  const [scheme, podName = '', port = '80'] = parsePodName(target.name)
  const pod = store.get(pods, target.namespace, podName)
  if (pod === undefined) throw notFound({ group: '', resource: 'pods', name: podName })
  const host = textAt(pod.status, 'podIP')
  if (scheme !== 'http' || host === '') throw badRequest('address not allowed')
  const { authorization: _authorization, host: _host, ...headers } = request.headers
  await new Promise<void>((resolve, reject) => {
    const outgoing = httpRequest(
      { host, port, path: target.path, method: 'GET', headers, timeout: answerMilliseconds },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
        answer.once('close', () => resolve())
      },
    )
    outgoing.once('timeout', () => outgoing.destroy(new Error('i/o timeout')))
    outgoing.once('error', (error) => reject(unreachable(error)))
    outgoing.end()
  })
}

/** `name`, `name:port` or `scheme:name:port`. */
function parsePodName(text: string): readonly (string | undefined)[] {
  const parts = text.split(':')
  if (parts.length <= 2) return ['http', parts[0], parts[1]]
  return [parts[0] ?? '', parts[1], parts[2]]
}

function unreachable(error: Error): StatusError {
  const message = `error trying to reach service: ${error.message}`
  return new StatusError(503, 'ServiceUnavailable', message)
}
