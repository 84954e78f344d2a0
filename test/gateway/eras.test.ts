import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { textOf } from '../../src/policy/asked.ts'
import { digestDefinition } from '../support/digest-definition.ts'
import { requirement } from '../requirements.ts'
import { initializeParams, legacy, modern, whyOf, type Reply } from './world/client.ts'
import {
  asked,
  clientOf,
  echoTool,
  legacyOnly,
  listTool,
  modernOnly,
  ok,
  openOne,
  other,
  serverOf,
  sessionAt,
  wanted,
  type Script,
} from './world/eras.ts'
import { type Answer, type JsonMessage } from './world/upstream.ts'

suite('a legacy agent and a modern tool server', () => {
  test('open a session, list and call', async () => {
    requirement('gateway.eras-meet')
    await using world = await openOne(
      'modern',
      modernOnly((_, { result }) => result('{"content":[ {"type":"text","text":"\\u0041"} ]}')),
    )
    const agent = await world.agent(wanted)
    const { body, headers } = legacy('initialize', initializeParams)
    const opened = await agent.post('/mcp/files', body, headers)
    assert.deepEqual(opened.json.result, {
      protocolVersion: '2025-11-25',
      capabilities: { tools: { listChanged: true }, logging: {} },
      serverInfo: { name: 'new one', version: '9' },
    })
    const session = String(opened.headers['mcp-session-id'])
    const told = legacy('notifications/initialized', undefined, { session })
    assert.equal((await agent.post('/mcp/files', told.body, told.headers)).status, 202)
    const listing = legacy('tools/list', {}, { session })
    const listed = await agent.post('/mcp/files', listing.body, listing.headers)
    const wrapped = listTool.replace(
      '{"type":"array","items":{"type":"integer"}}',
      '{"type":"object","properties":{"result":{"type":"array","items":{"type":"integer"}}},"required":["result"]}',
    )
    assert.equal(
      listed.text,
      `{"jsonrpc":"2.0","id":1,"result":{"x-kept":1e400,"tools":[${echoTool},${wrapped}]}}`,
    )
    const text =
      '{"jsonrpc":"2.0","id":9007199254740991,"method":"tools/call","params":{"arguments":{"city" : "K\\u00f6ln","n":1.50},"name":"echo","_meta":{"progressToken":"p","io.modelcontextprotocol/clientCapabilities":{"sampling":{}}}}}'
    const called = await agent.post('/mcp/files', text, {
      ...listing.headers,
      'mcp-param-city': 'Bonn',
      'mcp-param-other': 'x',
    })
    assert.equal(
      called.text,
      '{"jsonrpc":"2.0","id":9007199254740991,"result":{"content":[ {"type":"text","text":"\\u0041"} ]}}',
    )
    const [there] = asked(world, 'files', 'tools/call')
    const meta =
      '"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"test","version":"1"},"io.modelcontextprotocol/clientCapabilities":{},"progressToken":"p"'
    assert.equal(
      there?.body,
      `{"jsonrpc":"2.0","id":9007199254740991,"method":"tools/call","params":{"arguments":{"city" : "K\\u00f6ln","n":1.50},"name":"echo","_meta":{${meta}}}}`,
    )
    assert.equal(there?.headers['mcp-param-city'], '=?base64?S8O2bG4=?=')
    assert.equal(there?.headers['mcp-param-other'], undefined)
    assert.ok(there?.headers['txn-token'])
  })

  test('what is no object is wrapped, as its tool is described', async () => {
    await using world = await openOne(
      'modern',
      modernOnly((_, { result }) => result('{"content":[],"structuredContent":[1, 2.50]}')),
    )
    const ask = await clientOf('legacy', await world.agent(wanted), '/mcp')
    const called = await ask('tools/call', { name: 'files_list', arguments: {} })
    assert.ok(called.text.includes('"structuredContent":{"result":[1, 2.50]}'), called.text)
  })

  test('the gateway answers what has no counterpart there', async () => {
    await using world = await openOne('modern', modernOnly(ok))
    for (const door of ['/mcp', '/mcp/files']) {
      const ask = await clientOf('legacy', await world.agent(wanted), door)
      for (const [method, params] of [
        ['ping', {}],
        ['logging/setLevel', { level: 'debug' }],
      ] as const) {
        assert.deepEqual((await ask(method, params)).json.result, {}, `${method} ${door}`)
      }
    }
    assert.deepEqual(asked(world, 'files', 'ping'), [])
    assert.deepEqual(asked(world, 'files', 'logging/setLevel'), [])
  })

  test('the level that its session has set is named in each of its requests, and in no other', async () => {
    requirement('gateway.level-of-its-session')
    for (const door of ['/mcp', '/mcp/files']) {
      await using world = await openOne('modern', modernOnly(ok))
      const name = door === '/mcp' ? 'files_echo' : 'echo'
      const agent = await world.agent(wanted)
      const [ask, other] = [
        await clientOf('legacy', agent, door),
        await clientOf('legacy', agent, door),
      ]
      await ask('tools/call', { name })
      await ask('logging/setLevel', { level: 'debug' })
      await ask('tools/call', { name })
      await ask('logging/setLevel', { level: 'error' })
      await ask('tools/call', { name })
      await other('tools/call', { name })
      const levels = asked(world, 'files', 'tools/call').map(
        ({ body }) => /logLevel":"(\w+)"/.exec(body)?.[1],
      )
      assert.deepEqual(levels, [undefined, 'debug', 'error', undefined], door)
    }
  })

  test('a call that its session cancels ends, and nobody else cancels it', async () => {
    requirement('gateway.cancelled-across')
    const begun = Promise.withResolvers<void>()
    const closed = Promise.withResolvers<void>()
    const script: Script = (_, { response }) => {
      response.once('close', () => closed.resolve())
      begun.resolve()
    }
    await using world = await openOne('modern', modernOnly(script))
    const pod = { ...wanted, podUid: 'pod' }
    const [agent, second, stranger] = [
      await world.agent(pod),
      await world.agent(pod),
      await world.agent(wanted),
    ]
    const session = await sessionAt(agent, '/mcp/files')
    const { body, headers } = legacy('tools/call', { name: 'echo' }, { session, id: 'a' })
    const called = agent.post('/mcp/files', body, headers)
    let isOver = false
    void called.then(() => (isOver = true))
    await begun.promise
    for (const [who, of, requestId] of [
      [stranger, await sessionAt(stranger, '/mcp/files'), 'a'],
      [second, await sessionAt(second, '/mcp/files'), 'a'],
      [second, session, 'b'],
    ] as const) {
      const word = legacy('notifications/cancelled', { requestId }, { session: of })
      await who.post('/mcp/files', word.body, word.headers)
    }
    assert.ok(!isOver)
    const word = legacy('notifications/cancelled', { requestId: 'a' }, { session })
    const again = await second.post('/mcp/files', word.body, word.headers)
    assert.equal(again.status, 202)
    assert.match(whyOf(await called) ?? '', /cancelled/)
    await closed.promise
  })

  test('an argument that is too long to be repeated in a header is refused', async () => {
    await using world = await openOne('modern', modernOnly(ok))
    const ask = await clientOf('legacy', await world.agent(wanted), '/mcp/files')
    const called = await ask('tools/call', { name: 'echo', arguments: { city: 'x'.repeat(9000) } })
    assert.match(whyOf(called) ?? '', /too long for the headers of this tool/)
    assert.deepEqual(asked(world, 'files', 'tools/call'), [])
  })
})

