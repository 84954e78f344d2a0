import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Authorizer } from '../../../src/policy/authorizer.ts'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { modern } from '../world/client.ts'
import { listenAs, listening, subscriptionId, type Message } from '../world/listening.ts'
import { answerBoth, toolTexts } from '../world/upstream.ts'
import { openWorld, type World, type WorldOptions } from '../world/world.ts'

const resources = { uris: {}, prefixes: { 'test://open/': {} } }
const grants = {
  tenants: {
    acme: {
      files: { tools: { echo: {} }, prefixes: {}, resources },
      web: { tools: {}, prefixes: { '': {} }, resources },
    },
  },
  subjects: {},
}

const toolsChanged = 'notifications/tools/list_changed'
const updated = 'notifications/resources/updated'

/** Two upstreams that listen. */
async function openListening(options: WorldOptions = {}): Promise<{
  world: World
  files: ReturnType<typeof listening>
  web: ReturnType<typeof listening>
}> {
  const files = listening()
  const web = listening()
  const answers = { files: files.answer, web: web.answer }
  return { world: await openWorld({ grants, answers, ...options }), files, web }
}

function filterOf(message: Message | undefined): unknown {
  assert.equal(message?.method, 'notifications/subscriptions/acknowledged')
  return message.params?.['notifications']
}

