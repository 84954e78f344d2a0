import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { initializeParams, legacy, modern, type Reply, type TestClient } from '../world/client.ts'
import { asked, legacyOnly, openOne } from '../world/eras.ts'
import { answerBoth, sendJson, type Answer } from '../world/upstream.ts'
import { openWorld, type World } from '../world/world.ts'

const list = modern('tools/list')
const opening = legacy('initialize', initializeParams)
const filesTools = ['files_echo', 'files_big', 'files_delete']

function namesOf(reply: Reply): readonly unknown[] {
  const tools = reply.json.result?.['tools'] as readonly { readonly name: string }[] | undefined
  return (tools ?? []).map((tool) => tool.name)
}

function missingIn(reply: Reply): unknown {
  const meta = reply.json.result?.['_meta'] as Readonly<Record<string, unknown>> | undefined
  return meta?.['dev.countersign/missing']
}

async function openSession(agent: TestClient): Promise<{ session: string; opened: Reply }> {
  const opened = await agent.post('/mcp', opening.body, opening.headers)
  assert.equal(opened.status, 200, opened.text)
  return { session: String(opened.headers['mcp-session-id']), opened }
}

/** Of an upstream that is not as it should be; each is asked for a session, a list, or both. */
const faults: Readonly<Record<string, Answer>> = {
  'never answers': () => {},
  'is silent after the head of its answer': (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '10' })
    response.flushHeaders()
  },
  'opens a stream and says nothing on it': (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.flushHeaders()
  },
  'streams notifications and no answer': (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: {"jsonrpc":"2.0","method":"notifications/message","params":{}}\n\n')
  },
  'hangs up': (_, response) => response.destroy(),
  'answers a page of HTML': (_, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<p>hello</p>')
  },
  'answers what is no JSON': (_, response) => sendJson(response, '{"jsonrpc":'),
  'has failed': (_, response) => response.writeHead(500).end(),
  'answers an error': (message, response) => {
    const id = JSON.stringify(message.id)
    sendJson(response, `{"jsonrpc":"2.0","id":${id},"error":{"code":-32603,"message":"no"}}`)
  },
}

/** Time enough for whoever answers, on a busy machine too. */
const limits = { federationWaitMilliseconds: 4000 }
/** Where nobody is waited for in vain. */
const longLimits = { federationWaitMilliseconds: 60_000 }

/** They are given up in the end, and are all that takes time. */
const silent = [
  'never answers',
  'is silent after the head of its answer',
  'opens a stream and says nothing on it',
  'streams notifications and no answer',
]

const openFaulty = (answer: Answer, isSilent: boolean): Promise<World> =>
  openWorld({
    answers: { files: answerBoth({ name: 'files' }), web: answer },
    limits: isSilent ? limits : longLimits,
  })

