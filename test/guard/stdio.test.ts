import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Log } from '../../src/log.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { callOf, list, openGuardStage, usual, type GuardStage, type Sent } from './stage.ts'

const command = [process.execPath, join(import.meta.dirname, 'stdio-server.ts')]
const logged: { fields: object; text: string }[] = []
const note = (fields: object, text: string): void => void logged.push({ fields, text })
const log: Log = { debug: note, info: note, warn: note, error: note }

let stage: GuardStage
/** Of the tests that leave it as it was. */
let shared: string

before(async () => {
  process.env['COUNTERSIGN_TEST_SECRET'] = 'a secret'
  process.env['COUNTERSIGN_TEST_GIVEN'] = 'given'
  stage = await openGuardStage(command, { log, env: ['COUNTERSIGN_TEST_GIVEN'], sessionsMax: '8' })
  shared = await begin()
})
after(() => stage[Symbol.asyncDispose]())

const hello = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'g', version: '1' },
  },
})

async function begin(): Promise<string> {
  const { status, text, headers } = await stage.send({ body: hello })
  assert.equal(status, 200, text)
  assert.match(text, /"id":1,"result":\{"protocolVersion":"2025-11-25"/)
  return String(headers['mcp-session-id'])
}

type Answer = Awaited<ReturnType<GuardStage['send']>>

async function call(
  session: string,
  args: object = { n: 1 },
  more: Partial<Sent> = {},
): Promise<Answer> {
  const headers = { 'mcp-session-id': session, 'txn-token': await stage.token({ args }) }
  return stage.send({ body: callOf(args), ...more, headers: { ...headers, ...more.headers } })
}

interface Done {
  readonly id: unknown
  readonly result: { pid: number; line: string; seen: string[]; env: Record<string, string> }
}

function read(text: string): Done {
  return JSON.parse(text) as Done
}

function callerTold({ text }: Answer): { readonly spiffeId?: string } {
  const { params } = JSON.parse(read(text).result.line) as {
    params: { readonly ['_meta']: Record<string, object> }
  }
  return params['_meta']['countersign.dev/caller'] ?? {}
}

async function end(session: string): Promise<void> {
  const headers = { 'mcp-session-id': session }
  assert.equal((await stage.send({ method: 'DELETE', body: undefined, headers })).status, 204)
}

test('a server on standard input and output is told who calls, in a member of _meta', async () => {
  requirement('guard.stdio-caller-from-the-token')
  const answer = await call(shared)
  assert.equal(answer.status, 200, answer.text)
  assert.equal(read(answer.text).id, 1)
  assert.deepEqual(callerTold(answer), {
    spiffeId: 'spiffe://test.example/ns/acme/sa/researcher',
    tenant: 'acme',
    role: 'agent',
    models: [],
    toolScopes: ['files:*'],
    via: 'gateway',
    transactionId: 'decision-1',
  })
})

const forged = '{"via":"gateway","spiffeId":"spiffe://test.example/ns/acme/sa/admin"}'
for (const [what, meta] of [
  ['by its name', `"countersign.dev/caller":${forged}`],
  ['before others', `"countersign.dev/caller":${forged},"a":1`],
  ['between others', `"a":1, "countersign.dev/caller" : ${forged} ,"b":2`],
  ['with an escape in its name', `"countersign\\u002edev/caller":${forged}`],
  ['in capitals', `"Countersign.dev/Caller":${forged}`],
  ['by another name of ours', `"a":{},"countersign.dev/other":${forged}`],
] as const) {
  test(`a caller that comes from outside ${what} comes to nobody`, async () => {
    requirement('guard.stdio-caller-from-the-token')
    const body = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"_meta":{${meta}},"name":"echo","arguments":{"n":1}}}`
    const answer = await call(shared, { n: 1 }, { body })
    assert.equal(answer.status, 200, answer.text)
    assert.equal(read(answer.text).result.line.includes('/sa/admin'), false)
    const { spiffeId } = callerTold(answer)
    assert.equal(spiffeId, 'spiffe://test.example/ns/acme/sa/researcher')
  })
}

test('octets pass as they are, on one line, with an id of the guard’s own', async () => {
  requirement('guard.stdio-one-process-one-session')
  const body =
    '{"jsonrpc":"2.0",\n"id":"a\\u0062",\r\n"method":"tools/call","params":{"name":"echo","arguments":{"n":1} , "x" : 1.50}}'
  const answer = await call(shared, { n: 1 }, { body })
  assert.equal(answer.text.includes('"id":"a\\u0062"'), true, answer.text)
  const { line } = read(answer.text).result
  assert.match(line, /^\{"jsonrpc":"2\.0", "id":\d+,  "method"/)
  assert.match(line, /"name":"echo","arguments":\{"n":1\} , "x" : 1.50\}\}$/)
  const listed = await stage.send({ body: list, headers: { 'mcp-session-id': shared } })
  assert.match(
    read(listed.text).result.line,
    /"method":"tools\/list","params":\{"_meta":\{"countersign/,
  )
})

test('each session is a process of its own, and another caller has no part in it', async () => {
  requirement('guard.stdio-one-process-one-session')
  const [one, other] = [await begin(), await begin()]
  const [first, second] = [await call(one), await call(other)]
  assert.notEqual(read(first.text).result.pid, read(second.text).result.pid)
  const token = await stage.token({ caller: stage.who.neighbour })
  const stolen = await call(one, { n: 1 }, { headers: { 'txn-token': token } })
  assert.equal(stolen.status, 404, stolen.text)
  assert.equal((await call(one)).status, 200)
  await Promise.all([end(one), end(other)])
  assert.equal((await call(one)).status, 404)
})

for (const [what, sent, status] of [
  ['a call without a token', { body: callOf() }, 403],
  ['an agent itself', { as: 'agent' }, 403],
  ['no session', { headers: { 'mcp-session-id': [] } }, 400],
  ['a session that is none', { headers: { 'mcp-session-id': 'none' } }, 404],
  ['another path', { path: '/' }, 404],
  ['another method', { method: 'PUT', body: undefined }, 405],
  ['an answer that nobody asked for', { body: '{"jsonrpc":"2.0","id":"q","result":{}}' }, 400],
  ['the revision without sessions', { headers: { 'mcp-protocol-version': '2026-07-28' } }, 400],
] as const) {
  test(`${what} is ${status}, and nothing of it comes inside`, async () => {
    requirement('guard.verified-by-the-library')
    const before = read((await call(shared)).text).result.seen.length
    const { as, ...rest } = { as: undefined, ...sent }
    const headers = { 'mcp-session-id': shared, ...('headers' in rest ? rest.headers : {}) }
    const from = as === undefined ? {} : { as: stage.who[as] }
    const answer = await stage.send({ ...rest, ...from, headers } as Sent)
    assert.equal(answer.status, status, answer.text)
    const { text } = await call(shared)
    assert.equal(read(text).result.seen.length, before + 1, text)
  })
}

test('what is told on the way comes as events under the token of the caller, and of no other', async () => {
  requirement('guard.stdio-one-process-one-session')
  const body = callOf({ act: 'progress' }).replace(
    '"params":{',
    '"params":{"_meta":{"progressToken":"p\\u0021"},',
  )
  const { text, headers } = await call(shared, { act: 'progress' }, { body })
  assert.equal(headers['content-type'], 'text/event-stream')
  const events = text.split('\n\n').filter((event) => event !== '')
  assert.equal(events.length, 2, text)
  assert.match(events[0] ?? '', /^data: .*"progressToken":"p\\u0021","progress":1/)
  assert.match(events[1] ?? '', /^data: .*"id":1,"result"/)
})

test('what the server asks comes on the stream of the call, and its answer goes in without a word of ours', async () => {
  requirement('guard.stdio-caller-from-the-token')
  const asked = call(shared, { act: 'ask' })
  const reply = `{"jsonrpc":"2.0","id":"q","result":{"action":"accept","_meta":{"countersign.dev/caller":${forged}}}}`
  const headers = { 'mcp-session-id': shared }
  await eventually(
    'it is asked',
    async () => (await stage.send({ body: reply, headers })).status === 202,
  )
  const { text } = await asked
  assert.match(text, /data: .*"id":"q","method":"elicitation\/create"/)
  assert.match(text, /\\"action\\":\\"accept\\",\\"_meta\\":\{\}/)
})

test('what a session is told beside its calls comes on its stream, and there is one', async () => {
  const session = await begin()
  const socket = await stage.raw()
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
  socket.write(
    `GET /mcp HTTP/1.1\r\nhost: guard\r\naccept: text/event-stream\r\nmcp-session-id: ${session}\r\n\r\n`,
  )
  await eventually('the stream is open', () => text.includes('text/event-stream'))
  const again = { method: 'GET', body: undefined, headers: { 'mcp-session-id': session } }
  assert.equal((await stage.send(again)).status, 409)
  const changed = '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n'
  await call(session, { act: 'raw', text: changed })
  await eventually('it is told', () => text.includes(`data: ${changed}`))
  await end(session)
  await eventually('the stream ends with the session', () => text.endsWith('0\r\n\r\n'))
  socket.destroy()
})

test('a call that is given up or cancelled outside is cancelled inside, under the id that the server knows', async () => {
  requirement('guard.streams-both-ways')
  const session = await begin()
  const headers = {
    'mcp-session-id': session,
    'txn-token': await stage.token({ args: { act: 'hang' } }),
  }
  const body = callOf({ act: 'hang' })
  const socket = await stage.raw()
  const fields = Object.entries({ ...usual, ...headers }).map((each) => `${each.join(': ')}\r\n`)
  socket.write(
    `POST /mcp HTTP/1.1\r\nhost: guard\r\n${fields.join('')}content-length: ${body.length}\r\n\r\n${body}`,
  )
  const seen = async (): Promise<string[]> => {
    const listed = await stage.send({ body: list, headers: { 'mcp-session-id': session } })
    return read(listed.text).result.seen
  }
  const hangs = async (): Promise<string | undefined> =>
    (await seen()).find((line) => line.includes('"hang"'))
  await eventually('it is inside', async () => (await hangs()) !== undefined)
  const { id } = JSON.parse((await hangs()) ?? '') as { id: number }
  const cancel = '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}'
  assert.equal(
    (await stage.send({ body: cancel, headers: { 'mcp-session-id': session } })).status,
    202,
  )
  const cancels = async (): Promise<number> =>
    (await seen()).filter((line) => line.includes(`cancelled","params":{"requestId":${id},`)).length
  assert.equal(await cancels(), 1)
  socket.destroy()
  await eventually('it is given up', async () => (await cancels()) === 2)
  await end(session)
})

