import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requirement } from '../../requirements.ts'
import { modern, modernMeta, whyOf, type Reply, type TestClient } from '../world/client.ts'
import { answerBoth, sendJson, type Answer } from '../world/upstream.ts'
import { openWorld, type World } from '../world/world.ts'

const asks = { elicitation: { form: true, urlHosts: ['login.example'] } }
const everything = {
  prefixes: { '': {} },
  prompts: { prefixes: { '': {} } },
  resources: { prefixes: { '': {} } },
}
const grants = { tenants: { acme: { files: { ...everything, asks } } }, subjects: {} }
const scopes = { toolScopes: 'files:*' }

const capabilities = { elicitation: { form: {}, url: {} }, sampling: {} }

/** The three that may need input, as `files` knows them and as the door of all does. */
const calls = {
  'tools/call': ['name', 'echo', 'files_echo', { arguments: { a: 1 } }],
  'prompts/get': ['name', 'review', 'files_review', { arguments: { a: '1' } }],
  'resources/read': ['uri', 'repo://a', 'files+repo://a', {}],
} as const

type Method = keyof typeof calls

interface Asked {
  readonly method?: Method
  readonly door?: '/mcp/files' | '/mcp'
  readonly more?: Record<string, unknown>
  readonly declared?: object
}

function send(agent: TestClient, asked: Asked = {}): Promise<Reply> {
  const { method = 'tools/call', door = '/mcp/files', more = {}, declared = capabilities } = asked
  const [member, here, there, rest] = calls[method]
  const named = { [member]: door === '/mcp' ? there : here }
  const { body, headers } = modern(method, { ...named, ...rest, ...more })
  const meta = { ...modernMeta, 'io.modelcontextprotocol/clientCapabilities': declared }
  return agent.post(door, body.replace(JSON.stringify(modernMeta), JSON.stringify(meta)), headers)
}

const form =
  '{"method":"elicitation/create","params":{"message":"s3cret?","requestedSchema":{ "type":"object"}}}'
const page =
  '{"method":"elicitation/create","params":{"mode":"url","message":"s3cret?","url":"https://login.example/x"}}'
const sampling = '{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}'

/** A server that needs this before it answers: JSON, or one event. */
function needing(result: string, type: 'json' | 'events' = 'json'): Answer {
  return (message, response, request) => {
    if (!(message.method in calls)) return answerBoth()(message, response, request)
    const text = `{"jsonrpc":"2.0","id":1, "result":{"resultType":"input_required",${result}}}`
    if (type === 'json') return sendJson(response, text)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end(`data: ${text}\n\n`)
  }
}

function open(answer: Answer): Promise<World> {
  return openWorld({ answers: { files: answer }, grants })
}

const eventOf = /^data: (.*)\n\n$/s

for (const type of ['json', 'events'] as const) {
  for (const method of Object.keys(calls) as Method[]) {
    for (const door of ['/mcp/files', '/mcp'] as const) {
      test(`what a server may ask in answer to ${method} passes as it is written, as ${type}, at ${door}`, async () => {
        requirement('gateway.asks-decided')
        const result = `"inputRequests":{"a" : ${form},"b":${page}}`
        await using world = await open(needing(result, type))
        const agent = await world.agent(scopes)
        const reply = await send(agent, { method, door })
        const text = eventOf.exec(reply.text)?.[1] ?? reply.text
        assert.equal(
          text,
          `{"jsonrpc":"2.0","id":1, "result":{"resultType":"input_required",${result}}}`,
        )
        const decided = world.events.map(({ path, evaluated }) => [
          path,
          (evaluated.result as { allow: boolean }).allow,
        ])
        const allowed = ['countersign/mcp/decision', true]
        assert.deepEqual(decided, [allowed, allowed, allowed])
        assert.doesNotMatch(JSON.stringify(world.events), /s3cret/)
      })
    }
    test(`one thing that a server may not ask is the end of ${method}, as ${type}, and nothing of it is told`, async () => {
      requirement('gateway.asks-decided')
      await using world = await open(
        needing(`"inputRequests":{"a":${form},"b":${sampling},"c":${page}}`, type),
      )
      const agent = await world.agent(scopes)
      const reply = await send(agent, { method })
      const { error } = JSON.parse(eventOf.exec(reply.text)?.[1] ?? reply.text) as Reply['json']
      assert.equal(error?.code, -31403)
      assert.match(error.message, /^denied by policy: the tool server may not ask this/)
      assert.equal(error.data?.['decisionId'], world.events.at(-1)?.decisionId)
      assert.doesNotMatch(reply.text, /s3cret|elicitation/)
      assert.equal(world.events.length, 3)
    })
  }
}

