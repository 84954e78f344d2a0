import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestDefinition } from '../support/digest-definition.ts'
import { parseSpiffeId } from '../../src/identity/spiffe-id.ts'
import { textOf } from '../../src/policy/asked.ts'
import { createTokenVerifier } from '../../src/token/verify.ts'
import { createHash } from 'node:crypto'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { initializeParams, legacy, modern, openAnswer, whyOf } from './world/client.ts'
import { answerBoth, sendJson, toolTexts, type Answer } from './world/upstream.ts'
import { openWorld, type World } from './world/world.ts'

const echo = modern('tools/call', { name: 'echo', arguments: { a: 1 } })

/** Answers calls as told, everything else as usual. */
function onCall(answer: Answer): Answer {
  return (message, response, request) => {
    if (message.method === 'tools/call') answer(message, response, request)
    else answerBoth()(message, response, request)
  }
}

function callsOf(world: World, server = 'files'): World['upstreams'][string]['received'] {
  return (world.upstreams[server]?.received ?? []).filter(({ body }) => body.includes('tools/call'))
}

test('the octets that were decided on are the octets that are forwarded', async () => {
  requirement('gateway.bytes-as-authorized')
  await using world = await openWorld()
  const agent = await world.agent()
  const body = echo.body.replace('{"a":1}', '{ "n" : 2.50, "e":1e2 ,"s":"\\u0061" }')
  assert.equal((await agent.post('/mcp/files', body, echo.headers)).status, 200)
  assert.equal(callsOf(world)[0]?.body, body)
})

test('where the CA of everybody is an intermediate, everybody is served', async () => {
  requirement('gateway.intermediates-accepted')
  await using world = await openWorld({ underRoot: 3 })
  const agent = await world.agent()
  const reply = await agent.post('/mcp/files', echo.body, echo.headers)
  assert.equal(reply.status, 200, reply.text)
})

test('at the door of all only the name is replaced, in the body and in its header', async () => {
  await using world = await openWorld()
  const agent = await world.agent()
  const { body, headers } = modern('tools/call', { name: 'files_echo', arguments: { n: 1 } })
  assert.equal((await agent.post('/mcp', body, headers)).status, 200)
  const [received] = callsOf(world)
  assert.equal(received?.body, body.replace('files_echo', 'echo'))
  assert.equal(received.headers['mcp-name'], 'echo')
})

test('no credential and no claimed identity of a caller reaches an upstream', async () => {
  requirement('attack.tokens-passed-on')
  requirement('gateway.credentials-stripped')
  await using world = await openWorld()
  const agent = await world.agent()
  await agent.post('/mcp/files', echo.body, {
    ...echo.headers,
    authorization: 'Bearer stolen',
    cookie: 'a=b',
    'proxy-authorization': 'Basic x',
    forwarded: 'for=1.2.3.4',
    'x-forwarded-for': '1.2.3.4',
    'x-forwarded-client-cert': 'URI=spiffe://test.example/ns/admin/sa/root',
    'x-real-ip': '1.2.3.4',
    'client-cert': ':AAAA:',
    'txn-token': 'forged',
    'workload-identity-token': 'forged',
    te: 'trailers',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    'mcp-param-region': 'eu',
    'user-agent': 'agent/1',
  })
  const names = Object.keys(callsOf(world)[0]?.headers ?? {}).toSorted()
  assert.deepEqual(names, [
    'accept',
    'accept-encoding',
    'connection',
    'content-length',
    'content-type',
    'host',
    'mcp-method',
    'mcp-name',
    'mcp-param-region',
    'mcp-protocol-version',
    'traceparent',
    'txn-token',
    'user-agent',
  ])
  assert.notEqual(callsOf(world)[0]?.headers['txn-token'], 'forged')
})

