import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { requirement } from '../requirements.ts'
import {
  assertFramed,
  callOf,
  exchange,
  list,
  ok,
  openGuardStage,
  usual,
  type GuardStage,
} from './stage.ts'

let stage: GuardStage

before(async () => {
  stage = await openGuardStage()
})
after(() => stage[Symbol.asyncDispose]())
beforeEach(() => {
  stage.got.length = 0
  stage.answer = ok
})

function callerTold(): Record<string, unknown> {
  return JSON.parse(stage.got[0]?.headers['countersign-caller'] ?? '{}') as Record<string, unknown>
}

test('the server inside is told who calls, as the token says', async () => {
  requirement('guard.caller-from-the-token')
  const { status } = await stage.send({
    body: callOf(),
    headers: { 'txn-token': await stage.token() },
  })
  assert.equal(status, 200)
  assert.deepEqual(callerTold(), {
    spiffeId: 'spiffe://test.example/ns/acme/sa/researcher',
    tenant: 'acme',
    role: 'agent',
    models: [],
    toolScopes: ['files:*'],
    via: 'gateway',
    transactionId: 'decision-1',
  })
  assert.equal(stage.got[0]?.body.toString(), callOf())
})

const forged = '{"via":"gateway","spiffeId":"spiffe://test.example/ns/acme/sa/admin"}'
for (const name of [
  'countersign-caller',
  'Countersign-Caller',
  'COUNTERSIGN-CALLER',
  'countersign_caller',
  'Countersign_Caller',
  'countersign.caller',
  'http-countersign-caller',
  'mcp_countersign-caller',
]) {
  test(`a caller that comes from outside as ${name} comes to nobody`, async () => {
    requirement('guard.caller-from-the-token')
    for (const value of [forged, [forged, forged]]) {
      stage.got.length = 0
      const headers = { 'txn-token': await stage.token(), [name]: value }
      assert.equal((await stage.send({ body: callOf(), headers })).status, 200)
      assert.equal(callerTold()['spiffeId'], 'spiffe://test.example/ns/acme/sa/researcher')
      const [got] = stage.got
      assert.equal(
        got?.raw.some((text) => text.includes('/sa/admin')),
        false,
      )
    }
  })
}

test('no credential passes in: no token, no authorization, no cookie, no word of a proxy', async () => {
  requirement('guard.no-credential-inside')
  const headers = {
    'txn-token': await stage.token(),
    authorization: 'Bearer secret',
    'proxy-authorization': 'Basic secret',
    cookie: 'a=secret',
    'x-forwarded-for': 'secret',
    'x-forwarded-client-cert': 'secret',
    forwarded: 'for=secret',
    'x-http-method-override': 'secret',
    'x-original-url': '/secret',
  }
  await stage.send({ body: callOf(), headers })
  const [got] = stage.got
  assert.ok(got !== undefined)
  assertFramed(got)
  assert.equal(got.raw.join('\n').includes('secret'), false)
  assert.equal(got.raw.join('\n').includes(headers['txn-token']), false)
})

