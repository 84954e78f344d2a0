import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { judgeAnswer, type Asked } from '../../../src/gateway/upstream/judge-answer.ts'
import { requirement } from '../../requirements.ts'
import { initializeParams, legacy, modern, type Reply } from '../world/client.ts'
import { answerBoth, sendJson, toolTexts, type Answer } from '../world/upstream.ts'
import { openWorld } from '../world/world.ts'

const call: Asked = { era: 'modern', method: 'tools/call', id: { value: 1 } }
const list: Asked = { era: 'modern', method: 'tools/list', id: { value: 1 } }
const legacyList: Asked = { ...list, era: 'legacy' }
const named: Asked = { ...call, id: { value: 'a' } }

function verdictOf(asked: Asked, text: string | Buffer): string {
  const verdict = judgeAnswer(asked, Buffer.from(text))
  if (verdict.kind === 'refuse') return `refuse: ${verdict.what}`
  if (verdict.kind === 'server request')
    return `${verdict.kind}: ${verdict.method} ${verdict.rawId}`
  return verdict.kind === 'bad' ? verdict.detail.replace('answer is not read', 'bad') : verdict.kind
}

const result = (members: string): string => `{"jsonrpc":"2.0","id":1,"result":{${members}}}`
const complete = '"resultType":"complete"'
const asks = 'refuse: a result that asks for input'
const incomplete = 'refuse: a result that is not complete'
const ofServer = 'refuse: a request of the server'