for (const era of ['modern', 'legacy'] as const) {
  test(`a ${era} request for whatever has a name at its server carries a token for that name`, async () => {
    requirement('token.for-what-has-a-name')
    const granted = { prompts: { prefixes: { '': {} } }, resources: { prefixes: { '': {} } } }
    await using world = await openWorld({ grants: { tenants: { acme: { files: granted } } } })
    const agent = await world.agent()
    const opening = legacy('initialize', initializeParams)
    const opened = await agent.post('/mcp', opening.body, opening.headers)
    const session = String(opened.headers['mcp-session-id'])
    const gateway = world.credential.current().svid
    const verifier = createTokenVerifier({
      trustDomain: gateway.spiffeId.trustDomain,
      audience: () => parseSpiffeId('spiffe://test.example/ns/tools/sa/files'),
      now: Date.now,
    })
    const given = (text: string): string => createHash('sha256').update(text).digest('base64url')
    const ref = { type: 'ref/prompt', name: 'files_review' }
    for (const [method, params, target, octets] of [
      ['prompts/get', { name: 'files_review', arguments: { a: 1 } }, 'review', '{"a":1}'],
      ['resources/read', { uri: 'files+file:///a' }, 'file:///a', ''],
      ['completion/complete', { ref, argument: { name: 'a', value: '' } }, 'review', ''],
    ] as const) {
      const asked = era === 'modern' ? modern(method, params) : legacy(method, params, { session })
      await agent.post('/mcp', asked.body, asked.headers)
      const there = world.upstreams['files']?.received.find(({ body }) => body.includes(method))
      const token = String(there?.headers['txn-token'])
      const call = { peer: gateway, method, target, argumentsSha256: given(octets) }
      const verified = await verifier.verify(token, call)
      assert.equal(verified.tool, undefined)
      assert.ok(world.events.some(({ decisionId }) => decisionId === verified.transactionId))
    }
    const listing =
      era === 'modern' ? modern('prompts/list') : legacy('prompts/list', {}, { session })
    await agent.post('/mcp/files', listing.body, listing.headers)
    const listed = world.upstreams['files']?.received.filter(({ body }) => /\/list"/.test(body))
    assert.ok(listed?.every(({ headers }) => headers['txn-token'] === undefined))
  })
}

test('a call carries a transaction token of its caller, its tool and its arguments', async () => {
  await using world = await openWorld()
  const agent = await world.agent({ serviceAccount: 'researcher' })
  await agent.post('/mcp/files', echo.body, echo.headers)
  const gateway = world.credential.current().svid
  const verifier = createTokenVerifier({
    trustDomain: gateway.spiffeId.trustDomain,
    audience: () => parseSpiffeId('spiffe://test.example/ns/tools/sa/files'),
    now: Date.now,
  })
  const token = String(callsOf(world)[0]?.headers['txn-token'])
  const argumentsSha256 = createHash('sha256').update('{"a":1}').digest('base64url')
  const verified = await verifier.verify(token, {
    peer: gateway,
    method: 'tools/call',
    target: 'echo',
    argumentsSha256,
  })
  assert.equal(verified.caller.spiffeId.uri, 'spiffe://test.example/ns/agents/sa/researcher')
  assert.equal(verified.transactionId, world.events[0]?.decisionId)
})

test('of the headers of an answer only what is of the message reaches the caller', async () => {
  const answer = onCall((message, response) => {
    const text = `{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":{}}`
    sendJson(response, text, {
      'set-cookie': 'a=b',
      server: 'tool/1',
      'www-authenticate': 'Bearer',
      'x-internal': '1',
      'mcp-session-id': 'theirs',
      'cache-control': 'no-store',
    })
  })
  await using world = await openWorld({ answers: { files: answer } })
  const agent = await world.agent()
  const { headers } = await agent.post('/mcp/files', echo.body, echo.headers)
  assert.deepEqual(Object.keys(headers).toSorted(), [
    'cache-control',
    'connection',
    'content-length',
    'content-type',
    'date',
    'keep-alive',
  ])
})

interface Fault {
  readonly answer: Answer
  readonly status: number
  readonly timeoutSeconds?: number
}

const answers: Readonly<Record<string, Fault>> = {
  redirects: {
    answer: (_, response) => response.writeHead(307, { location: 'https://evil.test/' }).end(),
    status: 502,
  },
  'asks the gateway for a token': {
    answer: (_, response) => response.writeHead(401, { 'www-authenticate': 'Bearer' }).end(),
    status: 502,
  },
  'refuses the gateway': { answer: (_, response) => response.writeHead(403).end(), status: 502 },
  fails: { answer: (_, response) => response.writeHead(500).end('stack trace'), status: 502 },
  'answers with a page': {
    answer: (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'),
    status: 502,
  },
  'answers with something compressed': {
    answer: (_, response) => sendJson(response, '{}', { 'content-encoding': 'gzip' }),
    status: 502,
  },
  'answers with no JSON': { answer: (_, response) => sendJson(response, '{'), status: 502 },
  'answers with an array': { answer: (_, response) => sendJson(response, '[]'), status: 502 },
  'answers another request': {
    answer: (_, response) => sendJson(response, '{"jsonrpc":"2.0","id":2,"result":{}}'),
    status: 502,
  },
  'answers with too much': {
    answer: (_, response) =>
      sendJson(response, `{"jsonrpc":"2.0","id":1,"result":{"x":"${'x'.repeat(70_000)}"}}`),
    status: 502,
  },
  'hangs up': { answer: (_, response) => response.destroy(), status: 502 },
  'says nothing': { answer: () => {}, status: 504, timeoutSeconds: 1 },
}

for (const [what, { answer, status, timeoutSeconds = 60 }] of Object.entries(answers)) {
  test(`an upstream that ${what} is a fault of the upstream, with the id and no more`, async () => {
    await using world = await openWorld({
      answers: { files: onCall(answer) },
      limits: { answerBytesMax: 65_536 },
      upstreams: (configs) => configs.map((each) => ({ ...each, timeoutSeconds })),
    })
    const agent = await world.agent()
    const reply = await agent.post('/mcp/files', echo.body, echo.headers)
    assert.equal(reply.status, status)
    // The decision that let the call go there is named, and nothing of what came back.
    const decisionId = world.events.at(-1)?.decisionId
    const message = `upstream gave no answer (decision ${decisionId})`
    const error = { code: -32603, message, data: { decisionId } }
    assert.deepEqual(reply.json, { jsonrpc: '2.0', id: 1, error })
    assert.equal(reply.headers['www-authenticate'], undefined)
  })
}

test('an upstream with a bound of its own for answers is held to that, and the others to theirs', async () => {
  requirement('gateway.limits-of-a-server')
  const long = onCall((message, response) =>
    sendJson(
      response,
      `{"jsonrpc":"2.0","id":${message.id},"result":{"resultType":"complete","content":[],"x":"${'x'.repeat(5_000)}"}}`,
    ),
  )
  await using world = await openWorld({
    answers: { files: long, web: long },
    upstreams: (configs) =>
      configs.map((each) =>
        each.server === 'files' ? { ...each, limits: { answerBytesMax: 4096 } } : each,
      ),
  })
  const agent = await world.agent()
  assert.equal((await agent.post('/mcp/files', echo.body, echo.headers)).status, 502)
  assert.equal((await agent.post('/mcp/web', echo.body, echo.headers)).status, 200)
})

test('a tool of a server that is down is unavailable, and not unknown', async () => {
  await using world = await openWorld()
  world.upstreams['files']?.die()
  const agent = await world.agent()
  const reply = await agent.post('/mcp/files', echo.body, echo.headers)
  assert.equal(reply.status, 502)
  assert.equal(reply.json.error?.code, -32603)
  assert.equal(whyOf(reply), 'upstream is temporarily unavailable')
  assert.equal(reply.json.id, 1)
  assert.equal(reply.headers['retry-after'], '2')
})

test('an upstream with another identity than the configured one is sent nothing', async () => {
  requirement('gateway.upstream-verified')
  await using world = await openWorld({
    upstreams: (configs) =>
      configs.map((each) => ({
        ...each,
        spiffeId: parseSpiffeId('spiffe://test.example/ns/tools/sa/somebody-else'),
      })),
  })
  const agent = await world.agent()
  const reply = await agent.post(
    '/mcp/files',
    modern('tools/list').body,
    modern('tools/list').headers,
  )
  assert.equal(reply.status, 502)
  assert.equal(world.upstreams['files']?.received.length, 0)
})

for (const [what, text] of Object.entries({
  'a complete result that asks for input': '"resultType":"complete","inputRequests":{}',
  'a result of an unknown type': '"resultType":"vendor"',
})) {
  test(`${what} is refused whole, with a decision of its own`, async () => {
    const answer = onCall((_, response) =>
      sendJson(response, `{"jsonrpc":"2.0","id":1,"result":{${text},"requestState":"s3cret"}}`),
    )
    await using world = await openWorld({ answers: { files: answer } })
    const agent = await world.agent()
    const reply = await agent.post('/mcp/files', echo.body, echo.headers)
    assert.equal(reply.json.error?.code, -31403)
    assert.equal(reply.json.error.data?.['decisionId'], world.events[1]?.decisionId)
    assert.doesNotMatch(reply.text, /s3cret/)
  })
}

const event = (message: object): string => `event: message\ndata: ${JSON.stringify(message)}\n\n`
const said = { jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 1 } }

test('the data of events is passed on as it comes, octet for octet, and nothing else of them is', async () => {
  const parts = [
    ': alive\n\n',
    event(said),
    `id: 7\r\n${event({ jsonrpc: '2.0', id: 1, result: { resultType: 'complete' } })}`,
  ]
  const answered = '{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete"}}'
  const passed = [':\n\n', `data: ${JSON.stringify(said)}\n\n`, `data: ${answered}\n\n`]
  let release = (): void => {}
  const answer = onCall((_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(parts[0])
    response.write(parts[1]?.slice(0, 30))
    response.write(parts[1]?.slice(30))
    release = () => response.end(parts[2])
  })
  await using world = await openWorld({ answers: { files: answer } })
  const agent = await world.agent()
  const { headers, text, ended } = await openAnswer(agent, '/mcp/files', echo)
  assert.equal(headers['x-accel-buffering'], 'no')
  await eventually('the first two are passed on', () => text() === `${passed[0]}${passed[1]}`)
  release()
  assert.equal((await ended).text, passed.join(''))
})

test('a request of the server on the stream of a legacy call is answered for the client, and the call goes on', async () => {
  requirement('gateway.server-requests-reach-nobody')
  const answer = onCall((message, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(event({ jsonrpc: '2.0', id: 's', method: 'ping' }))
    response.write(event({ jsonrpc: '2.0', id: 70, method: 'elicitation/create', params: {} }))
    response.end(event({ jsonrpc: '2.0', id: message.id, result: {} }))
  })
  await using world = await openWorld({ answers: { files: answer } })
  const agent = await world.agent()
  const opening = legacy('initialize', initializeParams)
  const opened = await agent.post('/mcp/files', opening.body, opening.headers)
  const session = String(opened.headers['mcp-session-id'])
  const call = legacy('tools/call', { name: 'echo', arguments: {} }, { session })
  const { text } = await agent.post('/mcp/files', call.body, call.headers)
  assert.equal(text, 'data: {"jsonrpc":"2.0","id":1,"result":{}}\n\n')
  const received = world.upstreams['files']?.received ?? []
  const answers = () => received.filter(({ body }) => body !== '' && !body.includes('"method"'))
  await eventually('both are answered', () => answers().length === 2)
  assert.deepEqual(
    answers()
      .map(({ body }) => body)
      .toSorted(),
    [
      '{"jsonrpc":"2.0","id":"s","result":{}}',
      '{"jsonrpc":"2.0","id":70,"error":{"code":-32601,"message":"Method not found"}}',
    ],
  )
  for (const { headers } of answers()) {
    assert.equal(headers['mcp-session-id'], 'session-of-test')
    assert.equal(headers['mcp-protocol-version'], '2025-11-25')
    assert.equal(headers['txn-token'], undefined)
  }
})

for (const [what, count, era] of [
  ['more than sixteen requests of the server', 17, 'legacy'],
  ['a request of a server that may ask nothing', 1, 'modern'],
] as const) {
  test(`${what} on the stream of a call end the call`, async () => {
    requirement('attack.tools-that-turn')
    requirement('gateway.server-requests-reach-nobody')
    const answer = onCall((message, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const asked = { jsonrpc: '2.0', method: 'elicitation/create', params: {} }
      for (let id = 100; id < 100 + count; id += 1) response.write(event({ ...asked, id }))
      response.end(event({ jsonrpc: '2.0', id: message.id, result: {} }))
    })
    await using world = await openWorld({ answers: { files: answer } })
    const agent = await world.agent()
    let call = echo
    if (era === 'legacy') {
      const opening = legacy('initialize', initializeParams)
      const opened = await agent.post('/mcp/files', opening.body, opening.headers)
      const session = String(opened.headers['mcp-session-id'])
      call = legacy('tools/call', { name: 'echo', arguments: {} }, { session })
    }
    const { text } = await agent.post('/mcp/files', call.body, call.headers)
    assert.match(text, /^data: \{"jsonrpc":"2.0","id":1,"error":\{"code":-31403,/)
    assert.doesNotMatch(text, /elicitation|"result"/)
  })
}

test('a caller that goes away cancels its request at the upstream', async () => {
  let aborted = false
  const answer = onCall((_, response) => response.once('close', () => (aborted = true)))
  await using world = await openWorld({ answers: { files: answer } })
  const agent = await world.agent()
  const pending = agent.post('/mcp/files', echo.body, echo.headers)
  const broken = assert.rejects(pending)
  await eventually('the upstream is called', () => callsOf(world).length === 1)
  await agent.client.destroy()
  await broken
  await eventually('the upstream is told', () => aborted)
})

test('two callers with one id get each its own answer', async () => {
  requirement('attack.answers-crossed')
  const waiting: (() => void)[] = []
  const answer = onCall((message, response) => {
    waiting.push(() => answerBoth()(message, response, response.req))
    if (waiting.length === 2) for (const say of waiting.toReversed()) say()
  })
  await using world = await openWorld({ answers: { files: answer } })
  const [one, two] = [await world.agent(), await world.agent({ serviceAccount: 'other' })]
  const ask = (text: string): ReturnType<typeof modern> =>
    modern('tools/call', { name: 'echo', arguments: { text } })
  const replies = await Promise.all([
    one.post('/mcp/files', ask('one').body, ask('one').headers),
    two.post('/mcp/files', ask('two').body, ask('two').headers),
  ])
  assert.match(replies[0].text, /one/)
  assert.match(replies[1].text, /two/)
})

test('a legacy session carries the session of the upstream, and no caller ever sees it', async () => {
  requirement('gateway.session-bound')
  await using world = await openWorld()
  const agent = await world.agent()
  const opening = legacy('initialize', initializeParams)
  const opened = await agent.post('/mcp/files', opening.body, opening.headers)
  const session = String(opened.headers['mcp-session-id'])
  assert.deepEqual(opened.json.result, {
    protocolVersion: '2025-11-25',
    capabilities: { tools: { listChanged: true }, logging: {} },
    serverInfo: { name: 'files', version: '1.2.3' },
  })
  assert.doesNotMatch(Buffer.from(session, 'base64url').toString('latin1'), /session-of-files/)
  const told = legacy('notifications/initialized', undefined, { session })
  assert.equal((await agent.post('/mcp/files', told.body, told.headers)).status, 202)
  const call = legacy('tools/call', { name: 'echo', arguments: {} }, { session })
  assert.equal((await agent.post('/mcp/files', call.body, call.headers)).status, 200)
  const sent = world.upstreams['files']?.received.at(-1)
  assert.equal(sent?.headers['mcp-session-id'], 'session-of-files')
})

test('a session that the upstream has forgotten is over for the caller too', async () => {
  const answer = onCall((_, response) => response.writeHead(404).end())
  await using world = await openWorld({ answers: { files: answer } })
  const agent = await world.agent()
  const opening = legacy('initialize', initializeParams)
  const opened = await agent.post('/mcp/files', opening.body, opening.headers)
  const session = String(opened.headers['mcp-session-id'])
  const call = legacy('tools/call', { name: 'echo', arguments: {} }, { session })
  const reply = await agent.post('/mcp/files', call.body, call.headers)
  assert.equal(reply.status, 404)
})

test('discovery offers what both the upstream and the gateway serve', async () => {
  await using world = await openWorld()
  const agent = await world.agent()
  const { body, headers } = modern('server/discover')
  const one = await agent.post('/mcp/files', body, headers)
  assert.deepEqual(one.json.result, {
    resultType: 'complete',
    supportedVersions: ['2026-07-28', '2025-11-25', '2025-06-18'],
    capabilities: { tools: {}, prompts: {} },
    ttlMs: 60_000,
    cacheScope: 'private',
  })
  const all = await agent.post('/mcp', body, headers)
  assert.deepEqual(all.json.result?.['supportedVersions'], [
    '2026-07-28',
    '2025-11-25',
    '2025-06-18',
  ])
})

const [echoText = '', , deleteText = ''] = toolTexts

for (const [what, pins, code] of [
  ['is the approved one', { echo: digestDefinition(echoText) }, undefined],
  ['has changed', { echo: digestDefinition(deleteText) }, 'definition-changed'],
  ['was never approved', { delete: digestDefinition(deleteText) }, 'definition-not-approved'],
] as const) {
  test(`a tool whose definition ${what} is ${code === undefined ? 'served' : 'neither listed nor called'}`, async () => {
    requirement('attack.tools-that-turn')
    requirement('gateway.changed-tool-quarantined')
    await using world = await openWorld({
      upstreams: (configs) => configs.map((each) => ({ ...each, pins })),
    })
    const agent = await world.agent()
    const listing = modern('tools/list')
    const listed = await agent.post('/mcp/files', listing.body, listing.headers)
    assert.equal(listed.text.includes('"name":"echo"'), code === undefined)
    const reply = await agent.post('/mcp/files', echo.body, echo.headers)
    assert.equal(reply.json.error?.code, code === undefined ? undefined : -31403)
    assert.equal(callsOf(world).length, code === undefined ? 1 : 0)
    const [decided] = world.events.toReversed()
    const result = decided?.evaluated.result as { reasons?: { code: string }[] }
    assert.equal(result.reasons?.[0]?.code, code)
    // Whoever approves the change needs the digest of what is served now.
    assert.ok(decided)
    const input = JSON.parse(textOf(decided.evaluated.asked)) as {
      resource: { properties: { definitionDigest?: string } }
    }
    assert.equal(input.resource.properties.definitionDigest, digestDefinition(echoText))
  })
}

test('a header that mirrors an argument says what the argument says', async () => {
  requirement('gateway.headers-agree')
  const tool =
    '{"name":"echo","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}}'
  await using world = await openWorld({ answers: { files: answerBoth({ tools: [tool] }) } })
  const agent = await world.agent()
  const { body, headers } = modern('tools/call', { name: 'echo', arguments: { region: 'eu' } })
  for (const [sent, status] of [
    [{ 'mcp-param-region': 'eu' }, 200],
    [{ 'mcp-param-region': 'us' }, 400],
    [{}, 400],
  ] as const) {
    const reply = await agent.post('/mcp/files', body, { ...headers, ...sent })
    assert.equal(reply.status, status, reply.text)
    assert.equal(reply.json.error?.code, status === 200 ? undefined : -32020)
    assert.equal(reply.json.id, 1)
  }
})

test('a renewed certificate of the gateway is what upstreams see next', async () => {
  await using world = await openWorld()
  const agent = await world.agent()
  assert.equal((await agent.post('/mcp/files', echo.body, echo.headers)).status, 200)
  const renewed = world.identities.issue({ serviceAccount: 'gateway', role: 'tool-broker' })
  world.credential.set(renewed)
  assert.equal((await agent.post('/mcp/files', echo.body, echo.headers)).status, 200)
  assert.deepEqual(world.upstreams['files']?.received.at(-1)?.peer, renewed.svid.der)
})

test('an open stream outlives the rotation of the certificate that it began with', async () => {
  let finish = (): void => {}
  const answer = onCall((_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(event(said))
    finish = () => response.end(event({ jsonrpc: '2.0', id: 1, result: {} }))
  })
  await using world = await openWorld({ answers: { files: answer } })
  const agent = await world.agent()
  const pending = agent.post('/mcp/files', echo.body, echo.headers)
  await eventually('the upstream is called', () => callsOf(world).length === 1)
  world.credential.set(world.identities.issue({ serviceAccount: 'gateway', role: 'tool-broker' }))
  finish()
  assert.match((await pending).text, /"result"/)
})

for (const [what, callSecondsMax, text] of [
  ['is given its time', 5, /"result"/],
  [
    'is refused after its time',
    0.1,
    /"id":1,"error":.*gateway is closing, and the call had no answer yet/,
  ],
] as const) {
  test(`an answer that is open when the gateway closes ${what}`, async () => {
    let finish = (): void => {}
    const answer = onCall((message, response) => {
      finish = () => answerBoth()(message, response, response.req)
    })
    await using world = await openWorld({ answers: { files: answer }, drain: { callSecondsMax } })
    const agent = await world.agent()
    const pending = agent.post('/mcp/files', echo.body, echo.headers)
    await eventually('the upstream is called', () => callsOf(world).length === 1)
    const closing = world.gateway.close()
    if (callSecondsMax > 1) finish()
    assert.match((await pending).text, text)
    await closing
    await assert.rejects(world.agent().then((late) => late.post('/mcp/files', echo.body)))
  })
}

for (const door of ['/mcp/files', '/mcp']) {
  test(`a legacy cancellation reaches the upstream of its own session, at ${door}`, async () => {
    await using world = await openWorld()
    const agent = await world.agent()
    const opening = legacy('initialize', initializeParams)
    const opened = await agent.post(door, opening.body, opening.headers)
    const session = String(opened.headers['mcp-session-id'])
    const cancel = legacy('notifications/cancelled', { requestId: 1 }, { session })
    const reply = await agent.post(door, cancel.body, cancel.headers)
    assert.equal(reply.status, 202)
    assert.equal(reply.text, '')
    const sent = world.upstreams['files']?.received.at(-1)
    assert.equal(sent?.body, cancel.body)
    assert.equal(sent.headers['mcp-session-id'], 'session-of-files')
  })
}

for (const door of ['/mcp/files', '/mcp']) {
  test(`a legacy cancellation goes to no upstream that knows no sessions, at ${door}`, async () => {
    const answer: Answer = (message, response, request) => {
      if (message.method !== 'initialize') return answerBoth()(message, response, request)
      const result = '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}}}'
      sendJson(response, `{"jsonrpc":"2.0","id":1,"result":${result}}`)
    }
    await using world = await openWorld({ answers: { files: answer } })
    const agent = await world.agent()
    const opening = legacy('initialize', initializeParams)
    const opened = await agent.post(door, opening.body, opening.headers)
    const session = String(opened.headers['mcp-session-id'])
    const cancel = legacy('notifications/cancelled', { requestId: 1 }, { session })
    assert.equal((await agent.post(door, cancel.body, cancel.headers)).status, 202)
    const told = world.upstreams['files']?.received.map(({ body }) => body) ?? []
    assert.ok(told.length > 0 && !told.includes(cancel.body))
  })
}

test('a modern cancellation is taken and goes nowhere: on HTTP, going away is the cancellation', async () => {
  await using world = await openWorld()
  const agent = await world.agent()
  const body = '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}'
  const headers = {
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'notifications/cancelled',
  }
  assert.equal((await agent.post('/mcp/files', body, headers)).status, 202)
  assert.deepEqual(world.upstreams['files']?.received, [])
})

for (const door of ['/mcp', '/mcp/files']) {
  test(`a notification that nobody needs is taken at ${door}, and goes nowhere`, async () => {
    await using world = await openWorld()
    const agent = await world.agent()
    const opening = legacy('initialize', initializeParams)
    const opened = await agent.post(door, opening.body, opening.headers)
    const session = String(opened.headers['mcp-session-id'])
    const received = world.upstreams['files']?.received.length
    const methods = ['progress', 'elicitation/complete', 'x', '']
    for (const method of methods.map((name) => `notifications/${name}`)) {
      const told = legacy(method, { progressToken: 1 }, { session })
      const taken = await agent.post(door, told.body, told.headers)
      assert.deepEqual([taken.status, taken.text], [202, ''], method)
      const headers = { 'mcp-protocol-version': '2026-07-28' }
      assert.equal((await agent.post(door, told.body, headers)).status, 202, method)
    }
    assert.equal(world.upstreams['files']?.received.length, received)
    // A session that is none is told so all the same.
    const lost = legacy('notifications/progress', undefined, { session: 'nobody' })
    assert.equal((await agent.post(door, lost.body, lost.headers)).status, 404)
  })
}

test('a request without an id is no notification, and a response that nobody waits for goes nowhere', async () => {
  await using world = await openWorld()
  const agent = await world.agent()
  const opening = legacy('initialize', initializeParams)
  const opened = await agent.post('/mcp/files', opening.body, opening.headers)
  const session = String(opened.headers['mcp-session-id'])
  const { headers } = legacy('ping', undefined, { session })
  const call = '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"echo"}}'
  const refused = await agent.post('/mcp/files', call, headers)
  assert.deepEqual([refused.status, refused.json.error?.code], [400, -32601])
  assert.equal(refused.json.id, null)
  const request = legacy('ping', undefined, { session }).body.replace('ping', 'notifications/x')
  assert.equal((await agent.post('/mcp/files', request, headers)).json.error?.code, -32601)
  const response = '{"jsonrpc":"2.0","id":1,"result":{}}'
  const answered = await agent.post('/mcp/files', response, headers)
  assert.deepEqual([answered.status, answered.text], [202, ''])
  assert.equal(world.upstreams['files']?.received.length, 1)
})