suite('a modern agent and a legacy tool server', () => {
  test('discover, list and call in a session of the gateway', async () => {
    requirement('gateway.eras-meet')
    const { answer } = legacyOnly((_, { result }) =>
      result('{"content":[ {"type":"text","text":"\\u0041"} ],"resultType":"complete"}'),
    )
    await using world = await openOne('legacy', answer)
    const agent = await world.agent(wanted)
    const ask = await clientOf('modern', agent, '/mcp/files')
    assert.deepEqual((await ask('server/discover')).json.result, {
      resultType: 'complete',
      supportedVersions: ['2026-07-28', '2025-11-25', '2025-06-18'],
      capabilities: { tools: {} },
      ttlMs: 0,
      cacheScope: 'private',
      _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'old one', version: '1' } },
    })
    assert.equal(
      (await ask('tools/list')).text,
      `{"jsonrpc":"2.0","id":1,"result":{"x-kept":1e400,"resultType":"complete","tools":[${echoTool}],"ttlMs":0,"cacheScope":"private"}}`,
    )
    const { headers } = modern('tools/call', { name: 'echo' })
    const meta =
      '"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"sampling":{}},"io.modelcontextprotocol/logLevel":"info"'
    const text = `{"jsonrpc":"2.0","id":9007199254740991,"method":"tools/call","params":{"arguments":{"city" : "K\\u00f6ln","n":1.50},"name":"echo","_meta":{"progressToken":"p",${meta}}}}`
    const called = await agent.post('/mcp/files', text, {
      ...headers,
      'mcp-param-city': '=?base64?S8O2bG4=?=',
    })
    assert.equal(
      called.text,
      '{"jsonrpc":"2.0","id":9007199254740991,"result":{"content":[ {"type":"text","text":"\\u0041"} ],"resultType":"complete"}}',
    )
    const [there] = asked(world, 'files', 'tools/call')
    assert.match(
      there?.body ?? '',
      /^\{"jsonrpc":"2.0","id":\d+,"method":"tools\/call","params":\{"arguments":\{"city" : "K\\u00f6ln","n":1.50\},"name":"echo","_meta":\{"progressToken":"p"\}\}\}$/,
    )
    assert.ok(there?.headers['txn-token'])
    const opened = asked(world, 'files', 'initialize')
    // One for the catalogue, without a caller; one for the agent, and one where it says more of itself.
    assert.deepEqual(
      opened.map(({ body }) => (JSON.parse(body) as JsonMessage).params?.['capabilities']),
      [{}, {}, { sampling: {} }],
    )
    const wrong = await agent.post('/mcp/files', text, { ...headers, 'mcp-param-city': 'Bonn' })
    assert.equal(wrong.json.error?.code, -32020)
  })

  test('the level that a request names is set in the session, once, and to no less', async () => {
    requirement('gateway.level-of-its-session')
    const server = legacyOnly((message, say) =>
      message.method === 'logging/setLevel' ? say.result('{}') : ok(message, say),
    )
    await using world = await openOne('legacy', server.answer)
    const agents = await Promise.all(
      ['one', 'one', 'other'].map((podUid) => world.agent({ ...wanted, podUid })),
    )
    for (const [at, level] of [
      [0, undefined],
      [0, 'loud'],
      [0, 'warning'],
      [1, 'error'],
      [1, 'warning'],
      [1, 'info'],
      [0, 'warning'],
      [2, 'error'],
    ] as const) {
      const agent = agents[at]
      if (agent === undefined) throw new TypeError('no agent')
      const ask = await clientOf('modern', agent, '/mcp/files')
      const meta = level === undefined ? {} : { 'io.modelcontextprotocol/logLevel': level }
      assert.equal((await ask('tools/call', { name: 'echo', _meta: meta })).status, 200)
    }
    const told = asked(world, 'files', 'logging/setLevel').map(({ body, headers }) => [
      (JSON.parse(body) as JsonMessage).params?.['level'],
      headers['mcp-session-id'],
    ])
    const [first] = asked(world, 'files', 'tools/call').map(
      (each) => each.headers['mcp-session-id'],
    )
    const last = asked(world, 'files', 'tools/call').at(-1)?.headers['mcp-session-id']
    assert.notEqual(first, last)
    assert.deepEqual(told, [
      ['warning', first],
      ['info', first],
      ['error', last],
    ])
  })

  test('no two callers share a session, and no two requests in it have one id', async () => {
    requirement('gateway.shared-session-of-one-pod')
    const waiting: (() => void)[] = []
    const server = legacyOnly((_, { result }) => {
      waiting.push(() => result('{"content":[]}'))
      if (waiting.length === 6) for (const go of waiting) go()
    })
    await using world = await openOne('legacy', server.answer)
    const agents = await Promise.all(
      ['one', 'one', 'one', 'one', 'other', 'other'].map((podUid) =>
        world.agent({ ...wanted, podUid }),
      ),
    )
    const { body, headers } = modern('tools/call', { name: 'echo' })
    const replies = await Promise.all(
      agents.map((agent) => agent.post('/mcp/files', body, headers)),
    )
    assert.deepEqual(
      replies.map(({ status, json }) => [status, json.id]),
      replies.map(() => [200, 1]),
    )
    const sessions = asked(world, 'files', 'tools/call').map(
      (each) => each.headers['mcp-session-id'],
    )
    assert.equal(sessions.length, 6)
    assert.equal(new Set(sessions).size, 2)
    assert.equal(new Set(server.ids).size, server.ids.length)
  })

  test('a call of an agent that goes away is cancelled in the session', async () => {
    requirement('gateway.cancelled-across')
    const begun = Promise.withResolvers<void>()
    const cancelled = Promise.withResolvers<void>()
    const server = legacyOnly((_, { response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(': \n\n')
      begun.resolve()
    })
    const answer: Answer = (message, response, request) => {
      if (message.method === 'notifications/cancelled') cancelled.resolve()
      server.answer(message, response, request)
    }
    await using world = await openOne('legacy', answer)
    const agent = await world.agent(wanted)
    const ask = await clientOf('modern', agent, '/mcp/files')
    const called = ask('tools/call', { name: 'echo', arguments: {} }).catch(() => {})
    await begun.promise
    await agent.client.destroy()
    await cancelled.promise
    await called
    const [call] = asked(world, 'files', 'tools/call')
    const [word] = asked(world, 'files', 'notifications/cancelled')
    const { id } = JSON.parse(call?.body ?? '') as JsonMessage
    assert.deepEqual((JSON.parse(word?.body ?? '') as JsonMessage).params, { requestId: id })
    assert.equal(word?.headers['mcp-session-id'], call?.headers['mcp-session-id'])
  })

  test('a session that the server has lost is opened again, and no call is made twice', async () => {
    requirement('gateway.shared-session-of-one-pod')
    const server = legacyOnly(ok)
    await using world = await openOne('legacy', server.answer)
    const ask = await clientOf('modern', await world.agent(wanted), '/mcp')
    const call = (): Promise<Reply> => ask('tools/call', { name: 'files_echo', arguments: {} })
    assert.equal((await call()).status, 200)
    server.sessions.clear()
    const again = await call()
    assert.deepEqual([again.status, again.json.error], [200, undefined])
    assert.equal(server.ids.length, new Set(server.ids).size)
  })

  test('the session ends with the identity of its caller', async () => {
    requirement('gateway.shared-session-of-one-pod')
    await using world = await openOne('legacy', legacyOnly(ok).answer)
    const agent = await world.agent({ ...wanted, podUid: 'pod-gone' })
    const ask = await clientOf('modern', agent, '/mcp/files')
    await ask('tools/call', { name: 'echo', arguments: {} })
    const [call] = asked(world, 'files', 'tools/call')
    const ended = new Promise<void>((resolve) => {
      const look = (): void => {
        const isEnded = world.upstreams['files']?.received.some(
          ({ method, headers }) =>
            method === 'DELETE' && headers['mcp-session-id'] === call?.headers['mcp-session-id'],
        )
        if (isEnded === true) resolve()
        else setImmediate(look)
      }
      look()
    })
    world.gone.set(new Set(['pod-gone']))
    await ended
  })

  test('a tool that runs as a task alone is neither listed nor called', async () => {
    requirement('gateway.eras-meet')
    await using world = await openOne('legacy', legacyOnly(ok).answer)
    const agent = await world.agent(wanted)
    const ask = await clientOf('modern', agent, '/mcp/files')
    assert.doesNotMatch((await ask('tools/list')).text, /"task"/)
    const called = await ask('tools/call', { name: 'task', arguments: {} })
    assert.equal(called.json.error?.code, -31403)
    assert.match(whyOf(called) ?? '', /tasks are not carried from one era to the other/)
    assert.deepEqual(asked(world, 'files', 'tools/call'), [])
    const own = await clientOf('legacy', agent, '/mcp/files')
    assert.match((await own('tools/list')).text, /"task"/)
  })

  test('what goes on with no call is refused', async () => {
    requirement('gateway.eras-meet')
    await using world = await openOne('legacy', legacyOnly(ok).answer)
    for (const [door, prefix] of [
      ['/mcp/files', ''],
      ['/mcp', 'files_'],
    ] as const) {
      const ask = await clientOf('modern', await world.agent(wanted), door)
      for (const [more, why] of [
        [{ inputResponses: { theirs: {} } }, /not carried to a tool server of the other era/],
        [{ requestState: 'x' }, /requestState is none of this call/],
      ] as const) {
        const retried = await ask('tools/call', { name: `${prefix}echo`, arguments: {}, ...more })
        assert.equal(retried.json.error?.code, -32602, retried.text)
        assert.match(whyOf(retried) ?? '', why)
      }
    }
    assert.deepEqual(asked(world, 'files', 'tools/call'), [])
    // What the gateway asked for, such as to wait for an approval, is answered to it alone.
    const ask = await clientOf('modern', await world.agent(wanted), '/mcp/files')
    const inputResponses = { 'dev.countersign/approval': { action: 'accept' } }
    const retried = await ask('tools/call', { name: 'echo', arguments: {}, inputResponses })
    assert.equal(retried.json.error, undefined, retried.text)
    const [there] = asked(world, 'files', 'tools/call')
    assert.doesNotMatch(there?.body ?? '', /inputResponses/)
  })

  test('a request of the server is answered in the place of the agent, and the call goes on', async () => {
    const server = legacyOnly((message, { response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: {"jsonrpc":"2.0","id":1,"method":"roots/list"}\n\n')
      response.end(
        `data: {"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":{"content":[]}}\n\n`,
      )
    })
    await using world = await openOne('legacy', server.answer)
    const ask = await clientOf('modern', await world.agent(wanted), '/mcp/files')
    const called = await ask('tools/call', { name: 'echo', arguments: {} })
    assert.equal(
      called.text,
      'data: {"jsonrpc":"2.0","id":1,"result":{"content":[],"resultType":"complete"}}\n\n',
    )
  })
})