const verdicts: readonly (readonly [Asked, string, string])[] = [
  [call, result(complete), 'response'],
  [call, result('"content":[]'), 'response'],
  [call, result('"structuredContent":{"n":9007199254740993,"half":"\\ud800"}'), 'response'],
  [list, result(`${complete},"tools":[]`), 'response'],
  [list, result('"tools":[]'), incomplete],
  [legacyList, result('"tools":[]'), 'response'],
  [named, '{"id":"a","jsonrpc":"2.0","result":{}}', 'response'],
  [call, '{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m","data":[]}}', 'response'],
  [call, '{"jsonrpc":"2.0","method":"notifications/message","params":{}}', 'notification'],
  [call, '{"jsonrpc":"2.0","id":7,"method":"ping"}', 'drop'],

  [
    call,
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}}}',
    'drop',
  ],
  [
    call,
    '{"jsonrpc":"2.0","method":"notifications/x","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":7}}}',
    'drop',
  ],
  [call, '{"jsonrpc":"2.0","method":"notifications/tasks","params":{}}', 'drop'],
  [call, '{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{}}', 'drop'],
  [
    call,
    result(`${complete},"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}`),
    'refuse: a result of a task or a subscription',
  ],
  [legacyList, '{"jsonrpc":"2.0","id":7,"method":"ping"}', 'server request: ping 7'],
  [
    legacyList,
    '{"jsonrpc":"2.0","id":"\\u0061","method":"sampling/createMessage"}',
    'server request: sampling/createMessage "\\u0061"',
  ],
  [
    legacyList,
    '{"jsonrpc":"2.0","id":1.5,"method":"ping"}',
    'bad: its id is no text or integer of fair length',
  ],
  [
    legacyList,
    `{"jsonrpc":"2.0","id":"${'x'.repeat(300)}","method":"ping"}`,
    'bad: its id is no text or integer of fair length',
  ],

  [call, '', 'bad: the body is not JSON at octet 0'],
  [call, '[]', 'bad: batches are not served'],
  [call, '7', 'bad: the body is not a JSON object'],
  [call, '\ufeff{}', 'bad: the body is not JSON at octet 0'],
  [call, '{"id":1,"result":{}}', 'bad: jsonrpc is not "2.0"'],
  [call, '{"jsonrpc":"2.0","id":2,"result":{}}', 'bad: it is to another request'],
  [call, '{"jsonrpc":"2.0","id":"1","result":{}}', 'bad: it is to another request'],
  [call, '{"jsonrpc":"2.0","id":1.0,"result":{}}', 'bad: it is to another request'],
  [
    call,
    '{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}',
    'bad: it is to another request',
  ],
  [call, '{"jsonrpc":"2.0","error":{"code":1,"message":""}}', 'bad: it is to another request'],
  [call, '{"jsonrpc":"2.0","id":1}', 'bad: want one of result and error'],
  [call, '{"jsonrpc":"2.0","id":1,"result":{},"error":null}', 'bad: want one of result and error'],
  [call, '{"jsonrpc":"2.0","id":1,"result":[]}', 'bad: result is no object'],
  [call, '{"jsonrpc":"2.0","id":1,"error":null}', 'bad: error is no object'],
  [
    call,
    '{"jsonrpc":"2.0","id":1,"error":{"code":1.5,"message":""}}',
    'bad: error.code is no integer',
  ],
  [call, '{"jsonrpc":"2.0","id":1,"error":{"code":1}}', 'bad: error.message is no text'],
  [
    call,
    '{"jsonrpc":"2.0","id":1,"result":{},"x":1}',
    'bad: an unknown member beside the JSON-RPC ones',
  ],
  [call, '{"jsonrpc":"2.0","id":9,"id":1,"result":{}}', 'bad: a second member "id"'],
  [call, result('"content":[],"content":[]'), 'bad: a second member "content"'],
  [call, result('"tools":[{"b":1,"b":2}]'), 'bad: a second member "b"'],
  [call, result('"content":[{"a":{"b":1,"b":2}}]'), 'bad: a second member "b"'],
  [call, result('"ResultType":"task"'), 'bad: a member "ResultType" that resembles a known one'],
  [
    call,
    result('"inputReque\u017ft\u017f":{}'),
    'bad: a member "inputRequeſtſ" that resembles a known one',
  ],
  [call, result('"\\u0074ools":[]'), 'bad: a member "tools" that resembles a known one'],
  [
    call,
    '{"jsonrpc":"2.0","Id":7,"method":"notifications/x"}',
    'bad: a member "Id" that resembles a known one',
  ],
  [
    call,
    '{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"","Code":2}}',
    'bad: a member "Code" that resembles a known one',
  ],

  [call, '{"jsonrpc":"2.0","id":7,"method":"sampling/createMessage"}', ofServer],
  [call, '{"jsonrpc":"2.0","method":"sampling/createMessage"}', ofServer],
  [call, '{"jsonrpc":"2.0","id":1,"method":"roots/list","result":{}}', 'bad: it is no message'],
  [call, '{"jsonrpc":"2.0","method":7}', 'bad: it is no message'],
  [call, '{"jsonrpc":"2.0","method":"notifications/x","params":[]}', 'bad: params is no object'],
  [call, result('"resultType":"input_required"'), incomplete],
  [call, result('"resultType":"task"'), 'bad: it is no task'],
  [call, result('"resultType":null'), incomplete],
  [legacyList, result('"resultType":"input_required"'), incomplete],
  [call, result(`${complete},"inputRequests":{}`), asks],
  [call, result('"requestState":"s"'), asks],
  [legacyList, result('"inputRequests":{}'), asks],
  [
    call,
    '{"jsonrpc":"2.0","id":1,"error":{"code":-32042,"message":"open this","data":{}}}',
    'refuse: an error that asks for input',
  ],
]

suite('every message of an upstream gets one verdict', () => {
  for (const [asked, text, verdict] of verdicts) {
    test(`${asked.era} ${asked.method}, ${text}: ${verdict}`, () => {
      assert.equal(verdictOf(asked, text), verdict)
    })
  }
  test('octets that are not UTF-8', () => {
    assert.equal(
      verdictOf(call, Buffer.from(result('"a":"\xff"'), 'latin1')),
      'bad: the body is not UTF-8',
    )
  })
  test('an answer that is deeper than can be read', () => {
    const deep = result(`"a":${'['.repeat(100_000)}${']'.repeat(100_000)}`)
    assert.equal(verdictOf(call, deep), 'bad: nesting too deep, want=..256')
  })
  test('a definition in a list is not read here, however bad it is', () => {
    const tools = `[{"a":1,"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}]`
    assert.equal(verdictOf(list, result(`${complete},"tools":${tools}`)), 'response')
  })
})

