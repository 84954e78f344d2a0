import assert from 'node:assert/strict'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'

export interface Received {
  readonly method: string | undefined
  readonly path: string | undefined
  readonly headers: IncomingHttpHeaders
  /** As it came, packed. */
  readonly octets: number
  readonly events: readonly Event[]
}

/** A member of every event, and whatever else it has. */
export type Event = Readonly<Record<string, unknown>> & { readonly decision_id: string }

/** Answers a chunk: 204 is one that is taken. */
export type Answer = (received: Received, response: ServerResponse) => void

export interface Collector extends AsyncDisposable {
  readonly url: string
  /** From now on it answers so. */
  answer(how: Answer): void
  /** What it has taken: every chunk that it has answered with 2xx. */
  readonly taken: readonly Received[]
  /** Every chunk that came. */
  readonly all: readonly Received[]
  /** Of all that it has taken. */
  ids(): readonly string[]
}

const chunkOctetsMax = 64 * 1024 * 1024

export const take: Answer = (_received, response) => void response.writeHead(204).end()

export function refuse(status: number, headers: Readonly<Record<string, string>> = {}): Answer {
  return (_received, response) => void response.writeHead(status, headers).end()
}

/** A receiver of decision logs: whatever is no packed array of events makes its test fail. */
export async function openCollector(): Promise<Collector> {
  const all: Received[] = []
  const taken: Received[] = []
  let how: Answer = take
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks)
      const { method, url: path, headers } = request
      const received = { method, path, headers, octets: body.length, events: eventsOf(body) }
      all.push(received)
      response.on('finish', () => {
        if (response.statusCode < 300) taken.push(received)
      })
      how(received, response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    all,
    taken,
    ids: () => taken.flatMap(({ events }) => events.map(({ decision_id: id }) => id)),
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

function eventsOf(body: Buffer): readonly Event[] {
  const events: unknown = JSON.parse(
    gunzipSync(body, { maxOutputLength: chunkOctetsMax }).toString(),
  )
  assert.ok(Array.isArray(events) && events.length > 0)
  return events as readonly Event[]
}