function toldOf(messages: readonly Message[]): readonly unknown[] {
  return messages
    .filter(({ method }) => method !== 'notifications/subscriptions/acknowledged')
    .map(({ method, params, result, error }) =>
      method === undefined
        ? (result?.['resultType'] ?? error?.message.replace(/ \(decision .*/, ''))
        : typeof params?.['uri'] === 'string'
          ? `${method} ${params['uri']}`
          : method,
    )
}

describe('a stream of changes', () => {
  test('begins with what the server tells of, and each message has the id of its request', async () => {
    const files = listening(() => ({ toolsListChanged: true, promptsListChanged: true }))
    await using world = await openWorld({ grants, answers: { files: files.answer } })
    const agent = await world.agent()
    const asked = { toolsListChanged: true, resourcesListChanged: true, promptsListChanged: false }
    const stream = await listenAs(agent, '/mcp/files', asked, 'own-7')
    const [first] = await stream.until(1)
    assert.deepEqual(filterOf(first), { toolsListChanged: true })
    files.heard[0]?.tell(toolsChanged)
    const messages = await stream.until(2)
    assert.equal(messages[1]?.method, toolsChanged)
    for (const { params } of messages) {
      assert.deepEqual(params?.['_meta'], { [subscriptionId]: 'own-7' })
    }
    const event = world.events.find(({ evaluated }) =>
      JSON.stringify(evaluated.asked).includes('subscriptions/listen'),
    )
    assert.equal(event?.path, 'countersign/mcp/decision')
  })

  test('asks a server for nothing that may not be read, and acknowledges none of it', async () => {
    requirement('gateway.changes-of-what-may-be-read')
    const { world, files } = await openListening()
    await using _ = world
    const agent = await world.agent()
    const asked = { resourceSubscriptions: ['test://open/a', 'test://secret/b', 'test://open/c'] }
    const stream = await listenAs(agent, '/mcp/files', asked)
    const allowed = { resourceSubscriptions: ['test://open/a', 'test://open/c'] }
    assert.deepEqual(filterOf((await stream.until(1))[0]), allowed)
    assert.deepEqual(files.heard[0]?.filter, allowed)
    const alone = { resourceSubscriptions: ['test://secret/b'] }
    const other = await world.agent()
    const refused = await other.post('/mcp/files', ...listenRequest({ notifications: alone }))
    assert.equal(refused.json.error?.code, -31403)
    assert.equal(files.heard.length, 1)
  })

  test('tells of nothing that was not asked for, or is of another subscription', async () => {
    requirement('gateway.changes-of-own-subscription')
    const { world, files } = await openListening()
    await using _ = world
    const agent = await world.agent()
    const stream = await listenAs(agent, '/mcp/files', {
      toolsListChanged: true,
      resourceSubscriptions: ['test://open/a'],
    })
    await stream.until(1)
    const [one] = files.heard
    assert.ok(one)
    one.tell('notifications/prompts/list_changed')
    one.tell(updated, { uri: 'test://open/b' })
    one.tell(updated, { uri: 'test://open/ab' })
    one.tell(updated, {})
    one.tell(toolsChanged, {}, 'of-somebody-else')
    one.say({ method: toolsChanged })
    one.say({ method: toolsChanged, params: { _meta: { [subscriptionId]: 1 } } })
    one.say({ id: 5, method: 'sampling/createMessage', params: {} })
    one.tell('notifications/message', { level: 'info', data: 'x' })
    one.tell('notifications/tasks', { taskId: 't' })
    one.tell('notifications/subscriptions/acknowledged', {
      notifications: { promptsListChanged: true, resourceSubscriptions: ['test://open/b'] },
    })
    one.tell(updated, { uri: 'test://open/b' })
    one.tell(updated, { uri: 'test://open/a', vendor: 'x', title: 'y' })
    const messages = await stream.until(2)
    assert.deepEqual(toldOf(messages), [`${updated} test://open/a`])
    // Nothing of it but what has changed.
    assert.deepEqual(messages[1]?.params, {
      uri: 'test://open/a',
      _meta: { [subscriptionId]: 1 },
    })
  })

  test('says of a part of a resource that the whole has changed', async () => {
    const { world, files } = await openListening()
    await using _ = world
    const agent = await world.agent()
    const asked = { resourceSubscriptions: ['test://open/a', 'test://open/folder/'] }
    const stream = await listenAs(agent, '/mcp/files', asked)
    await stream.until(1)
    files.heard[0]?.tell(updated, { uri: 'test://open/a#line-7' })
    files.heard[0]?.tell(updated, { uri: 'test://open/folder/secret' })
    assert.deepEqual(toldOf(await stream.until(3)), [
      `${updated} test://open/a`,
      `${updated} test://open/folder/`,
    ])
  })

  test('acknowledges no more than was asked for, whatever the server says', async () => {
    requirement('gateway.changes-of-own-subscription')
    const files = listening(() => ({
      toolsListChanged: true,
      promptsListChanged: true,
      resourceSubscriptions: ['test://open/a', 'test://secret/b'],
    }))
    await using world = await openWorld({ grants, answers: { files: files.answer } })
    const agent = await world.agent()
    const stream = await listenAs(agent, '/mcp/files', { toolsListChanged: true })
    assert.deepEqual(filterOf((await stream.until(1))[0]), { toolsListChanged: true })
  })

  test('of nothing is acknowledged and ends', async () => {
    const files = listening(() => ({}))
    await using world = await openWorld({ grants, answers: { files: files.answer } })
    const agent = await world.agent()
    for (const asked of [{}, { toolsListChanged: true }]) {
      const messages = await (await listenAs(agent, '/mcp/files', asked)).over()
      assert.deepEqual(filterOf(messages[0]), {})
      assert.equal(messages[1]?.result?.['resultType'], 'complete')
      assert.equal(messages[1]?.id, 1)
    }
    assert.equal(files.heard.length, 1)
  })

  test('is one at a server for all that ask for the same, and ends there with the last of them', async () => {
    requirement('gateway.changes-of-own-subscription')
    const { world, files } = await openListening()
    await using _ = world
    const asked = { toolsListChanged: true }
    const one = await listenAs(await world.agent(), '/mcp/files', asked, 1)
    const other = await listenAs(await world.agent({ serviceAccount: 'b' }), '/mcp/files', asked, 1)
    await one.until(1)
    await other.until(1)
    assert.equal(files.heard.length, 1)
    files.heard[0]?.tell(toolsChanged)
    assert.deepEqual(toldOf(await one.until(2)), [toolsChanged])
    assert.deepEqual(toldOf(await other.until(2)), [toolsChanged])
    one.close()
    const closed = (): boolean => files.heard[0]?.response.destroyed === true
    await eventually('the second is told alone', () => {
      files.heard[0]?.tell(toolsChanged)
      return other.messages.length > 2
    })
    assert.equal(closed(), false)
    other.close()
    await eventually('the end at the server', closed)
    // Who asks for something else has its own.
    const third = await listenAs(await world.agent(), '/mcp/files', { promptsListChanged: true })
    await third.until(1)
    assert.deepEqual(files.heard[1]?.filter, { promptsListChanged: true })
  })

  test('ends at once with the identity of its caller, which is told why', async () => {
    requirement('gateway.changes-end-with-identity')
    const { world, files } = await openListening()
    await using _ = world
    const credential = { podUid: crypto.randomUUID() }
    const stream = await listenAs(await world.agent(credential), '/mcp/files', {
      toolsListChanged: true,
    })
    await stream.until(1)
    world.gone.set(new Set([credential.podUid]))
    assert.deepEqual(toldOf(await stream.over()), ['pod of the certificate is gone'])
    await eventually('the end at the server', () => files.heard[0]?.response.destroyed === true)
  })

  test('tells of nothing that a changed policy does not allow, and says that lists may be others', async () => {
    requirement('gateway.changes-of-what-may-be-read')
    const policy = { digest: 'first', allowed: (text: string) => text !== '', decides: true }
    const changed = (real: Authorizer): Authorizer => ({
      ...real,
      get digest() {
        return policy.digest
      },
      decide(texts) {
        const decided = real.decide(texts)
        const value = { allow: false, reasons: [], obligations: [] }
        return policy.decides ? decided : { ...decided, value, result: value }
      },
      filter(texts) {
        const filtered = real.filter(texts)
        const value = texts.resources.map(({ text }) => policy.allowed(text))
        return { ...filtered, value }
      },
    })
    const { world, files } = await openListening({ authorizer: changed })
    await using _ = world
    const stream = await listenAs(await world.agent(), '/mcp/files', {
      promptsListChanged: true,
      resourceSubscriptions: ['test://open/a', 'test://open/b'],
    })
    await stream.until(1)
    policy.digest = 'second'
    policy.allowed = (text) => text.includes('open/b')
    files.heard[0]?.tell(updated, { uri: 'test://open/a' })
    files.heard[0]?.tell(updated, { uri: 'test://open/b' })
    const prompts = 'notifications/prompts/list_changed'
    assert.deepEqual(
      new Set(toldOf(await stream.until(3))),
      new Set([`${updated} test://open/b`, prompts]),
    )
    policy.digest = 'third'
    policy.decides = false
    files.heard[0]?.tell(prompts)
    assert.deepEqual(toldOf(await stream.over()).slice(2), ['denied by policy'])
  })

  for (const [what, obligation, code] of [
    ['nobody can carry out', { id: 'x', type: 'x', properties: {} }, 'obligation-unknown'],
    [
      'needs a person',
      { id: 'x', type: 'approval', properties: { seconds: 9 } },
      'obligation-unknown',
    ],
    ['nobody can read', { id: 'x', type: 'approval', properties: {} }, 'obligation-invalid'],
  ] as const) {
    test(`ends where a changed policy wants of it what ${what}`, async () => {
      requirement('gateway.changes-of-what-may-be-read')
      const policy = { digest: 'first' }
      const { world, files } = await openListening({
        authorizer: (real) => ({
          ...real,
          get digest() {
            return policy.digest
          },
          decide(texts) {
            const obligations = policy.digest === 'first' ? [] : [obligation]
            const value = { allow: true, reasons: [], obligations }
            return { ...real.decide(texts), value, result: value }
          },
        }),
      })
      await using _ = world
      const stream = await listenAs(await world.agent(), '/mcp/files', { promptsListChanged: true })
      await stream.until(1)
      policy.digest = 'second'
      files.heard[0]?.tell('notifications/prompts/list_changed')
      const [why, ...more] = toldOf(await stream.over())
      assert.match(String(why), /obligation of the permission/)
      assert.deepEqual(more, [])
      assert.match(JSON.stringify(world.events.at(-1)?.evaluated.value), new RegExp(code))
    })
  }

  test('ends as its server ends it', async () => {
    const { world, files } = await openListening()
    await using _ = world
    const agent = await world.agent()
    const asked = { toolsListChanged: true }
    const complete = await listenAs(agent, '/mcp/files', asked)
    await complete.until(1)
    files.heard[0]?.say({ id: files.heard[0].id, result: { resultType: 'complete' } })
    assert.deepEqual(toldOf(await complete.over()), ['complete'])
    const cut = await listenAs(agent, '/mcp/files', asked)
    await cut.until(1)
    files.heard[1]?.response.destroy()
    const messages = await cut.over()
    assert.deepEqual(toldOf(messages), ['upstream gave no answer'])
    assert.equal(messages[1]?.id, 1)
  })

  test('of a server that knows none is refused as the server does', async () => {
    const unknown = answerBoth()
    await using world = await openWorld({
      grants,
      answers: {
        files(message, response, request) {
          if (message.method !== 'subscriptions/listen') unknown(message, response, request)
          else {
            response.writeHead(404, { 'content-type': 'application/json' })
            const error = { code: -32601, message: 'Method not found' }
            response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, error }))
          }
        },
      },
    })
    const agent = await world.agent()
    const asked = { notifications: { toolsListChanged: true } }
    const refused = await agent.post('/mcp/files', ...listenRequest(asked))
    assert.equal(refused.status, 404)
    assert.equal(refused.json.error?.code, -32601)
    assert.equal(refused.json.id, 1)
  })

  test('ends in order when the gateway closes, and at its longest life', async () => {
    const { world } = await openListening({ limits: { streamSecondsMax: 1 } })
    await using _ = world
    const stream = await listenAs(await world.agent(), '/mcp/files', { toolsListChanged: true })
    assert.deepEqual(toldOf(await stream.over()), ['complete'])
    const { world: closing } = await openListening()
    const last = await listenAs(await closing.agent(), '/mcp/files', { toolsListChanged: true })
    await last.until(1)
    const closed = closing.gateway.close()
    assert.deepEqual(toldOf(await last.over()), ['complete'])
    await closed
    await closing[Symbol.asyncDispose]()
  })

  test('takes of the streams of its caller, and of nobody else', async () => {
    requirement('gateway.changes-shared')
    const { world } = await openListening({ limits: { upstreamStreamsMax: 8 } })
    await using _ = world
    const asked = { toolsListChanged: true }
    const streams = []
    let refusal
    while (refusal === undefined) {
      const agent = await world.agent()
      const stream = await listenAs(agent, '/mcp/files', asked)
      if (stream.status === 200) streams.push(stream)
      else refusal = await stream.over().then(() => stream)
      assert.ok(streams.length < 8)
    }
    assert.equal(refusal.status, 429)
    assert.match(refusal.text, /too many streams of one identity/)
    const other = await world.agent({ tenant: 'globex', serviceAccount: 'other' })
    const theirs = await listenAs(other, '/mcp/files', asked)
    assert.equal(theirs.status, 200)
    streams[0]?.close()
    await eventually('a place', async () => {
      const again = await listenAs(await world.agent(), '/mcp/files', asked)
      return again.status === 200
    })
  })

  for (const [what, notifications] of [
    ['no filter', undefined],
    ['a list', []],
    ['a flag that is a text', { toolsListChanged: 'yes' }],
    ['URIs that are a text', { resourceSubscriptions: 'test://open/a' }],
    ['a URI that is a number', { resourceSubscriptions: [7] }],
    ['a URI with a space', { resourceSubscriptions: ['test://open/ a'] }],
    ['a URI that is too long', { resourceSubscriptions: [`test://${'x'.repeat(4000)}`] }],
    ['too many URIs', { resourceSubscriptions: Array.from({ length: 257 }, (_, at) => `a:${at}`) }],
  ] as const) {
    test(`with ${what} is refused`, async () => {
      const { world, files } = await openListening()
      await using _ = world
      const agent = await world.agent()
      const refused = await agent.post('/mcp/files', ...listenRequest({ notifications }))
      assert.equal(refused.status, 400, refused.text)
      assert.equal(refused.json.error?.code, -32602)
      assert.equal(files.heard.length, 0)
    })
  }
})