const everyTool = `[${toolTexts.join(',')}]`

/** An upstream that says this instead of its answer to one method; `$ID` is the id of the request. */
function saying(method: string, text: string, type = 'application/json'): Answer {
  return (message, response, request) => {
    if (message.method !== method) return answerBoth()(message, response, request)
    const said = text.replaceAll('$ID', JSON.stringify(message.id))
    sendJson(response, said, { 'content-type': type })
  }
}

async function ask(answer: Answer, asked: ReturnType<typeof modern>, door: string): Promise<Reply> {
  await using world = await openWorld({ answers: { files: answer } })
  const agent = await world.agent()
  return await agent.post(door, asked.body, asked.headers)
}

const smuggled = '"id":$ID,"result":{"resultType":"complete","tools":[]}'
const lists: Readonly<Record<string, string>> = {
  'null for an error beside its result': `{"jsonrpc":"2.0","id":$ID,"error":null,"result":{"resultType":"complete","tools":${everyTool}}}`,
  'an error beside its result': `{"jsonrpc":"2.0","id":$ID,"error":{"code":1,"message":"m"},"result":{"resultType":"complete","tools":${everyTool}}}`,
  'two results': `{"jsonrpc":"2.0",${smuggled},"result":{"tools":${everyTool}}}`,
  'a result in another case': `{"jsonrpc":"2.0",${smuggled},"Result":{"tools":${everyTool}}}`,
  'a method beside its result': `{"jsonrpc":"2.0","method":"sampling/createMessage","params":{"x":${everyTool}},${smuggled}}`,
  'tools in another case': `{"jsonrpc":"2.0","id":$ID,"result":{"resultType":"complete","tools":[],"Tools":${everyTool}}}`,
  'a result without a type': `{"jsonrpc":"2.0","id":$ID,"result":{"tools":${everyTool}}}`,
  'a question': `{"jsonrpc":"2.0","id":$ID,"result":{"resultType":"input_required","inputRequests":{"k":{"method":"elicitation/create"}},"tools":${everyTool}}}`,
}

