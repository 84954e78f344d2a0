import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface BundleFiles extends AsyncDisposable {
  readonly url: string
  /** From now on this is the bundle; who waits for one is answered. */
  publish(archive: Buffer): void
}

/**
 * A bundle server in some lines: one file, its ETag, and requests that are held until there is something new, as OPA asks with
 * `Prefer: wait`. Nobody has to trust it: a bundle is signed by its author, and this has no key.
 */
export async function serveBundle(port = 0): Promise<BundleFiles> {
  let current: { readonly archive: Buffer; readonly etag: string } | undefined
  const waiting = new Set<() => void>()
  const type = { 'content-type': 'application/vnd.openpolicyagent.bundles' }
  const answer = (response: ServerResponse, known: string | undefined): void => {
    if (current === undefined) response.writeHead(404).end()
    else if (current.etag === known) response.writeHead(304, type).end()
    else response.writeHead(200, { ...type, etag: current.etag }).end(current.archive)
  }
  const server = createServer((request, response) => {
    const known = request.headers['if-none-match']
    const [, seconds] = /wait=(\d+)/.exec(String(request.headers['prefer'])) ?? []
    if (seconds === undefined || current === undefined || current.etag !== known) {
      answer(response, known)
      return
    }
    const go = (): void => {
      clearTimeout(timer)
      waiting.delete(go)
      answer(response, known)
    }
    const timer = setTimeout(go, Number(seconds) * 1000)
    waiting.add(go)
    response.once('close', () => {
      clearTimeout(timer)
      waiting.delete(go)
    })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    publish(archive) {
      const etag = `"${createHash('sha256').update(archive).digest('hex')}"`
      current = { archive, etag }
      for (const go of waiting) go()
    },
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
