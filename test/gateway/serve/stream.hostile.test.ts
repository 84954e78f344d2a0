import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { legacy, modern, type TestClient } from '../world/client.ts'
import { listening, subscriptionId } from '../world/listening.ts'
import { listen, openSession, openStream, type OpenStream } from '../world/session.ts'
import { answerBoth, type Answer } from '../world/upstream.ts'
import { openWorld, type World } from '../world/world.ts'

/*
 * Whatever a tool server says on a stream, that of a call, of a session or of changes, before something good: its callers are told none
 * of its words (`s3cret` stands for them), and either the good follows or the stream is over. Everybody else is served as before.
 */

type Kind = 'call' | 'session' | 'changes'

const request = (rest: string): string => `{"jsonrpc":"2.0",${rest}}`
const notification = (method: string, params: string): string =>
  request(`"method":"notifications/${method}","params":{${params}}`)
const form = '"message":"s3cret","requestedSchema":{}'
const elicitation = (id: string, params = form): string =>
  request(`"id":${id},"method":"elicitation/create","params":{${params}}`)
const ofTask = '"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"s3cret"}}'
const page = (url: string): string => `"mode":"url","message":"s3cret","url":"${url}"`

const everywhere: readonly Kind[] = ['call', 'session', 'changes']
/** Where requests of the server come, which have to be some. */
const inEnvelopes: readonly Kind[] = ['call', 'session']
const nowhere: readonly Kind[] = []

/** What is said, and which streams it ends. */
const rows: Readonly<Record<string, readonly [text: string, ends: readonly Kind[]]>> = {
  'no JSON': ['{"s3cret"', everywhere],
  'a batch': [`[${notification('message', '"data":"s3cret"')}]`, everywhere],
  'a member twice': [
    request('"method":"notifications/x","method":"notifications/s3cret"'),
    everywhere,
  ],
  'a message that is too long': [
    notification('message', `"data":"s3cret${'x'.repeat(200_000)}"`),
    everywhere,
  ],
  'a message that is too deep': [
    notification('message', `"data":["s3cret",${'['.repeat(300)}${']'.repeat(300)}]`),
    everywhere,
  ],
  'another version of JSON-RPC': ['{"jsonrpc":"1.0","method":"notifications/s3cret"}', everywhere],
  'params that are a list': [
    request('"method":"notifications/message","params":["s3cret"]'),
    inEnvelopes,
  ],
  'a status of a task': [
    notification('tasks/status', '"taskId":"s3cret","status":"working"'),
    nowhere,
  ],
  'a change of a task of somebody': [notification('message', `"data":"s3cret",${ofTask}`), nowhere],
  'a change of a subscription of somebody': [
    notification('prompts/list_changed', `"x":"s3cret","_meta":{"${subscriptionId}":"s3cret"}`),
    nowhere,
  ],
  'an acknowledgement of somebody': [
    notification('subscriptions/acknowledged', '"notifications":{"s3cret":true}'),
    nowhere,
  ],
  'a change of what nobody subscribed to': [
    notification('resources/updated', '"uri":"file:///s3cret"'),
    nowhere,
  ],
  'the end of a page that nobody was asked for': [
    notification('elicitation/complete', '"elicitationId":"s3cret"'),
    nowhere,
  ],
  'an answer to another request': [
    request('"id":"s3cret","result":{"x":"s3cret"}'),
    ['call', 'changes'],
  ],
  'a question that is not granted': [elicitation('"a"'), nowhere],
  'a question for a page elsewhere': [elicitation('"a"', page('https://evil.example/')), nowhere],
  'a question for a page of a user': [
    elicitation('"a"', page('https://login.example@evil.example/')),
    nowhere,
  ],
  'a question with two modes': [
    elicitation('"a"', `${page('https://login.example/')},"requestedSchema":{}`),
    nowhere,
  ],
  'a question whose id is null': [elicitation('null'), inEnvelopes],
  'a question whose id is an object': [elicitation('{"s3cret":1}'), inEnvelopes],
  'a question whose id is too long': [elicitation(`"s3cret${'x'.repeat(300)}"`), inEnvelopes],
  'a question that no client is asked': [
    request('"id":1,"method":"s3cret/x","params":{}'),
    nowhere,
  ],
  'a question as a task': [elicitation('"a"', `"task":{},${form}`), nowhere],
  'samples with params that are a text': [
    request('"id":1,"method":"sampling/createMessage","params":"s3cret"'),
    inEnvelopes,
  ],
  'a message without a method or an answer': [request('"id":1,"x":"s3cret"'), ['call', 'changes']],
}

