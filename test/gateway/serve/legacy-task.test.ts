import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Decision } from '../../../src/policy/decision.ts'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { legacy, whyOf, type Reply } from '../world/client.ts'
import { done, openTaskClient, scopes, taskOf, type TaskClient } from '../world/legacy-tasks.ts'
import { openSession } from '../world/session.ts'

const related = 'io.modelcontextprotocol/related-task'

describe('a legacy call that is asked for as a task', () => {
  for (const path of ['/mcp/files', '/mcp']) {
    for (const form of ['json', 'events'] as const) {
      test(`is known to its caller by a sealed id at ${path}, to its server by its own (${form})`, async () => {
        requirement('gateway.task-of-its-caller')
        const { world, told, ask, call, asked } = await openTaskClient({}, path)
        await using _ = world
        told.form = form
        const reply = await call()
        assert.doesNotMatch(reply.text, /task-1/)
        const [, taskId = ''] = /"taskId":"([^"]+)"/.exec(reply.text) ?? []
        const got = await ask('tasks/get', { taskId })
        assert.ok(got.text.includes(`"taskId":"${taskId}","status":"working"`), got.text)
        const result = await ask('tasks/result', { taskId })
        assert.ok(result.text.includes(JSON.stringify({ [related]: { taskId } })), result.text)
        assert.ok(result.text.includes(JSON.stringify(done)), result.text)
        const cancelled = await ask('tasks/cancel', { taskId })
        assert.ok(cancelled.text.includes(`"taskId":"${taskId}","status":"cancelled"`))
        for (const each of [got, result, cancelled]) assert.doesNotMatch(each.text, /task-1/)
        assert.deepEqual(
          asked().map(({ method, taskId: own }) => [method, own]),
          [
            ['tasks/get', 'task-1'],
            ['tasks/result', 'task-1'],
            ['tasks/cancel', 'task-1'],
          ],
        )
        for (const { token } of asked()) assert.equal(typeof token, 'string')
      })
    }
  }

  test('is offered in the revision that has tasks, where its server runs tools as such', async () => {
    const { world, agent, told } = await openTaskClient()
    await using _ = world
    const capabilitiesAt = async (path: string, protocolVersion: string): Promise<unknown> => {
      const params = { protocolVersion, capabilities: {}, clientInfo: { name: 'a', version: '1' } }
      const { body, headers } = legacy('initialize', params)
      const { json } = await agent.post(path, body, headers)
      const capabilities = json.result?.['capabilities'] as Record<string, unknown> | undefined
      assert.ok(capabilities !== undefined)
      return capabilities['tasks']
    }
    const all = { list: {}, cancel: {}, requests: { tools: { call: {} } } }
    assert.deepEqual(await capabilitiesAt('/mcp/files', '2025-11-25'), all)
    assert.deepEqual(await capabilitiesAt('/mcp', '2025-11-25'), all)
    for (const path of ['/mcp/files', '/mcp'])
      assert.equal(await capabilitiesAt(path, '2025-06-18'), undefined)
    assert.equal(await capabilitiesAt('/mcp/web', '2025-11-25'), undefined)
    told.capabilities = { requests: { tools: { call: {} } } }
    const { cancel: _cancel, ...less } = all
    assert.deepEqual(await capabilitiesAt('/mcp/files', '2025-11-25'), less)
  })

  test('is made in the form alone in which its tool runs', async () => {
    const { world, call, asked } = await openTaskClient()
    await using _ = world
    const rows: readonly (readonly [Record<string, unknown>, string])[] = [
      [{ name: 'echo' }, 'this tool is not run as a task'],
      [{ name: 'only', task: undefined }, 'this tool is called as a task alone'],
    ]
    for (const [params, why] of rows) {
      const reply = await call(params)
      assert.equal(reply.json.error?.code, -32601, reply.text)
      assert.equal(whyOf(reply), why)
    }
    assert.equal(asked('tools/call').length, 0)
    for (const params of [{ name: 'only' }, { task: undefined }])
      assert.equal((await call(params)).json.error, undefined)
    assert.equal(asked('tools/call').length, 2)
  })

  test('is refused where its server runs no tool as a task, or is of the other era', async () => {
    const { world, agent } = await openTaskClient({
      upstreams: (configs) =>
        configs.map((config) =>
          config.server === 'web' ? { ...config, eras: ['modern'] as const } : config,
        ),
    })
    await using _ = world
    const session = await openSession(agent, '/mcp')
    const name = 'web_work'
    const { body, headers } = legacy('tools/call', { name, task: {} }, { session })
    const across = await agent.post('/mcp', body, headers)
    assert.equal(across.json.error?.code, -32601, across.text)
    assert.equal(whyOf(across), 'tasks are not carried to a tool server of the other era')
    assert.equal(
      world.upstreams['web']?.received.some((each) => each.body.includes('tools/call')),
      false,
    )
  })

  test('is refused where policy limits how many calls are open: a task goes on when its call is over', async () => {
    requirement('gateway.open-calls-given-back')
    const per = { per: ['tenant'] }
    const limit = { id: 'few', type: 'concurrency-limit', properties: { ...per, concurrent: 1 } }
    const rate = { id: 'pace', type: 'rate-limit', properties: { ...per, calls: 9, seconds: 60 } }
    let obligations: readonly object[] = [limit]
    const { world, call, asked } = await openTaskClient({
      authorizer: (real) => ({
        ...real,
        decide(texts) {
          const evaluated = real.decide(texts)
          if (texts.action !== 'tools/call') return evaluated
          const value = { ...evaluated.value, obligations } as Decision
          return { ...evaluated, value, result: value }
        },
      }),
    })
    await using _ = world
    for (let count = 0; count < 3; count += 1) {
      const reply = await call()
      assert.equal(reply.json.error?.code, -32601, reply.text)
      assert.equal(whyOf(reply), 'a call under a limit of open calls is not run as a task')
    }
    assert.equal(asked('tools/call').length, 0)
    assert.equal((await call({ task: undefined })).json.error, undefined)
    obligations = [rate]
    assert.equal((await call()).json.error, undefined)
    assert.equal(asked('tools/call').length, 2)
  })

  test('is refused where a server has not declared that it runs tools as tasks', async () => {
    const { world, agent, told } = await openTaskClient()
    await using _ = world
    told.capabilities = { list: {} }
    const session = await openSession(agent, '/mcp/files')
    const params = { name: 'work', arguments: {}, task: {} }
    const { body, headers } = legacy('tools/call', params, { session })
    const reply = await agent.post('/mcp/files', body, headers)
    assert.equal(whyOf(reply), 'the tool server runs no tool as a task')
  })

  for (const [what, task] of Object.entries({
    'no object': 7,
    null: null,
    'a list': [],
    'a ttl that is text': { ttl: '1' },
    'a ttl before now': { ttl: -1 },
  })) {
    test(`is bad with ${what}`, async () => {
      const { world, call, asked } = await openTaskClient()
      await using _ = world
      const reply = await call({ task })
      assert.equal(reply.json.error?.code, -32602, reply.text)
      assert.equal(whyOf(reply), 'params.task is no object with a ttl of milliseconds')
      assert.equal(asked('tools/call').length, 0)
    })
  }

  test('is none in the revision before', async () => {
    const { world, agent } = await openTaskClient()
    await using _ = world
    const opened = legacy('initialize', {
      protocolVersion: '2025-06-18',
      capabilities: {},
      clientInfo: { name: 'a', version: '1' },
    })
    const reply = await agent.post('/mcp/files', opened.body, opened.headers)
    const session = String(reply.headers['mcp-session-id'])
    const post = (method: string, params: Record<string, unknown>): Promise<Reply> => {
      const { body, headers } = legacy(method, params, { session, version: '2025-06-18' })
      return agent.post('/mcp/files', body, headers)
    }
    const called = await post('tools/call', { name: 'work', task: {} })
    assert.equal(whyOf(called), 'params.task is not served')
    for (const method of ['tasks/get', 'tasks/result', 'tasks/cancel', 'tasks/list']) {
      const { json } = await post(method, { taskId: 'x' })
      assert.equal(json.error?.code, -32601)
    }
  })

  test('is nobody else’s', async () => {
    requirement('gateway.task-of-its-caller')
    const { world, call, asked, session } = await openTaskClient()
    await using _ = world
    const taskId = taskOf(await call())
    const thief = await world.agent({ ...scopes, podUid: crypto.randomUUID() })
    const own = await openSession(thief, '/mcp/files')
    for (const method of ['tasks/get', 'tasks/result', 'tasks/cancel']) {
      const { body, headers } = legacy(method, { taskId }, { session: own })
      assert.equal(whyOf(await thief.post('/mcp/files', body, headers)), 'Unknown task')
      const stolen = legacy(method, { taskId }, { session })
      assert.equal((await thief.post('/mcp/files', stolen.body, stolen.headers)).status, 403)
    }
    assert.equal(asked().length, 0)
  })

  test('is told of as long as policy grants its tool', async () => {
    requirement('gateway.task-of-its-caller')
    const { world, call, ask, asked, policy } = await openTaskClient()
    await using _ = world
    const taskId = taskOf(await call())
    policy.isTaken = true
    for (const method of ['tasks/get', 'tasks/result', 'tasks/cancel']) {
      const reply = await ask(method, { taskId })
      assert.equal(reply.json.error?.code, -31403, reply.text)
    }
    assert.equal(asked().length, 0)
    const listed = await ask('tasks/list', {})
    assert.deepEqual(listed.json.result?.['tasks'], [])
  })

  const bad: Readonly<Record<string, (tasks: TaskClient) => string>> = {
    'a result of another task': ({ told }) => {
      told.result = { content: done, _meta: { [related]: { taskId: 'task-2' } } }
      return 'tasks/result'
    },
    'a result of a subscription': ({ told }) => {
      told.result = { content: done, _meta: { 'io.modelcontextprotocol/subscriptionId': 1 } }
      return 'tasks/result'
    },
    'a result that is one more task': ({ told }) => {
      told.result = { task: { taskId: 'task-2', status: 'working' } }
      return 'tasks/result'
    },
    'another task': ({ told }) => {
      told.task = { ...told.task, taskId: 'task-2' }
      return 'tasks/get'
    },
    'a task and an answer': ({ told }) => {
      told.task = { ...told.task, content: done }
      return 'tasks/get'
    },
    'a task that asks for input in it': ({ told }) => {
      told.task = { ...told.task, inputRequests: {} }
      return 'tasks/get'
    },
    'a task of no known state': ({ told }) => {
      told.task = { ...told.task, status: 'elsewhere' }
      return 'tasks/get'
    },
  }
  for (const [what, set] of Object.entries(bad)) {
    test(`brings nothing where its server gives ${what}`, async () => {
      requirement('gateway.task-of-its-caller')
      const tasks = await openTaskClient()
      await using _ = tasks.world
      const taskId = taskOf(await tasks.call())
      const method = set(tasks)
      const reply = await tasks.ask(method, { taskId })
      assert.ok(reply.json.error !== undefined, reply.text)
      assert.doesNotMatch(reply.text, /task-[12]|done/)
    })
  }

  test('that nobody asked for is none', async () => {
    requirement('gateway.task-of-its-caller')
    const { world, call, told } = await openTaskClient()
    await using _ = world
    told.isTaskAlways = true
    const reply = await call({ task: undefined })
    assert.equal(whyOf(reply), 'denied by policy: the answer held a task that was not asked for')
    assert.doesNotMatch(reply.text, /task-1/)
  })

  test('says of itself in its own request only, and that is not passed on', async () => {
    const { world, call, ask, asked } = await openTaskClient()
    await using _ = world
    const taskId = taskOf(await call())
    const meta = { [related]: { taskId: 'task-2' }, own: 1 }
    await ask('tasks/get', { task: { ttl: 1 }, taskId, _meta: meta })
    const [one] = asked()
    assert.doesNotMatch(one?.body ?? '', /task-2|ttl/)
    assert.match(one?.body ?? '', /"own":1/)
    assert.equal((await call({ _meta: meta })).json.error?.code, -32602)
  })
})