for (const era of ['modern', 'legacy'] as const) {
  suite(`a ${other[era]} agent and a ${era} tool server`, () => {
    test('a read of a resource, a prompt and what is completed', async () => {
      requirement('gateway.eras-meet')
      const texts: Readonly<Record<string, string>> = {
        'resources/read': '{"contents":[{"uri":"file:///a" , "text":"\\u0041"}]}',
        'prompts/get': '{"messages":[ ]}',
        'completion/complete': '{"completion":{"values":[ ]}}',
      }
      await using world = await openOne(
        era,
        serverOf(era, ({ method }, { result }) => result(texts[method] ?? '')),
      )
      const ask = await clientOf(other[era], await world.agent(wanted), '/mcp/files')
      for (const [method, params] of [
        ['resources/read', { uri: 'file:///a' }],
        ['prompts/get', { name: 'a' }],
        [
          'completion/complete',
          { ref: { type: 'ref/prompt', name: 'a' }, argument: { name: 'a', value: '' } },
        ],
      ] as const) {
        const { text, status } = await ask(method, params)
        assert.equal(status, 200, text)
        assert.ok(text.includes((texts[method] ?? '').slice(1, -1)), text)
        assert.equal(text.includes('"resultType":"complete"'), other[era] === 'modern', text)
        const isCached = method === 'resources/read' && other[era] === 'modern'
        assert.equal(text.includes('"cacheScope":"private"'), isCached, text)
      }
      const all = await clientOf(other[era], await world.agent(wanted), '/mcp')
      const { text } = await all('resources/read', { uri: 'files+file:///a' })
      assert.ok(text.includes('{"uri":"files+file:///a" , "text":"\\u0041"}'), text)
    })

    test('progress passes, and messages as far as they were asked for', async () => {
      requirement('gateway.eras-meet')
      const events = [
        '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p","progress":1.50}}',
        '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":1}}',
        '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}',
      ]
      const script: Script = ({ id }, { response }) => {
        const complete = era === 'modern' ? '"resultType":"complete",' : ''
        const last = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{${complete}"content":[]}}`
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.end([...events, last].map((event) => `data: ${event}\n\n`).join(''))
      }
      await using world = await openOne(era, serverOf(era, script))
      const ask = await clientOf(other[era], await world.agent(wanted), '/mcp/files')
      const { text } = await ask('tools/call', {
        name: 'echo',
        arguments: {},
        _meta: { progressToken: 'p' },
      })
      const [progress = '', message = ''] = events
      assert.ok(text.includes(`data: ${progress}\n\n`), text)
      assert.equal(text.includes(message), other[era] === 'legacy', text)
      assert.ok(!text.includes('list_changed'), text)
      assert.match(text, /"content":\[\]/)
    })

    test('what policy and pins are told is the same', async () => {
      requirement('gateway.eras-meet')
      const pins = { echo: digestDefinition(echoTool) }
      await using world = await openOne(era, serverOf(era, ok), {
        upstreams: (configs) => configs.map((config) => ({ ...config, eras: [era], pins })),
      })
      const agent = await world.agent(wanted)
      const inputs: unknown[] = []
      for (const from of ['modern', 'legacy'] as const) {
        const ask = await clientOf(from, agent, '/mcp')
        const listed = await ask('tools/list')
        const tools = listed.json.result?.['tools'] as readonly { name: string }[]
        assert.deepEqual(
          tools.map(({ name }) => name),
          ['files_echo'],
          listed.text,
        )
        const { body, headers } =
          from === 'modern'
            ? modern('tools/call', { name: 'files_echo', arguments: {} })
            : legacy(
                'tools/call',
                { name: 'files_echo', arguments: {} },
                { session: await sessionAt(agent, '/mcp') },
              )
        const called = await agent.post('/mcp', body, headers)
        assert.equal(called.json.error, undefined, called.text)
        const [event] = world.events.toReversed()
        assert.ok(event !== undefined)
        const input = JSON.parse(textOf(event.evaluated.asked)) as { context: object }
        const { context, ...asked } = input
        assert.partialDeepStrictEqual(context, { era: from, door: 'mcp', phase: 'request' })
        inputs.push(asked)
        const name = era === 'modern' ? 'files_list' : 'files_task'
        const refused = await ask('tools/call', { name, arguments: {} })
        assert.equal(refused.json.error?.code, -31403)
      }
      assert.deepEqual(inputs[0], inputs[1])
      assert.ok(JSON.stringify(inputs[0]).includes(digestDefinition(echoTool)))
    })

    test('a list at the door of all that is read in pages', async () => {
      const script: Script = ({ params = {} }, { result }) =>
        result(
          params['cursor'] === 'two'
            ? '{"prompts":[{"name":"b"}]}'
            : '{"prompts":[{"name":"a"}],"nextCursor":"two"}',
        )
      await using world = await openOne(era, serverOf(era, script))
      const ask = await clientOf(other[era], await world.agent(wanted), '/mcp')
      const first = await ask('prompts/list')
      const cursor = String(first.json.result?.['nextCursor'])
      const second = await ask('prompts/list', { cursor })
      assert.deepEqual(
        [first, second].map(({ json }) => json.result?.['prompts']),
        [[{ name: 'files_a' }], [{ name: 'files_b' }]],
      )
    })
  })
}
