import { doorOf, elicitationOf, nameAt, type HandleRefusal, type HandleRow } from './handles.ts'
import { legacy, modern, modernMeta, whyOf, type Reply, type TestClient } from './client.ts'
import { subscriptionId } from './listening.ts'
import { openSession, openStream, type OpenStream } from './session.ts'
import { sendJson, type Answer } from './upstream.ts'
import type { World } from './world.ts'

/*
 * What a caller is given to hold that is of something open: of a call that waits at a legacy server for its modern agent, of what a server has
 * asked, of a stream of changes.
 */

const gone = {
  status: 400,
  why: 'the call that asked is not open any more: call again without requestState',
}
const stateUnknown = { status: 400, why: 'params.requestState is none of this call' }
const placeUnknown = { status: 400, why: 'last-event-id is of no stream of this session' }
const nobodyTold = { code: 0, message: 'nobody is told' }
const toldToNobody = { status: 202, why: nobodyTold.message }
const notServed: HandleRefusal = {
  status: 400,
  why: `params._meta["${subscriptionId}"] is not served`,
}

export type OpenKind =
  'state of an open call' | 'progress token' | 'subscription' | 'place in a stream'

/** `old` is a server of the legacy era alone. */
export function openHandleRows({
  world,
  again,
}: {
  readonly world: () => World
  readonly again: () => Promise<TestClient>
}): Readonly<Record<OpenKind, HandleRow>> {
  let askedIn = ''
  const open: OpenStream[] = []

  /** Only the last that was taken is of use. */
  function keep(stream: OpenStream): OpenStream {
    for (const each of open.splice(0)) each.close()
    open.push(stream)
    return stream
  }
  function told(token: string): number {
    const { received = [] } = world().upstreams['files'] ?? {}
    const text = JSON.stringify(token)
    return received.filter(
      ({ body }) => body.includes('notifications/progress') && body.includes(text),
    ).length
  }
  async function say(agent: TestClient, path: string, asked: { token: string; session: string }) {
    const params = { progressToken: asked.token, progress: 1 }
    const { body, headers } = legacy('notifications/progress', params, { session: asked.session })
    return agent.post(path, body, headers)
  }

  return {
    'state of an open call': {
      async take(agent) {
        const { body, headers } = modern('tools/call', { name: 'echo', _meta: metaOfForms })
        const reply = whole(await agent.post('/mcp/old', body, headers))
        return String(reply.json.result?.['requestState'])
      },
      async use(agent, requestState, where) {
        const inputResponses = { 'ask-1': { action: 'accept', content: {} } }
        const name = nameAt(where, 'echo', 'old')
        const params = { name, requestState, inputResponses, _meta: metaOfForms }
        const { body, headers } = modern('tools/call', params)
        return whole(await agent.post(doorOf(where, 'old'), body, headers))
      },
      worked: ({ json }) => JSON.stringify(json.result?.['content']) === '["answered"]',
      unknown: stateUnknown,
      foreign: stateUnknown,
      elsewhere: stateUnknown,
      again: gone,
      // Nothing is called again in its place: it may have been done already.
      atReplica: gone,
    },
    'progress token': {
      async take(agent) {
        askedIn = await openSession(agent, '/mcp/files')
        const call = legacy('tools/call', { name: 'echo', arguments: {} }, { session: askedIn })
        const stream = keep(await openStream(await again(), { path: '/mcp/files', ...call }))
        const { params } = await stream.message(1)
        const meta = params?.['_meta'] as { readonly progressToken?: unknown } | undefined
        return String(meta?.progressToken)
      },
      async use(agent, token, where) {
        const path = doorOf(where)
        const before = told(token)
        const first = await say(agent, path, { token, session: askedIn })
        if (whyOf(first) === 'certificate is revoked') return first
        // Whoever cannot show the session in which it was given has one of its own.
        if (first.status !== 202)
          await say(agent, path, { token, session: await openSession(agent, path) })
        const isTold = told(token) > before
        return {
          ...first,
          status: 202,
          json: isTold ? { result: {} } : { error: nobodyTold },
        } satisfies Reply
      },
      worked: ({ json }) => json.result !== undefined,
      unknown: toldToNobody,
      foreign: toldToNobody,
      elsewhere: toldToNobody,
      again: 'works',
      // Who has given it is known where the request was carried.
      atReplica: toldToNobody,
    },
    'place in a stream': {
      async take(agent) {
        askedIn = await openSession(agent, '/mcp/files')
        const call = legacy('tools/call', { name: 'echo', arguments: {} }, { session: askedIn })
        const stream = keep(await openStream(await again(), { path: '/mcp/files', ...call }))
        await stream.message(1)
        return /^id: (.*)$/m.exec(stream.octets())?.[1] ?? ''
      },
      async use(agent, place, where) {
        const path = doorOf(where)
        const ask = async (session: string): Promise<Reply> => {
          const headers = { accept: 'text/event-stream', 'mcp-session-id': session }
          return whole(
            await agent.send({
              method: 'GET',
              path,
              headers: { ...headers, 'last-event-id': place },
            }),
          )
        }
        const first = await ask(askedIn)
        const isItsOwn = first.status === 200 || whyOf(first) === 'certificate is revoked'
        // Whoever cannot show the session in which it was given has one of its own.
        return isItsOwn ? first : ask(await openSession(agent, path))
      },
      worked: ({ json }) => JSON.stringify(json.result?.['content']) === '["the rest"]',
      unknown: placeUnknown,
      foreign: placeUnknown,
      elsewhere: placeUnknown,
      // Whoever was cut off twice asks twice.
      again: 'works',
    },
    subscription: {
      async take() {
        const asked = modern('subscriptions/listen', { notifications: { toolsListChanged: true } })
        const stream = keep(await openStream(await again(), { path: '/mcp/files', ...asked }))
        const { params } = await stream.message(1)
        const meta = params?.['_meta'] as Record<string, unknown> | undefined
        return String(meta?.[subscriptionId])
      },
      use(agent, subscription, where) {
        const meta = { ...modernMeta, [subscriptionId]: subscription }
        const { body, headers } = modern('tools/call', { name: nameAt(where, 'echo'), _meta: meta })
        return agent.post(doorOf(where), body, headers)
      },
      worked: () => false,
      // It says on its own stream of which it is, and is of use to nobody else where: not to its owner either.
      own: notServed,
      unknown: notServed,
      foreign: notServed,
      elsewhere: notServed,
      again: notServed,
      atReplica: notServed,
    },
  }
}