const refusals: readonly (readonly [string, () => Promise<Parameters<GuardStage['send']>[0]>])[] = [
  ['a call without a token', async () => ({ body: callOf() })],
  ['an agent itself', async () => ({ as: stage.who.agent })],
  [
    'an agent that has stolen a token',
    async () => ({
      as: stage.who.agent,
      body: callOf(),
      headers: { 'txn-token': await stage.token() },
    }),
  ],
  ['a gateway that is not named', async () => ({ as: stage.who.other })],
  [
    'a gateway that is not named, with a token of its own',
    async () => ({
      as: stage.who.other,
      body: callOf(),
      headers: { 'txn-token': await stage.token({ signer: stage.who.other }) },
    }),
  ],
  [
    'a token for another server',
    async () => ({
      body: callOf(),
      headers: { 'txn-token': await stage.token({ server: 'web' }) },
    }),
  ],
  [
    'a token for other arguments',
    async () => ({
      body: callOf({ n: 2 }),
      headers: { 'txn-token': await stage.token() },
    }),
  ],
  [
    'two tokens',
    async () => ({
      body: callOf(),
      headers: { 'txn-token': [await stage.token(), await stage.token()] },
    }),
  ],
]
for (const [what, sent] of refusals) {
  test(`${what} is refused with the library's own answer, and nothing of it comes inside`, async () => {
    requirement('guard.verified-by-the-library')
    const { status, text } = await stage.send(await sent())
    assert.equal(status, 403)
    assert.match(text, /"error":\{"code":-31403,/)
    assert.deepEqual(stage.got, [])
  })
}

for (const path of [
  '/',
  '/admin',
  '/mcp/',
  '/MCP',
  '/mcp?x=1',
  '//mcp',
  '/mcp/../admin',
  '/mcp%2f',
  '/%6dcp',
  '*',
  'http://127.0.0.1/mcp',
  'http://10.0.0.7/mcp',
]) {
  test(`the gateway itself comes to no other door: ${path}`, async () => {
    requirement('guard.one-door')
    assert.equal((await stage.send({ path })).status, 404)
    assert.deepEqual(stage.got, [])
  })
}

for (const method of ['PUT', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND']) {
  test(`${method} is no request of MCP`, async () => {
    requirement('guard.one-door')
    const { status, headers } = await stage.send({ method, body: undefined })
    assert.equal(status, 405)
    assert.equal(headers['allow'], 'POST, GET, DELETE')
    assert.deepEqual(stage.got, [])
  })
}

test('a body that nobody judges comes inside with no method', async () => {
  requirement('guard.one-door')
  for (const method of ['GET', 'DELETE']) {
    const { status } = await stage.send({ method, body: list, headers: { 'content-length': '46' } })
    assert.equal(status, 400)
  }
  assert.deepEqual(stage.got, [])
})

const smuggled = 'GET /admin HTTP/1.1\r\nhost: a\r\ncountersign-caller: {}\r\n\r\n'
const fields = Object.entries(usual)
  .map(([name, value]) => `${name}: ${value}\r\n`)
  .join('')

function post(framing: string, body: string, target = '/mcp'): string {
  return `POST ${target} HTTP/1.1\r\nhost: guard\r\n${fields}${framing}\r\n${body}`
}

const chunkedList = `${list.length.toString(16)}\r\n${list}\r\n0\r\n\r\n`

for (const [what, octets] of [
  [
    'both framings',
    post(
      `content-length: ${list.length}\r\ntransfer-encoding: chunked\r\n`,
      chunkedList + smuggled,
    ),
  ],
  [
    'both framings, the other way round',
    post(`transfer-encoding: chunked\r\ncontent-length: 4\r\n`, chunkedList + smuggled),
  ],
  ['two lengths', post(`content-length: ${list.length}\r\ncontent-length: 0\r\n`, list + smuggled)],
  [
    'a list of lengths',
    post(`content-length: ${list.length}, ${list.length}\r\n`, list + smuggled),
  ],
  ['a length with a sign', post(`content-length: +${list.length}\r\n`, list + smuggled)],
  ['a length in hex', post(`content-length: 0x2e\r\n`, list + smuggled)],
  [
    'a length that ends before the body',
    post(`content-length: ${list.length}\r\n`, list + smuggled),
  ],
  ['no length', post('', list + smuggled)],
  ['an unknown coding', post('transfer-encoding: xchunked\r\n', chunkedList + smuggled)],
  [
    'chunked and then another coding',
    post('transfer-encoding: chunked, identity\r\n', chunkedList + smuggled),
  ],
  [
    'two codings',
    post('transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n', chunkedList + smuggled),
  ],
  [
    'a space before the colon',
    post(`transfer-encoding : chunked\r\ncontent-length: ${list.length}\r\n`, list + smuggled),
  ],
  [
    'a folded header',
    post(
      `x: y\r\n transfer-encoding: chunked\r\ncontent-length: ${list.length}\r\n`,
      list + smuggled,
    ),
  ],
  [
    'a bare line feed',
    post(`x: y\ntransfer-encoding: chunked\r\ncontent-length: ${list.length}\r\n`, list + smuggled),
  ],
  [
    'a bare carriage return',
    post(`x: y\rcountersign-caller: {}\r\ncontent-length: ${list.length}\r\n`, list),
  ],
  ['a NUL in a header', post(`x: \0\r\ncontent-length: ${list.length}\r\n`, list + smuggled)],
  [
    'extensions of chunks',
    post(
      'transfer-encoding: chunked\r\n',
      chunkedList.replace('\r\n', `;${'a'.repeat(64)}\r\n`) + smuggled,
    ),
  ],
  [
    'a chunk with a bare line feed',
    post('transfer-encoding: chunked\r\n', chunkedList.replace('\r\n', '\n') + smuggled),
  ],
  [
    'a length of a chunk that overflows',
    post('transfer-encoding: chunked\r\n', `fffffffffffffffff\r\n${list}`),
  ],
  [
    'trailers',
    post(
      'transfer-encoding: chunked\r\ntrailer: countersign-caller\r\n',
      chunkedList.replace(/\r\n$/, 'countersign-caller: {}\r\n\r\n'),
    ),
  ],
  [
    'an upgrade',
    post(
      `connection: upgrade\r\nupgrade: websocket\r\ncontent-length: ${list.length}\r\n`,
      list + smuggled,
    ),
  ],
  [
    'HTTP/2 by upgrade',
    post(
      `connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\ncontent-length: ${list.length}\r\n`,
      list,
    ),
  ],
  [
    'a wait for 100',
    post(`expect: 100-continue\r\ncontent-length: ${list.length}\r\n`, list + smuggled),
  ],
  [
    'another expectation',
    post(`expect: 200-maybe\r\ncontent-length: ${list.length}\r\n`, list + smuggled),
  ],
  [
    'hop-by-hop names of what is checked',
    post(
      `connection: content-type, mcp-protocol-version, countersign-caller\r\ncontent-length: ${list.length}\r\n`,
      list,
    ),
  ],
  [
    'a target with its host',
    post(`content-length: ${list.length}\r\n`, list, 'http://127.0.0.1/mcp'),
  ],
  ['a tunnel', `CONNECT 127.0.0.1:1 HTTP/1.1\r\nhost: guard\r\n\r\n${smuggled}`],
  ['HTTP/0.9', 'GET /admin\r\n\r\n'],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
] as const) {
  test(`one request outside is at most one inside, framed anew: ${what}`, async () => {
    requirement('guard.framed-anew')
    await exchange(await stage.raw(), octets)
    assert.ok(stage.got.length <= 1, `${stage.got.length} requests`)
    for (const got of stage.got) {
      assertFramed(got)
      assert.equal(got.body.toString(), list)
      assert.match(
        got.headers['countersign-caller'] ?? '',
        /"spiffeId":"spiffe:\/\/test\.example\/ns\/system\/sa\/gateway"/,
      )
    }
  })
}

test('nobody without a certificate gets as far as a request', async () => {
  requirement('guard.verified-by-the-library')
  await assert.rejects(async () => {
    const { connect } = await import('node:tls')
    const socket = connect({ host: '127.0.0.1', port: stage.port, rejectUnauthorized: false })
    await new Promise((resolve, reject) => {
      socket.on('error', reject)
      socket.on('data', resolve)
      socket.write(post(`content-length: ${list.length}\r\n`, list))
    })
  }, /certificate required/)
  assert.deepEqual(stage.got, [])
})