// Each has a world of its own, and most of them wait for time to pass.
describe('what is gathered from several upstreams', { concurrency: 4 }, () => {
  for (const [what, answer] of Object.entries(faults)) {
    test(`an upstream that ${what} is named as missing, and the others are served`, async () => {
      requirement('gateway.no-upstream-delays-others')
      await using world = await openFaulty(answer, silent.includes(what))
      const [one, other] = [await world.agent(), await world.agent()]
      const [listed, { session, opened }] = await Promise.all([
        one.post('/mcp', list.body, list.headers),
        openSession(other),
      ])
      assert.equal(listed.status, 200, listed.text)
      assert.deepEqual(namesOf(listed), filesTools)
      assert.deepEqual(missingIn(listed), ['web'])
      assert.equal(listed.json.result?.['ttlMs'], 0)
      assert.deepEqual(missingIn(opened), ['web'])
      const asked = legacy('tools/list', undefined, { session })
      assert.deepEqual(namesOf(await other.post('/mcp', asked.body, asked.headers)), filesTools)
    })
  }

  /** Opens sessions of this id. */
  const sessionOf =
    (id: string | readonly string[]): Answer =>
    (message, response, request) => {
      if (message.method !== 'initialize') return answerBoth()(message, response, request)
      const result = '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}}}'
      const text = `{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":${result}}`
      sendJson(response, text, { 'mcp-session-id': id })
    }

  for (const [what, id] of Object.entries({
    'of 10 KiB': 'x'.repeat(10_240),
    'with a blank': 'a b',
    'that is empty': '',
    'that comes twice': ['a', 'b'],
  })) {
    test(`a session id of an upstream ${what} leaves that upstream out, and no other`, async () => {
      await using world = await openFaulty(sessionOf(id), false)
      const agent = await world.agent()
      const { opened } = await openSession(agent)
      assert.deepEqual(missingIn(opened), ['web'])
      const alone = await agent.post('/mcp/web', opening.body, opening.headers)
      assert.equal(alone.json.error?.code, -32603)
      assert.equal(alone.headers['mcp-session-id'], undefined)
    })
  }

  test('a session that is opened with nobody says so, and is one all the same', async () => {
    const answers = { files: faults['has failed'] ?? answerBoth(), web: () => {} }
    await using world = await openWorld({ answers, limits })
    const { opened } = await openSession(await world.agent())
    assert.deepEqual(missingIn(opened), ['files', 'web'])
  })

  test('an upstream that is away is not waited for again until it had time to come back', async () => {
    const begun = Date.now()
    let shift = 0
    let awake = false
    const answer: Answer = (message, response, request) => {
      if (awake) answerBoth()(message, response, request)
    }
    await using world = await openWorld({
      answers: { files: answerBoth(), web: answer },
      limits,
      now: () => begun + shift,
    })
    const agent = await world.agent()
    const asked = (): number => world.upstreams['web']?.received.length ?? 0
    const missing = async (): Promise<unknown> =>
      missingIn(await agent.post('/mcp', list.body, list.headers))
    assert.deepEqual(await missing(), ['web'])
    assert.equal(asked(), 1)
    for (let each = 0; each < 3; each += 1) assert.deepEqual(await missing(), ['web'])
    const { opened } = await openSession(agent)
    assert.deepEqual(missingIn(opened), ['web'])
    assert.equal(asked(), 1)
    shift = 60_000
    // One of those who come now tries, and the others do without.
    const others = await Promise.all(
      Array.from({ length: 3 }, async () => {
        const other = await world.agent({ serviceAccount: crypto.randomUUID() })
        return missingIn(await other.post('/mcp', list.body, list.headers))
      }),
    )
    assert.deepEqual(others, [['web'], ['web'], ['web']])
    assert.equal(asked(), 2)
    shift += 60_000
    awake = true
    await eventually('it is listed again', async () => (await missing()) === undefined)
  })

  test('an upstream whose session was opened too late is not asked in it any more', async () => {
    requirement('gateway.no-upstream-delays-others')
    const server = legacyOnly(() => {})
    const open: (() => void)[] = []
    const answer: Answer = (message, response, request) => {
      if (message.method !== 'initialize') server.answer(message, response, request)
      else open.push(() => server.answer(message, response, request))
    }
    await using world = await openOne('legacy', answer, { limits })
    const agent = await world.agent({ toolScopes: 'files:*', podUid: 'pod' })
    const late = await agent.post('/mcp', list.body, list.headers)
    assert.equal(late.status, 502, late.text)
    for (const each of open) each()
    // What is asked after it comes after it, in the session that was opened.
    const again = await agent.post('/mcp/files', list.body, list.headers)
    assert.equal(again.status, 200, again.text)
    assert.deepEqual([open.length, asked(world, 'files', 'tools/list').length], [1, 1])
  })

  test('an upstream that takes no connection keeps nobody waiting, and is listed as soon as it does', async () => {
    await using world = await openWorld({ answers: { web: answerBoth() } })
    const [agent, web] = [await world.agent(), world.upstreams['web']]
    web?.die()
    const ask = (): Promise<Reply> => agent.post('/mcp', list.body, list.headers)
    for (let each = 0; each < 2; each += 1) {
      const away = await ask()
      assert.equal(away.status, 502, away.text)
      assert.match(String(away.json.error?.message), /^upstream is temporarily unavailable \(/)
      assert.equal(away.headers['retry-after'], '2')
    }
    await web?.start()
    const back = await ask()
    assert.deepEqual(namesOf(back), ['web_echo', 'web_big', 'web_delete', 'web_secret'], back.text)
  })

  test('an upstream that cuts its connections is tried by one caller a second', async () => {
    const begun = Date.now()
    let shift = 0
    let isBack = false
    const answer: Answer = (message, response, request) => {
      if (isBack) answerBoth()(message, response, request)
      else response.destroy()
    }
    const answers = { files: answerBoth({ name: 'files' }), web: answer }
    await using world = await openWorld({ answers, now: () => begun + shift })
    const agent = await world.agent()
    const missing = async (): Promise<unknown> =>
      missingIn(await agent.post('/mcp', list.body, list.headers))
    assert.deepEqual(await missing(), ['web'])
    isBack = true
    assert.deepEqual(await missing(), ['web'])
    shift = 1000
    assert.equal(await missing(), undefined)
  })
})