/** An answer that may have come as an event. */
function whole(reply: Reply): Reply {
  return reply.text.startsWith('data: ')
    ? { ...reply, json: JSON.parse(reply.text.slice(6)) as Reply['json'] }
    : reply
}

const metaOfForms = {
  ...modernMeta,
  'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } },
}

/** A legacy server that asks in each call, and answers the one that is answered. */
export function oldAnswers(): Answer {
  const waiting: (() => void)[] = []
  let sessions = 0
  return (message, response) => {
    const { id, method, params } = message as typeof message & { readonly method?: string }
    const result = (value: object, headers: object = {}): void =>
      sendJson(response, JSON.stringify({ jsonrpc: '2.0', id, result: value }), headers)
    if (method === 'initialize') {
      sessions += 1
      const capabilities = { tools: {} }
      const said = { protocolVersion: '2025-11-25', capabilities, serverInfo: { name: 'old' } }
      result(said, { 'mcp-session-id': `old-${sessions}` })
    } else if (method === 'tools/list') {
      result({ tools: [{ name: 'echo', inputSchema: { type: 'object' } }] })
    } else if (method === 'tools/call' && params?.['name'] === 'echo') {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(`data: ${elicitationOf(`ask of ${String(id)}`)}\n\n`)
      waiting.push(() => {
        const answer = { jsonrpc: '2.0', id, result: { content: ['answered'] } }
        response.end(`data: ${JSON.stringify(answer)}\n\n`)
      })
    } else {
      response.writeHead(202).end()
      if (method === undefined) for (const answer of waiting.splice(0)) answer()
    }
  }
}