test('a client that has not declared what a server asks for is told what it lacks', async () => {
  requirement('gateway.asks-decided')
  await using world = await open(needing(`"inputRequests":{"a":${form}}`))
  const agent = await world.agent(scopes)
  const reply = await send(agent, { declared: { sampling: {} } })
  assert.equal(reply.status, 400)
  assert.equal(reply.json.error?.code, -32021)
  assert.deepEqual(reply.json.error.data?.['requiredCapabilities'], { elicitation: { form: {} } })
  assert.ok(reply.json.error.data['decisionId'])
})

test('what a server asks under a name of the gateway is no answer', async () => {
  requirement('gateway.asks-decided')
  await using world = await open(
    needing(`"inputRequests":{"a":${form},"dev.countersign\\u002fapproval":${form}}`),
  )
  const reply = await send(await world.agent(scopes))
  assert.equal(reply.status, 502)
  assert.doesNotMatch(reply.text, /s3cret/)
})

test('a state without a question is sealed, and told', async () => {
  await using world = await open(needing('"requestState":"s3cret"'))
  const agent = await world.agent(scopes)
  const reply = await send(agent, { declared: {} })
  const { resultType, requestState, ...more } = reply.json.result ?? {}
  assert.deepEqual([resultType, more], ['input_required', {}])
  assert.match(String(requestState), /^[A-Za-z0-9_-]{100,}$/)
})

const noAsk: Readonly<Record<string, readonly [result: string, code: number]>> = {
  'no object': [`"inputRequests":[${form}]`, -31403],
  null: ['"inputRequests":null', -31403],
  'a state that is no text': ['"requestState":{}', -31403],
  'an answer beside it': [`"inputRequests":{"a":${form}},"content":[]`, -31403],
  'contents beside it': [`"inputRequests":{"a":${form}},"contents":[]`, -31403],
  'a task beside it': [
    `"inputRequests":{"a":${form}},"_meta":{"io.modelcontextprotocol/related-task":{}}`,
    -31403,
  ],
  'nothing at all': ['"x":1', -31403],
  'a member in another case': [`"inputrequests":{"a":${form}}`, -32603],
  'no ask': ['"inputRequests":{"a":{"method":"tools/call","params":{}}}', -32603],
  'no object for an ask': ['"inputRequests":{"a":7}', -32603],
  'a url in another case': [
    `"inputRequests":{"a":${page.replace('"url":"https', '"URL":"https://evil.example","url":"https')}}`,
    -32603,
  ],
  'a page without TLS': [`"inputRequests":{"a":${page.replace('https', 'http')}}`, -32603],
  'a state that is too long': [`"requestState":"${'x'.repeat(16_400)}"`, -32603],
  'too many': [
    `"inputRequests":{${Array.from({ length: 65 }, (_, at) => `"${at}":${form}`).join(',')}}`,
    -32603,
  ],
}

for (const [what, [result, code]] of Object.entries(noAsk)) {
  test(`an answer that asks for input with ${what} is refused whole`, async () => {
    requirement('gateway.answers-judged')
    for (const method of Object.keys(calls) as Method[]) {
      await using world = await open(needing(result))
      const agent = await world.agent(scopes)
      const reply = await send(agent, { method })
      assert.equal(reply.json.error?.code, code, reply.text)
      assert.doesNotMatch(reply.text, /s3cret/)
      assert.ok(whyOf(reply))
    }
  })
}
