import type { ServerResponse } from 'node:http'
import type { Stream } from './upstream.ts'

/** A legacy server on whose streams of sessions a test writes. */
export interface Speaking {
  readonly stream: Stream
  /** Those that are open, oldest first. */
  readonly open: ServerResponse[]
  /** The same by the ids of their sessions. */
  readonly bySession: ReadonlyMap<string, ServerResponse>
  /** Messages, on each stream that is open. */
  say(...lines: readonly string[]): void
}

export function speaking(): Speaking {
  const open: ServerResponse[] = []
  const bySession = new Map<string, ServerResponse>()
  return {
    open,
    bySession,
    stream(response, { headers }) {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.flushHeaders()
      const session = String(headers['mcp-session-id'])
      open.push(response)
      bySession.set(session, response)
      response.once('close', () => {
        open.splice(open.indexOf(response), 1)
        bySession.delete(session)
      })
    },
    say(...lines) {
      for (const response of open)
        for (const line of lines) response.write(`id: 7\nretry: 1\ndata: ${line}\n\n`)
    },
  }
}
