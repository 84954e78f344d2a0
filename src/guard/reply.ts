import type { ServerResponse } from 'node:http'
import { oneLine } from '../mcp/one-line.ts'

/** The answer to one request, which is a stream from the moment on that something comes before its end. */
export interface Reply {
  /** One message more; settles when the next may come. */
  event(message: Buffer): Promise<void>
  /** The message that it ends with. */
  last(message: Buffer): void
}

export function createReply(
  response: ServerResponse,
  headers: Readonly<Record<string, string>> = {},
): Reply {
  return {
    async event(message) {
      openStream(response, headers)
      if (response.destroyed || response.write(eventOf(message))) return
      await new Promise<void>((resolve) => {
        response.once('drain', resolve)
        response.once('close', resolve)
      })
    },
    last(message) {
      if (response.headersSent) {
        response.end(eventOf(message))
        return
      }
      const own = { 'content-type': 'application/json', 'content-length': message.length }
      response.writeHead(200, { ...headers, ...own }).end(message)
    },
  }
}

/** A stream is open before its first event comes. */
export function openStream(
  response: ServerResponse,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.headersSent) return
  response.writeHead(200, {
    ...headers,
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache',
  })
  response.flushHeaders()
}

function eventOf(message: Buffer): Buffer {
  return Buffer.concat([before, oneLine(message), after])
}

const before = Buffer.from('data: ')
const after = Buffer.from('\n\n')
