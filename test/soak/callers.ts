import { setTimeout as delay } from 'node:timers/promises'
import { initializeParams, legacy, modern, modernMeta } from '../gateway/world/client.ts'
import type { Reply, TestClient } from '../gateway/world/client.ts'
import { listenAs } from '../gateway/world/listening.ts'
import { listen, response } from '../gateway/world/session.ts'
import { createEventParser } from '../../src/mcp/events.ts'

/** One connection of a pod, in the era that it speaks. */
export interface Caller {
  readonly era: 'modern' | 'legacy'
  /** One request, whose `_meta` has this mark. */
  ask(door: string, method: string, params: Params, mark: string): Promise<Reply>
  /** As above, of a client that says what it is asked. */
  answering(door: string, method: string, params: Params, mark: string): Promise<Reply>
  /** Listens for a while, and gives all that it was told. */
  listen(door: string, uris: readonly string[], milliseconds: number): Promise<Reply>
}

export type Params = Readonly<Record<string, unknown>>

const capabilities = {
  elicitation: { form: {} },
  extensions: { 'io.modelcontextprotocol/tasks': {} },
}
const accepted = { action: 'accept', content: { n: 1 } }

export function modernCaller(client: TestClient): Caller {
  const ask: Caller['ask'] = (door, method, params, mark) => {
    const declared = { 'io.modelcontextprotocol/clientCapabilities': capabilities }
    const meta = { soak: mark, ...modernMeta, ...declared }
    const { body, headers } = modern(method, { ...params, _meta: meta })
    return client.post(door, body, headers).then(readEvents)
  }
  return {
    era: 'modern',
    ask,
    async answering(door, method, params, mark) {
      const asked = await ask(door, method, params, mark)
      const { result } = asked.json
      if (result?.['resultType'] !== 'input_required') return asked
      const names = Object.keys(result['inputRequests'] ?? {})
      const inputResponses = Object.fromEntries(names.map((name) => [name, accepted]))
      const { requestState } = result
      const more = requestState === undefined ? {} : { requestState }
      return ask(door, method, { ...params, inputResponses, ...more }, mark)
    },
    async listen(door, uris, milliseconds) {
      const wanted = { resourceSubscriptions: uris, toolsListChanged: true }
      const stream = await listenAs(client, door, wanted)
      if (stream.status === 200) await untilOver(milliseconds, () => stream.isOver)
      stream.close()
      return { status: stream.status, headers: {}, text: stream.text, json: {} }
    },
  }
}

/** Opens its session at each door when it first needs one, and again when it is not known any more. */
export function legacyCaller(client: TestClient, another: () => TestClient): Caller {
  const sessions = new Map<string, string>()
  async function sessionAt(door: string): Promise<string | Reply> {
    const known = sessions.get(door)
    if (known !== undefined) return known
    const { body, headers } = legacy('initialize', { ...initializeParams, capabilities })
    const reply = await client.post(door, body, headers)
    const session = String(reply.headers['mcp-session-id'] ?? '')
    if (session === '') return reply
    sessions.set(door, session)
    return session
  }
  const ask: Caller['ask'] = async (door, method, params, mark) => {
    const session = await sessionAt(door)
    if (typeof session !== 'string') return session
    const { body, headers } = legacy(method, { ...params, _meta: { soak: mark } }, { session })
    const reply = readEvents(await client.post(door, body, headers))
    if (reply.status === 404) sessions.delete(door)
    return reply
  }
  return {
    era: 'legacy',
    ask,
    async answering(door, method, params, mark) {
      const session = await sessionAt(door)
      if (typeof session !== 'string') return session
      const { body, headers } = legacy(method, { ...params, _meta: { soak: mark } }, { session })
      await using other = another()
      return await stream({ client, other, session }, door, { body, headers })
    },
    async listen(door, uris, milliseconds) {
      const session = await sessionAt(door)
      if (typeof session !== 'string') return session
      for (const uri of uris) {
        const { body, headers } = legacy('resources/subscribe', { uri }, { session })
        await client.post(door, body, headers)
      }
      const stream = await listen(client, door, session)
      if (stream.status === 200) await untilOver(milliseconds, stream.isOver)
      stream.close()
      return { status: stream.status, headers: {}, text: stream.octets(), json: {} }
    },
  }
}

/** An answer that has come as a stream says at its end what it answers. */
function readEvents(reply: Reply): Reply {
  let json = reply.json
  const events = createEventParser((data) => {
    if (data !== undefined) json = JSON.parse(data.toString('utf8')) as Reply['json']
  })
  const isEvents = String(reply.headers['content-type']).startsWith('text/event-stream')
  if (isEvents) events.push(Buffer.from(reply.text))
  return { ...reply, json }
}

async function untilOver(milliseconds: number, isOver: () => boolean): Promise<void> {
  const until = performance.now() + milliseconds
  while (performance.now() < until && !isOver()) await delay(50)
}

/** Reads an answer as it comes, and answers what is asked in it on another connection. */
async function stream(
  o: { readonly client: TestClient; readonly other: TestClient; readonly session: string },
  door: string,
  request: { readonly body: string; readonly headers: Record<string, string> },
): Promise<Reply> {
  const answer = await o.client.client.request({
    method: 'POST',
    path: door,
    body: request.body,
    headers: {
      ...request.headers,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    },
  })
  let text = ''
  let last: Reply['json'] = {}
  const answers: Promise<unknown>[] = []
  const events = createEventParser((data) => {
    if (data === undefined) return
    const message = JSON.parse(data.toString('utf8')) as Reply['json'] & {
      readonly method?: string
    }
    last = message
    if (message.method !== 'elicitation/create') return
    const outcome = `"result":${JSON.stringify(accepted)}`
    const { body, headers } = response(message.id, { session: o.session, outcome })
    // Where it fails, the call is not answered either.
    answers.push(o.other.post(door, body, headers).catch(() => {}))
  })
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    text += chunk.toString('utf8')
    events.push(chunk)
  }
  await Promise.all(answers)
  const isEvents = String(answer.headers['content-type']).startsWith('text/event-stream')
  const json = isEvents ? last : (JSON.parse(text || '{}') as Reply['json'])
  return { status: answer.statusCode, headers: answer.headers, text, json }
}
