import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { manifestType, type Image } from './image.ts'

export type Answer = (request: IncomingMessage, response: ServerResponse) => void

export interface RegistryServer extends AsyncDisposable {
  readonly url: string
  readonly host: string
  /** What a tag means from now on; its octets can be had by their digests. */
  tag(name: string, image: Image): void
  /** In the place of what it would say to a path that ends so. */
  instead(end: string, answer: Answer | undefined): void
  /** Every request so far: method, path and who asked. */
  readonly asked: readonly string[]
}

/**
 * A registry of a few lines, with one repository: manifests by tag and by digest, with their ETag, and blobs. With a guard, whoever does
 * not pass it is told how to.
 */
export async function openRegistryServer(
  repository: string,
  guard: (request: IncomingMessage) => string | undefined = () => undefined,
): Promise<RegistryServer> {
  const asked: string[] = []
  const tags = new Map<string, Image>()
  const blobs = new Map<string, Buffer>()
  const others = new Map<string, Answer>()
  const server = createServer((request, response) => {
    const { url = '', method, headers } = request
    asked.push([method, url, headers.authorization].filter((each) => each !== undefined).join(' '))
    const [, other] = [...others].find(([end]) => url.endsWith(end)) ?? []
    if (other !== undefined) return other(request, response)
    const challenge = guard(request)
    if (challenge !== undefined) {
      response.writeHead(401, { 'www-authenticate': challenge })
      return response.end('{"errors":[{"code":"UNAUTHORIZED"}]}')
    }
    const [, kind, name = ''] =
      new RegExp(`^/v2/${repository}/(manifests|blobs)/([^/?]+)$`).exec(url) ?? []
    const octets = blobs.get(kind === 'manifests' ? (tags.get(name)?.digest ?? name) : name)
    if (octets === undefined) return response.writeHead(404).end()
    if (kind === 'blobs') return response.writeHead(200).end(octets)
    serveManifest(request, response, { octets, digest: tags.get(name)?.digest ?? name })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: `http://${host}`,
    host,
    asked,
    tag(name, image) {
      tags.set(name, image)
      for (const [digest, octets] of image.blobs) blobs.set(digest, octets)
    },
    instead(end, answer) {
      if (answer === undefined) others.delete(end)
      else others.set(end, answer)
    },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function serveManifest(
  request: IncomingMessage,
  response: ServerResponse,
  { octets, digest }: { readonly octets: Buffer; readonly digest: string },
): void {
  const etag = `"${digest}"`
  const isKnown = request.headers['if-none-match'] === etag
  response.writeHead(isKnown ? 304 : 200, {
    etag,
    'docker-content-digest': digest,
    'content-type': manifestType,
    ...(isKnown ? {} : { 'content-length': octets.length }),
  })
  response.end(isKnown || request.method === 'HEAD' ? undefined : octets)
}
