import type { IncomingMessage, ServerResponse } from 'node:http'
import { parseMessage } from '../mcp/message.ts'
import { isProblem } from '../mcp/problem.ts'
import { legacyVersions } from '../mcp/revisions.ts'
import { refuse } from '../toolserver/refuse.ts'
import type { VerifiedListener, VerifiedRequest } from '../toolserver/require-countersign.ts'
import type { Standby } from './standby.ts'
import { createTalks } from './talks.ts'
import { judge } from './unfit.ts'

export interface StdioDoor extends AsyncDisposable {
  readonly listener: VerifiedListener
}

/**
 * The door of a server that speaks on standard input and output: a process for each session, and verified messages alone. It has the
 * revisions with sessions; a gateway translates for agents of the others.
 */
export function createStdioDoor(options: {
  readonly standby: Standby
  /** The one request target. */
  readonly path: string
  readonly sessionsMax: number
  readonly now?: () => number
}): StdioDoor {
  const { standby, path, sessionsMax, now = performance.now.bind(performance) } = options
  const talks = createTalks({ standby, sessionsMax, now })

  const post = (
    incoming: IncomingMessage,
    response: ServerResponse,
    { body, caller }: VerifiedRequest,
  ): void => {
    const limits = { bodyBytesMax: body.length, versions: legacyVersions }
    const message = parseMessage(body, incoming.rawHeaders, limits)
    if (isProblem(message)) return refuse(response, message, message.rawId)
    const isFirst = message.kind === 'request' && message.method === 'initialize'
    const talk = isFirst ? talks.begin() : talks.find(incoming.headers['mcp-session-id'], caller)
    const rawId = message.kind === 'notification' ? undefined : message.id.raw
    if ('status' in talk) return refuse(response, talk, rawId)
    return talk.post(message, caller, response)
  }

  return {
    listener(incoming, response, verified) {
      const { body, caller } = verified
      const unfit = judge(incoming, { body, path })
      if (unfit !== undefined) return refuse(response, unfit)
      if (incoming.method === 'POST') return post(incoming, response, verified)
      const talk = talks.find(incoming.headers['mcp-session-id'], caller)
      if ('status' in talk) return refuse(response, talk)
      if (incoming.method === 'GET') return talk.listen(response)
      talks.end(talk)
      response.writeHead(204).end()
      return undefined
    },
    [Symbol.asyncDispose]: () => talks[Symbol.asyncDispose](),
  }
}