describe('the result of a legacy task', () => {
  test('is waited for beyond the time of other answers', async () => {
    requirement('gateway.task-of-its-caller')
    const { world, call, ask, answers } = await openTaskClient({
      upstreams: (configs) => configs.map((each) => ({ ...each, timeoutSeconds: 2 })),
    })
    await using _ = world
    const taskId = taskOf(await call())
    answers['tasks/result'] = (message, response) => {
      const text = JSON.stringify({ jsonrpc: '2.0', id: message.id, result: { content: done } })
      setTimeout(() => {
        response.writeHead(200, { 'content-type': 'application/json' })
        response.end(text)
      }, 3000)
    }
    const reply = await ask('tasks/result', { taskId })
    assert.ok(reply.text.includes(JSON.stringify(done)), reply.text)
  })

  test('is waited for at most as long as a stream may live', async () => {
    const { world, call, ask, answers } = await openTaskClient({ limits: { streamSecondsMax: 1 } })
    await using _ = world
    const taskId = taskOf(await call())
    answers['tasks/result'] = () => {}
    const reply = await ask('tasks/result', { taskId })
    assert.equal(whyOf(reply), 'upstream gave no answer')
  })

  test('is waited for in a place at its server, which is free when its caller has gone', async () => {
    const { world, call, ask, answers, podUid, session } = await openTaskClient({
      limits: { upstreamConnectionsMax: 1 },
    })
    await using _ = world
    const taskId = taskOf(await call())
    let waiting = 0
    answers['tasks/result'] = (_message, response) => {
      waiting += 1
      response.once('close', () => (waiting -= 1))
    }
    const other = await world.agent({ ...scopes, podUid })
    const { body, headers } = legacy('tasks/result', { taskId }, { session })
    const leaving = other.post('/mcp/files', body, headers)
    await eventually('the server is asked', () => waiting === 1)
    await other[Symbol.asyncDispose]()
    await assert.rejects(leaving)
    await eventually('the server is left', () => waiting === 0)
    const got = await ask('tasks/get', { taskId })
    assert.equal(got.json.result?.['status'], 'working', got.text)
  })
})