const grants = {
  tenants: {
    acme: {
      files: { prefixes: { '': {} }, asks: { elicitation: { urlHosts: ['login.example'] } } },
      web: { prefixes: { '': {} } },
    },
  },
  subjects: {},
}

let world: World
let agent: TestClient
let other: TestClient
/** What the server has open of a kind. */
const open: Partial<Record<Kind, (text: string) => void>> = {}

before(async () => {
  const changes = listening()
  const write = (response: ServerResponse, kind: Kind): void => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.flushHeaders()
    open[kind] = (text) => void response.write(`data: ${text}\n\n`)
  }
  const answer: Answer = (message, response, incoming) => {
    if (message.method === 'tools/call') {
      write(response, 'call')
      callId = JSON.stringify(message.id)
    } else if (message.method === 'subscriptions/listen') {
      changes.answer(message, response, incoming)
      listenId = JSON.stringify(message.id)
      open.changes = (text) => void response.write(`data: ${text}\n\n`)
    } else answerBoth()(message, response, incoming)
  }
  world = await openWorld({
    grants,
    answers: { files: answer, web: answerBoth() },
    streams: { files: (response) => write(response, 'session') },
    limits: { answerBytesMax: 65_536 },
  })
  agent = await world.agent()
  other = await world.agent()
})
after(() => world[Symbol.asyncDispose]())

let callId = ''
let listenId = ''

/** Each opens a stream and gives what is good on it. */
const kinds: Readonly<Record<Kind, () => Promise<readonly [OpenStream, good: () => string]>>> = {
  async call() {
    const session = await openSession(agent, '/mcp/files')
    const call = legacy('tools/call', { name: 'echo', arguments: {} }, { session, id: 'c' })
    const stream = await openStream(agent, { path: '/mcp/files', ...call })
    return [stream, () => request(`"id":${callId},"result":{"content":["good"]}`)]
  },
  async session() {
    const session = await openSession(agent, '/mcp/files')
    const stream = await listen(agent, '/mcp/files', session)
    return [stream, () => request('"method":"notifications/tools/list_changed"')]
  },
  async changes() {
    const asked = modern('subscriptions/listen', { notifications: { toolsListChanged: true } })
    const stream = await openStream(agent, { path: '/mcp/files', ...asked })
    await stream.message(1)
    const of = (): string => `"_meta":{"${subscriptionId}":${listenId}}`
    return [stream, () => notification('tools/list_changed', of())]
  },
}

for (const kind of Object.keys(kinds) as Kind[]) {
  describe(`on the stream of ${kind === 'call' ? 'a call' : kind}`, () => {
    for (const [what, [text, ends]] of Object.entries(rows)) {
      const becomes = ends.includes(kind) ? 'is over' : 'goes on'
      test(`${what} reaches nobody, and the stream ${becomes}`, async () => {
        requirement('gateway.hostile-upstream-contained')
        delete open[kind]
        const opening = kinds[kind]()
        if (kind === 'call') await eventually('the call', () => open.call !== undefined)
        if (kind === 'call') open.call?.(notification('progress', '"progress":1'))
        const [stream, good] = await opening
        await eventually('the stream', () => open[kind] !== undefined)
        open[kind]?.(text)
        open[kind]?.(good())
        const has = (): boolean => /"good"|tools\/list_changed/.test(stream.octets())
        await eventually('something', () => has() || stream.isOver())
        stream.close()
        assert.doesNotMatch(stream.octets(), /s3cret/)
        assert.equal(has() ? 'goes on' : 'is over', becomes, stream.octets())
        const call = modern('tools/call', { name: 'echo', arguments: {} })
        const served = await other.post('/mcp/web', call.body, call.headers)
        assert.equal(served.json.error, undefined, served.text)
      })
    }
  })
}