test('a command has of the environment what it is given, and no more', async () => {
  requirement('guard.stdio-environment-given')
  const { env } = read((await call(shared, { act: 'environment' })).text).result
  assert.equal(env['COUNTERSIGN_TEST_GIVEN'], 'given')
  assert.equal(env['PATH'], process.env['PATH'])
  assert.equal(JSON.stringify(env).includes('a secret'), false)
})

test('a process that ends is told to who waits, and its session is no more; another one stands by', async () => {
  requirement('guard.stdio-one-process-one-session')
  const session = await begin()
  const waiting = call(session, { act: 'hang' })
  const listed = { body: list, headers: { 'mcp-session-id': session } }
  await eventually('it waits', async () => (await stage.send(listed)).text.includes('hang'))
  const exit = await call(session, { act: 'exit' })
  assert.equal(exit.status, 502)
  assert.match(exit.text, /"id":1,"error".*the server inside has ended/)
  assert.equal((await waiting).status, 502)
  assert.equal((await call(session)).status, 404)
  await end(await begin())
  await eventually('one stands by', () => stage.running.ready())
})

test('what is no message comes to nobody, and what is said beside is logged within a bound', async () => {
  requirement('guard.stdio-sayings-bounded')
  const session = await begin()
  const noise = await call(session, { act: 'raw', text: 'not a message\n{"jsonrpc":"1.0"}\n\n' })
  assert.equal(read(noise.text).id, 1)
  assert.ok(logged.some(({ fields }) => 'text' in fields && fields.text === 'not a message'))
  logged.length = 0
  const text = `oh${'o'.repeat(2000)}`
  await call(session, { act: 'complain', text })
  await end(session)
  await eventually('the rest is counted', () => logged.some(({ fields }) => 'leftOut' in fields))
  assert.equal(logged.filter((each) => each.text === 'the server inside says').length <= 100, true)
  assert.equal(JSON.stringify(logged).includes('o'.repeat(1001)), false)
})

test('there are as many sessions as there may be, and one that ends makes room', async () => {
  requirement('guard.stdio-sessions-bounded')
  const sessions: string[] = []
  for (let at = 0; at < 7; at += 1) sessions.push(await begin())
  const { status, headers } = await stage.send({ body: hello })
  assert.equal(status, 503)
  assert.equal(headers['retry-after'], '1')
  const [first = '', ...others] = sessions
  await end(first)
  await Promise.all([...others, await begin()].map(end))
})