for (const [what, text] of Object.entries(lists)) {
  for (const door of ['/mcp/files', '/mcp']) {
    test(`a list that has ${what} is refused whole at ${door}`, async () => {
      requirement('gateway.answers-judged')
      const reply = await ask(saying('tools/list', text), modern('tools/list'), door)
      assert.equal(reply.json.result, undefined)
      assert.match(reply.text, /^\{"jsonrpc":"2.0","id":1,"error":\{"code":-3(1403|2603),/)
      assert.doesNotMatch(reply.text, /secret|sampling|elicitation/)
    })
  }
}

for (const text of [
  `{"jsonrpc":"2.0","id":$ID,"result":{"resultType":"input_required","inputRequests":{"k":{"method":"elicitation/create"}},"supportedVersions":["2026-07-28"]}}`,
  `{"jsonrpc":"2.0","id":$ID,"method":"elicitation/create","result":{"resultType":"complete","supportedVersions":["2026-07-28"]}}`,
]) {
  test(`what a server says of itself is judged like every answer: ${text}`, async () => {
    const reply = await ask(
      saying('server/discover', text),
      modern('server/discover'),
      '/mcp/files',
    )
    assert.equal(reply.json.result, undefined)
    assert.doesNotMatch(reply.text, /elicitation/)
  })
}

for (const text of [
  '{"jsonrpc":"2.0","id":$ID,"error":null,"result":{"protocolVersion":"2025-11-25","capabilities":{"sampling":{}}}}',
  '{"jsonrpc":"2.0","id":7,"method":"sampling/createMessage","params":{},"result":{"protocolVersion":"2025-11-25","capabilities":{}}}',
]) {
  test(`no session is opened by ${text}`, async () => {
    const opening = legacy('initialize', initializeParams)
    const reply = await ask(saying('initialize', text), opening, '/mcp/files')
    assert.deepEqual([reply.status, reply.json.error?.code], [200, -32603])
    assert.equal(reply.headers['mcp-session-id'], undefined)
  })
}

test('instructions are not served: they may name what is hidden', async () => {
  requirement('attack.tools-that-turn')
  const told = '"instructions":"use secret","capabilities":{"tools":{}}'
  const one = saying(
    'initialize',
    `{"jsonrpc":"2.0","id":$ID,"result":{"protocolVersion":"2025-11-25","serverInfo":{"name":"f","version":"1"},"x":"secret",${told}}}`,
  )
  const opened = await ask(one, legacy('initialize', initializeParams), '/mcp/files')
  assert.deepEqual(opened.json.result, {
    protocolVersion: '2025-11-25',
    serverInfo: { name: 'f', version: '1' },
    capabilities: { tools: {} },
  })
  const two = saying(
    'server/discover',
    `{"jsonrpc":"2.0","id":$ID,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],${told}}}`,
  )
  const discovered = await ask(two, modern('server/discover'), '/mcp/files')
  const supportedVersions = ['2026-07-28', '2025-11-25', '2025-06-18']
  assert.deepEqual(discovered.json.result?.['supportedVersions'], supportedVersions)
  assert.doesNotMatch(discovered.text, /secret/)
})

const sampling = '{"jsonrpc":"2.0","id":7,"method":"sampling/createMessage","params":{}}'
const end = 'data: {"jsonrpc":"2.0","id":$ID,"result":{"resultType":"complete","content":[]}}\n\n'

for (const [what, text] of Object.entries({
  'a mark before it': `\ufeffdata: ${sampling}\n\n${end}`,
  'a mark and a space before it': `\ufeff data: ${sampling}\n\n${end}`,
  'a comment with another end of line before it': `: x\u2028data: ${sampling}\n\n${end}`,
  'a name of an event before it': `event: x\u0085data: ${sampling}\n\n${end}`,
  'an id before it': `id: x\vdata: ${sampling}\n\n${end}`,
  'its id in another case': `data: ${sampling.replace('"id"', '"Id"')}\n\n${end}`,
  'the answer before it': `${end}data: ${sampling}\n\n`,
})) {
  test(`a request of a server on a stream never reaches the caller, with ${what}`, async () => {
    requirement('gateway.answers-judged')
    const answer = saying('tools/call', text, 'text/event-stream')
    const echo = modern('tools/call', { name: 'echo', arguments: {} })
    const reply = await ask(answer, echo, '/mcp/files')
    assert.equal(reply.status, 200)
    assert.doesNotMatch(reply.text, /sampling/)
    assert.match(reply.text, /^(:\n\n)?data: \{"jsonrpc":"2.0","id":1,"(result|error)":.*\}\n\n$/)
  })
}

test('a stream that ends without an answer is answered by the gateway', async () => {
  const answer = saying('tools/call', ': alive\n\n', 'text/event-stream')
  const reply = await ask(
    answer,
    modern('tools/call', { name: 'echo', arguments: {} }),
    '/mcp/files',
  )
  const error = '{"code":-32603,"message":"upstream gave no answer \\(decision [0-9a-f-]{36}\\)"'
  assert.match(
    reply.text,
    new RegExp(`^:\\n\\ndata: {"jsonrpc":"2.0","id":1,"error":${error}[^\\n]*\\n\\n$`),
  )
})

for (const [type, ours, text] of [
  [
    'application/json; charset=utf-16',
    'application/json',
    '{"jsonrpc":"2.0","id":$ID,"result":{}}',
  ],
  ['text/event-stream; charset=utf-7', 'text/event-stream', end],
] as const) {
  test(`a caller is told no charset but the one that was judged: ${type}`, async () => {
    const echo = modern('tools/call', { name: 'echo', arguments: {} })
    const reply = await ask(saying('tools/call', text, type), echo, '/mcp/files')
    assert.equal(reply.status, 200)
    assert.equal(reply.headers['content-type'], ours)
  })
}