describe('a stream of changes at the door of all', () => {
  test('is one of all servers that are asked for something, under their names there', async () => {
    requirement('gateway.changes-of-what-may-be-read')
    const { world, files, web } = await openListening()
    await using _ = world
    const agent = await world.agent()
    const stream = await listenAs(agent, '/mcp', {
      toolsListChanged: true,
      resourceSubscriptions: [
        'files+test://open/a',
        'web+test://open/a',
        'web+test://secret/b',
        'none+test://open/a',
        'test://open/a',
      ],
    })
    assert.deepEqual(filterOf((await stream.until(1))[0]), {
      toolsListChanged: true,
      resourceSubscriptions: ['files+test://open/a', 'web+test://open/a'],
    })
    for (const { heard } of [files, web]) {
      assert.deepEqual(heard[0]?.filter, {
        toolsListChanged: true,
        resourceSubscriptions: ['test://open/a'],
      })
    }
    web.heard[0]?.tell(updated, { uri: 'test://open/a' })
    assert.deepEqual(toldOf(await stream.until(2)), [`${updated} web+test://open/a`])
    files.heard[0]?.tell(toolsChanged)
    await stream.until(3)
    // There are gaps as soon as one of them is gone.
    files.heard[0]?.response.destroy()
    assert.deepEqual(toldOf(await stream.over()).slice(1), [toolsChanged, 'complete'])
    await eventually('the end at the other', () => web.heard[0]?.response.destroyed === true)
  })

  test('asks nobody who is asked for nothing, and names who does not answer', async () => {
    const files = listening()
    const silent = listening(() => undefined)
    await using world = await openWorld({
      grants,
      answers: { files: files.answer, web: silent.answer },
      // Time enough for who answers, on a busy machine too.
      limits: { federationWaitMilliseconds: 2000 },
    })
    const agent = await world.agent()
    const one = await listenAs(agent, '/mcp', { resourceSubscriptions: ['files+test://open/a'] })
    await one.until(1)
    assert.equal(silent.heard.length, 0)
    one.close()
    const all = await listenAs(await world.agent(), '/mcp', { toolsListChanged: true })
    const [first] = await all.until(1)
    assert.deepEqual(filterOf(first), { toolsListChanged: true })
    assert.deepEqual(first?.params?.['_meta'], {
      [subscriptionId]: 1,
      'dev.countersign/missing': ['web'],
    })
    await eventually('nobody listens any more', () => silent.heard[0]?.response.destroyed === true)
  })
})

test('a server that says that its tools are others is listed again', async () => {
  const { answer, heard } = listening()
  const tools = [...toolTexts]
  await using world = await openWorld({
    grants,
    answers: {
      files(message, response, request) {
        const one = message.method === 'tools/list' ? answerBoth({ tools }) : answer
        one(message, response, request)
      },
    },
  })
  const agent = await world.agent()
  const lists = (): number =>
    world.upstreams['files']?.received.filter(({ body }) => body.includes('tools/list')).length ?? 0
  const stream = await listenAs(await world.agent(), '/mcp/files', { toolsListChanged: true })
  await stream.until(1)
  heard[0]?.tell(toolsChanged)
  await eventually('the list of the gateway itself', () => lists() === 1)
  // Listed a moment ago: so the next call finds what is known of the tool old.
  await eventually('another one', async () => {
    heard[0]?.tell(toolsChanged)
    const { body, headers } = modern('tools/call', { name: 'echo', arguments: {} })
    await agent.post('/mcp/files', body, headers)
    return lists() > 1
  })
})

function listenRequest(params: Record<string, unknown>): [string, Record<string, string>] {
  const { body, headers } = modern('subscriptions/listen', params)
  return [body, headers]
}
