import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { requirement } from '../requirements.ts'
import {
  jsonAnswer,
  legacyRequest,
  modernRequest,
  notification,
  openBridgeStage,
  openStream,
  resultText,
  type Answer,
} from './bridge-stage.ts'

interface ErrorAnswer {
  readonly id: unknown
  readonly error: { readonly code: number; readonly message: string }
}

async function errorOf(answer: Answer, request = modernRequest(1, 'ping')): Promise<ErrorAnswer> {
  const stage = openBridgeStage(answer, { bounds: { answerOctetsMax: 4096 } })
  stage.say(request)
  const written = await stage.end()
  assert.equal(written.length, 1)
  return JSON.parse(written[0] ?? '') as ErrorAnswer
}

function failing(code: string, message: string): Answer {
  return () => Promise.reject(Object.assign(new Error(message), { code }))
}

function streamOf(...texts: readonly string[]): Answer {
  return () => {
    const stream = openStream()
    for (const text of texts) stream.write(text)
    stream.close()
    return stream.response
  }
}

const unansweredCases: Readonly<Record<string, readonly [Answer, RegExp]>> = {
  'the gateway does not listen': [
    failing('ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:1'),
    /^the gateway cannot be reached: connect ECONNREFUSED 127\.0\.0\.1:1 \(hint: check --url, /,
  ],
  'none of its addresses listens': [
    () => {
      const each = ['127.0.0.1:1', '::1:1'].map((at) => new Error(`connect ECONNREFUSED ${at}`))
      return Promise.reject(Object.assign(new AggregateError(each), { code: 'ECONNREFUSED' }))
    },
    /^the gateway cannot be reached: connect ECONNREFUSED 127\.0\.0\.1:1, connect ECONNREFUSED ::1:1 \(/,
  ],
  'its name is not known': [
    failing('ENOTFOUND', 'getaddrinfo ENOTFOUND g'),
    /^the host of the gateway is not known: .* \(hint: check the name in --url/,
  ],
  'its certificate is of another authority': [
    failing('UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'unable to verify the first certificate'),
    /^the gateway's certificate is not trusted: .* \(hint: check that --trust-bundle /,
  ],
  'our certificate is not accepted': [
    failing('ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'tlsv1 alert unknown ca'),
    /^the gateway does not accept the certificate that was shown: .*--credential-bundle/,
  ],
  'the connection ends in the middle': [
    failing('ECONNRESET', 'socket hang up'),
    /^the connection to the gateway ended before the answer: .*whether the call was done is not known/,
  ],
  'the message is not read to its end': [
    failing('EPIPE', 'write EPIPE'),
    /^the gateway ended the connection before it had the whole message: .*larger than the gateway takes/,
  ],
  'a failure that nobody foresaw': [
    failing('ERR_SOMETHING', 'it broke\nin two lines'),
    /^the call did not reach its end: it broke$/,
  ],
  'a proxy answers in HTML': [
    () => new Response('<html>', { status: 502, headers: { 'content-type': 'text/html' } }),
    /^the gateway answered HTTP 502 without a reason that can be read: "<html>" \(hint: /,
  ],
  'an answer without a body': [
    () => new Response(null, { status: 403 }),
    /^the gateway answered HTTP 403 without a reason .*it may be revoked/,
  ],
  'a request is taken like a notification': [
    () => new Response(null, { status: 202 }),
    /^the gateway ended its answer \(HTTP 202\) without the answer to this request$/,
  ],
  'the body is no JSON': [() => jsonAnswer('busy'), /without the answer to this request: "busy"$/],
  'the body is not UTF-8': [
    () => new Response(Buffer.from('{"jsonrpc":"2.0","id":1,"result":{"a":"\xff"}}', 'latin1')),
    /without the answer to this request/,
  ],
  'the body is a batch': [() => jsonAnswer(`[${resultText(1)}]`), /without the answer/],
  'the body names its id twice': [
    () => jsonAnswer('{"jsonrpc":"2.0","id":2,"id":1,"result":{}}'),
    /without the answer/,
  ],
  'the stream ends without an answer': [
    streamOf(': hello\n\n'),
    /without the answer to this request$/,
  ],
  'the stream ends in the middle of its answer': [
    streamOf(`data: ${resultText(1)}\n`),
    /without the answer to this request$/,
  ],
  'an event is no JSON': [
    streamOf('data: {"jsonrpc\n\n'),
    /without the answer .*: "\{\\"jsonrpc"$/,
  ],
  'the answer is to another request': [() => jsonAnswer(resultText(2)), /without the answer/],
  'the answer is to a text of the same digits': [
    () => jsonAnswer(resultText('1')),
    /without the answer/,
  ],
  'an answer larger than the bound': [
    () => jsonAnswer(resultText(1, { text: 'x'.repeat(5000) })),
    /^the gateway sent an answer that is too large: want≤4096 octets$/,
  ],
  'an event that never ends': [
    () => {
      const stream = openStream()
      for (let index = 0; index < 20; index += 1) stream.write(`data: ${'x'.repeat(1000)}\n`)
      return stream.response
    },
    /^the gateway sent an event that is too large: want≤4096 octets$/,
  ],
}

for (const [what, [answer, message]] of Object.entries(unansweredCases)) {
  test(`a request is answered with its id where ${what}`, async () => {
    requirement('agent.bridge-answers-all')
    const { id, error } = await errorOf(answer)
    assert.equal(id, 1)
    assert.match(error.message, message)
    assert.equal(error.code, -32603)
  })
}

const fragments = fc.constantFrom(
  resultText(1),
  resultText(2),
  legacyRequest('s', 'ping'),
  notification('notifications/message'),
  '{"jsonrpc":"2.0","id":1,"id":1,"result":{}}',
  'data:',
  'data: ',
  'event: other',
  ':',
  'id: 1',
  'retry: 9',
  '[',
  '{',
  '\u2028',
  '\ufeff',
  '\n',
  '\r',
  '\r\n\r\n',
  '\n\n',
)

test('whatever a gateway answers, a request has one answer, and each line is one message', async () => {
  requirement('agent.bridge-answers-all')
  const types = fc.constantFrom('application/json', 'text/event-stream', 'Text/Event-Stream; x', '')
  const texts = fc.array(fc.oneof(fragments, fc.string({ maxLength: 8 })), { maxLength: 12 })
  const statuses = fc.constantFrom(200, 201, 299, 400, 403, 404, 500)
  await fc.assert(
    fc.asyncProperty(types, texts, statuses, async (type, parts, status) => {
      const headers = { 'content-type': type }
      const stage = openBridgeStage(() => new Response(parts.join(''), { status, headers }))
      stage.say(legacyRequest(1, 'tools/call'))
      const written = await stage.end()
      const read = written.map((line) => JSON.parse(line) as { id?: unknown; method?: string })
      assert.equal(read.filter(({ id, method }) => id === 1 && method === undefined).length, 1)
      assert.deepEqual(
        written.filter((line) => /[\r\n]/.test(line)),
        [],
      )
    }),
    { numRuns: 300 },
  )
})

test('the id of an error of the bridge is written as the request writes it', async () => {
  requirement('agent.bridge-answers-all')
  const stage = openBridgeStage(failing('ECONNREFUSED', 'no'))
  stage.say('{"jsonrpc":"2.0","method":"ping","id": 9007199254740993 }')
  const [line = ''] = await stage.end()
  assert.match(line, /^\{"jsonrpc":"2\.0","id":9007199254740993,"error":/)
})

for (const id of ['', '"id":null,']) {
  test(`a refusal without an id answers the request of its exchange, as it is written: ${id}`, async () => {
    requirement('agent.bridge-answers-all')
    const error = '{"code":-31403, "message":"the certificate is revoked","data":{"n":1.0}}'
    const stage = openBridgeStage(
      () => new Response(`{"jsonrpc":"2.0",${id}"error":${error}}`, { status: 403 }),
    )
    stage.say(legacyRequest('a"b', 'tools/list'))
    assert.deepEqual(await stage.end(), [`{"jsonrpc":"2.0","id":"a\\"b","error":${error}}`])
  })
}

test('an answer to another request settles nobody’s', async () => {
  const other = `data: ${resultText(2)}\n\n`
  const stage = openBridgeStage(streamOf(other, `data: ${resultText(1)}\n\n`, other))
  stage.say(modernRequest(1, 'ping'))
  assert.deepEqual(await stage.end(), [resultText(1)])
  assert.deepEqual(stage.warned, ['an answer to another request was dropped'])
})

test('a request of the server passes in the legacy era, and in no other', async () => {
  const asked = legacyRequest('s1', 'elicitation/create')
  for (const [request, written] of [
    [legacyRequest(1, 'tools/call'), [asked, resultText(1)]],
    [modernRequest(1, 'tools/call', { name: 'a' }), [resultText(1)]],
  ] as const) {
    const stage = openBridgeStage(streamOf(`data: ${asked}\n\ndata: ${resultText(1)}\n\n`))
    stage.say(request)
    assert.deepEqual(await stage.end(), written)
  }
})

test('the client’s answer to a request of the server is sent while the call is open', async () => {
  const stream = openStream()
  const stage = openBridgeStage(({ body }) =>
    body.includes('tools/call') ? stream.response : new Response(null, { status: 202 }),
  )
  stage.say(legacyRequest(1, 'tools/call'))
  stream.write(`data: ${legacyRequest('s1', 'elicitation/create')}\n\n`)
  await stage.lines(1)
  const answer = resultText('s1', { action: 'accept' })
  stage.say(answer)
  stream.write(`data: ${resultText(1)}\n\n`)
  await stage.end()
  assert.equal(stage.sent[1]?.body, answer)
})

test('a notification that is not taken is told to the user, as no message can tell it', async () => {
  const stage = openBridgeStage(() => new Response(null, { status: 400 }))
  stage.say(notification('notifications/roots/list_changed'))
  assert.deepEqual(await stage.end(), [])
  assert.deepEqual(stage.warned, ['"notifications/roots/list_changed" was not taken: HTTP 400'])
})

test('a modern request has the headers that mirror its body', async () => {
  const stage = openBridgeStage(() => jsonAnswer(resultText(1)))
  const cases = [
    ['tools/call', { name: 'github_list' }, 'github_list'],
    ['prompts/get', { name: 'grüße' }, '=?base64?Z3LDvMOfZQ==?='],
    ['tools/call', { name: ' padded' }, '=?base64?IHBhZGRlZA==?='],
    ['tools/call', { name: '=?base64?eA==?=' }, '=?base64?PT9iYXNlNjQ/ZUE9PT89?='],
    ['tools/call', { name: 'a b' }, 'a b'],
    ['resources/read', { uri: 'file:///a', name: 'b' }, 'file:///a'],
    ['tasks/get', { taskId: 't' }, 't'],
    ['tools/list', { name: 'none' }, undefined],
  ] as const
  for (const [method, params] of cases) stage.say(modernRequest(1, method, params))
  await stage.end()
  assert.deepEqual(
    stage.sent.map(({ headers }) => [headers['mcp-method'], headers['mcp-name']]),
    cases.map(([method, , name]) => [method, name]),
  )
  assert.equal(stage.sent[0]?.headers['mcp-protocol-version'], '2026-07-28')
})

/** A gateway with one tool that wants two of its arguments in headers. */
function withParamHeaders(schema: () => object): Answer {
  return ({ body, headers }) => {
    const { id, method } = JSON.parse(body) as { id: number; method: string }
    if (method === 'tools/list') {
      const tools = [{ name: 'other' }, { name: 'deploy', inputSchema: schema() }]
      return jsonAnswer(resultText(id, { tools }))
    }
    if (headers['mcp-param-region'] !== undefined) return jsonAnswer(resultText(id))
    const error = { code: -32020, message: 'header mcp-param-region is missing' }
    return jsonAnswer(JSON.stringify({ jsonrpc: '2.0', id, error }))
  }
}

const schema = {
  type: 'object',
  properties: {
    region: { type: 'string', 'x-mcp-header': 'Region' },
    size: { type: 'object', properties: { n: { type: 'integer', 'x-mcp-header': 'Count' } } },
    dry: { type: 'boolean', 'x-mcp-header': 'Dry' },
  },
}

test('a tool that was listed is called with the headers that it asks for', async () => {
  const stage = openBridgeStage(withParamHeaders(() => schema))
  stage.say(modernRequest(1, 'tools/list'))
  await stage.lines(1)
  const args = { region: 'zürich', size: { n: 42.0 }, dry: null }
  stage.say(modernRequest(2, 'tools/call', { name: 'deploy', arguments: args }))
  assert.equal((await stage.end())[1], resultText(2))
  const { headers } = stage.sent[1] ?? { headers: {} }
  assert.deepEqual(
    Object.entries(headers).filter(([name]) => name.startsWith('mcp-param-')),
    [
      ['mcp-param-count', '42'],
      ['mcp-param-region', '=?base64?esO8cmljaA==?='],
    ],
  )
})

test('a tool that was not listed here is looked up when its call lacks a header, and called again', async () => {
  const stage = openBridgeStage(withParamHeaders(() => schema))
  stage.say(modernRequest(2, 'tools/call', { name: 'deploy', arguments: { region: 'eu' } }))
  assert.deepEqual(await stage.end(), [resultText(2)])
  assert.deepEqual(
    stage.sent.map(({ headers }) => headers['mcp-method']),
    ['tools/call', 'tools/list', 'tools/call'],
  )
  assert.equal(stage.sent[0]?.body, stage.sent[2]?.body)
})

test('a call is not sent again where its list says nothing new', async () => {
  const stage = openBridgeStage(withParamHeaders(() => ({ type: 'object' })))
  stage.say(modernRequest(2, 'tools/call', { name: 'deploy', arguments: { region: 'eu' } }))
  const [line = ''] = await stage.end()
  assert.match(line, /header mcp-param-region is missing/)
  assert.equal(stage.sent.length, 2)
})
