import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { requirement } from '../../requirements.ts'
import {
  legacy,
  metaOfTasks,
  modern,
  modernMeta,
  whyOf,
  type Reply,
  type TestClient,
} from '../world/client.ts'
import { openSession } from '../world/session.ts'
import { answerBoth, type Answer, sendResult } from '../world/upstream.ts'
import { openWorld, type World, type WorldOptions } from '../world/world.ts'

/** What the server says of its task. */
interface Told {
  created: object
  task: object
  form: 'json' | 'events'
}

const created = { resultType: 'task', taskId: 'task-1', status: 'working', ttlMs: 60_000 }
const working = { resultType: 'complete', taskId: 'task-1', status: 'working' }
const content = [{ type: 'text', text: 'done' }]

/** Two servers whose calls become tasks. */
async function openTasks(options: WorldOptions = {}): Promise<{
  readonly world: World
  readonly told: Told
  readonly asked: (server: string) => readonly { readonly body: string; readonly name: unknown }[]
}> {
  const told: Told = { created, task: working, form: 'json' }
  const answer: Answer = (message, response, request) => {
    const results: Record<string, object> = {
      'tools/call': told.created,
      'tasks/get': told.task,
      'tasks/update': { resultType: 'complete' },
      'tasks/cancel': { resultType: 'complete' },
    }
    const result = results[message.method]
    if (result === undefined) {
      answerBoth()(message, response, request)
      return
    }
    sendResult(response, { id: message.id, result, form: told.form })
  }
  const world = await openWorld({ answers: { files: answer, web: answer }, ...options })
  return {
    world,
    told,
    asked: (server) =>
      (world.upstreams[server]?.received ?? [])
        .filter(({ body }) => body.includes('"tasks/'))
        .map(({ body, headers }) => ({ body, name: headers['mcp-name'] })),
  }
}

async function callAs(
  agent: TestClient,
  path = '/mcp/files',
  params: Record<string, unknown> = { _meta: metaOfTasks },
): Promise<Reply> {
  const name = path === '/mcp' ? 'files_echo' : 'echo'
  const { body, headers } = modern('tools/call', { name, arguments: {}, ...params })
  return agent.post(path, body, headers)
}

async function askAs(
  agent: TestClient,
  method: string,
  params: Record<string, unknown>,
  path = '/mcp/files',
): Promise<Reply> {
  const { body, headers } = modern(method, params)
  return agent.post(path, body, headers)
}

const taskOf = ({ json, text }: Reply): string => {
  const taskId = json.result?.['taskId']
  assert.ok(typeof taskId === 'string', text)
  return taskId
}

test('what a legacy client would ask for a task with is not passed on by a modern call', async () => {
  requirement('gateway.task-of-its-caller')
  const { world } = await openTasks()
  await using _ = world
  const agent = await world.agent()
  for (const params of [
    { task: { ttl: 1 }, arguments: {}, name: 'echo' },
    { name: 'echo', arguments: { task: 'kept' }, task: 'none' },
  ]) {
    const { body, headers } = modern('tools/call', params)
    await agent.post('/mcp/files', body, headers)
  }
  const sent = (world.upstreams['files']?.received ?? [])
    .map(({ body }) => JSON.parse(body) as { method: string; params: Record<string, unknown> })
    .filter(({ method }) => method === 'tools/call')
  assert.equal(sent.length, 2)
  assert.ok(sent.every(({ params }) => !('task' in params) && params['name'] === 'echo'))
  assert.deepEqual(sent[1]?.params['arguments'], { task: 'kept' })
})

test('whoever does not declare tasks is told that it has to, whatever it shows', async () => {
  requirement('gateway.task-of-its-caller')
  const { world, asked } = await openTasks()
  await using _ = world
  const agent = await world.agent()
  const taskId = taskOf(await callAs(agent))
  for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel']) {
    for (const shown of [taskId, 'unknown']) {
      const more = method === 'tasks/update' ? { inputResponses: {} } : {}
      const reply = await askAs(agent, method, { taskId: shown, ...more, _meta: modernMeta })
      assert.equal(reply.status, 400)
      assert.equal(reply.json.error?.code, -32021)
      const { requiredCapabilities } = reply.json.error.data ?? {}
      assert.deepEqual(requiredCapabilities, {
        extensions: { 'io.modelcontextprotocol/tasks': {} },
      })
    }
  }
  assert.deepEqual(asked('files'), [])
})

describe('a call that has become a task', () => {
  for (const form of ['json', 'events'] as const) {
    test(`is known to its caller by a sealed id, to its server by its own (${form})`, async () => {
      requirement('gateway.task-of-its-caller')
      const { world, told, asked } = await openTasks()
      await using _ = world
      const agent = await world.agent()
      told.form = form
      const reply = await callAs(agent)
      assert.doesNotMatch(reply.text, /task-1/)
      const [, taskId = ''] = /"taskId":"([^"]+)"/.exec(reply.text) ?? []
      told.task = { ...working, status: 'completed', result: { content } }
      const got = await askAs(agent, 'tasks/get', { taskId })
      assert.doesNotMatch(got.text, /task-1/)
      assert.ok(got.text.includes(`"taskId":"${taskId}","status":"completed"`), got.text)
      assert.ok(got.text.includes(JSON.stringify({ content })), got.text)
      const [one] = asked('files')
      assert.match(one?.body ?? '', /"taskId":"task-1"/)
      assert.equal(one?.name, 'task-1')
      const token = world.upstreams['files']?.received.at(-1)?.headers['txn-token']
      assert.equal(typeof token, 'string')
    })
  }

  test('is given input and cancelled by its caller', async () => {
    const { world, asked } = await openTasks()
    await using _ = world
    const agent = await world.agent()
    const taskId = taskOf(await callAs(agent))
    const inputResponses = { name: { action: 'accept', content: { name: 'x' } } }
    const updated = await askAs(agent, 'tasks/update', { taskId, inputResponses })
    const cancelled = await askAs(agent, 'tasks/cancel', { taskId })
    for (const reply of [updated, cancelled]) assert.equal(reply.status, 200, reply.text)
    assert.ok(asked('files')[0]?.body.includes(JSON.stringify(inputResponses)))
    assert.equal(asked('files').length, 2)
  })

  test('at the door of all belongs to that door', async () => {
    requirement('gateway.task-of-its-caller')
    const { world, asked } = await openTasks()
    await using _ = world
    const agent = await world.agent()
    const taskId = taskOf(await callAs(agent, '/mcp'))
    const got = await askAs(agent, 'tasks/get', { taskId }, '/mcp')
    assert.equal(got.json.result?.['status'], 'working')
    assert.equal(asked('web').length, 0)
    const elsewhere = await askAs(agent, 'tasks/get', { taskId }, '/mcp/files')
    assert.equal(whyOf(elsewhere), 'Unknown task')
    assert.equal(asked('files').length, 1)
  })

  test('is of no use after what its server says', async () => {
    requirement('gateway.task-of-its-caller')
    const clock = { now: Date.now() }
    const { world, asked } = await openTasks({ now: () => clock.now })
    await using _ = world
    const agent = await world.agent()
    const taskId = taskOf(await callAs(agent))
    clock.now += created.ttlMs - 1
    const got = await askAs(agent, 'tasks/get', { taskId })
    assert.equal(got.json.result?.['status'], 'working', got.text)
    clock.now += 1
    for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel']) {
      assert.equal(whyOf(await askAs(agent, method, { taskId })), 'Unknown task')
    }
    assert.match(JSON.stringify(world.events.at(-1)?.evaluated.value), /it has expired/)
    assert.equal(asked('files').length, 1)
  })

  test('is of no use to a caller that has lost the tool', async () => {
    requirement('gateway.task-of-its-caller')
    const { world, asked } = await openTasks()
    await using _ = world
    const podUid = crypto.randomUUID()
    const taskId = taskOf(await callAs(await world.agent({ podUid })))
    const poorer = await world.agent({ podUid, toolScopes: 'files:big' })
    for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel']) {
      const refused = await askAs(poorer, method, { taskId })
      assert.equal(refused.json.error?.code, -31403, refused.text)
    }
    assert.equal(asked('files').length, 0)
    assert.equal(world.events.at(-1)?.path, 'countersign/gateway/ceiling')
  })

  test('is decided on as its tool, by the method', async () => {
    requirement('gateway.task-of-its-caller')
    const { world } = await openTasks()
    await using _ = world
    const agent = await world.agent()
    const taskId = taskOf(await callAs(agent))
    await askAs(agent, 'tasks/get', { taskId })
    const asked = JSON.stringify(world.events.at(-1)?.evaluated.asked)
    assert.match(asked, /tasks\/get/)
    assert.match(asked, /\\"type\\":\\"tool\\",\\"id\\":\\"echo\\"/)
  })

  test('is refused to a client that has not said that it knows tasks', async () => {
    const { world } = await openTasks()
    await using _ = world
    const refused = await callAs(await world.agent(), '/mcp/files', {})
    assert.equal(refused.json.error?.code, -31403)
    assert.match(refused.text, /a task that was not asked for/)
  })
})

test('a call that says of which task it is reaches no server, in either era', async () => {
  requirement('gateway.task-of-its-caller')
  const { world } = await openTasks()
  await using _ = world
  const agent = await world.agent()
  const session = await openSession(agent, '/mcp/files')
  const related = { 'io.modelcontextprotocol/related-task': { taskId: 'task-1' } }
  const before = world.upstreams['files']?.received.length
  const call = { name: 'echo', arguments: {} }
  for (const [what, { body, headers }] of [
    ['modern', modern('tools/call', { ...call, _meta: { ...metaOfTasks, ...related } })],
    ['legacy', legacy('tools/call', { ...call, _meta: related }, { session })],
    [
      'notification',
      legacy('notifications/cancelled', { requestId: 1, _meta: related }, { session }),
    ],
  ] as const) {
    const reply = await agent.post('/mcp/files', body, headers)
    assert.equal(reply.json.error?.code, -32602, `${what}: ${reply.text}`)
    assert.match(reply.text, /related-task\\"\] is not served/)
  }
  const subscribed = { 'io.modelcontextprotocol/subscriptionId': 'theirs' }
  for (const named of [related, subscribed]) {
    for (const params of [
      { ...call, _meta: { ...metaOfTasks, ...named } },
      { ...call, _meta: metaOfTasks, inputResponses: { a: { action: 'accept', _meta: named } } },
    ]) {
      const { body, headers } = modern('tools/call', params)
      const reply = await agent.post('/mcp/files', body, headers)
      assert.equal(reply.json.error?.code, -32602, reply.text)
      assert.match(reply.text, /is not served/)
    }
  }
  assert.equal(world.upstreams['files']?.received.length, before)
})

describe('what is told of a task', () => {
  for (const [what, task, why] of [
    ['another task', { ...working, taskId: 'task-2' }, /upstream gave no answer/],
    ['no status that there is', { ...working, status: 'done' }, /upstream gave no answer/],
    ['an answer beside it', { ...working, content }, /upstream gave no answer/],
    ['state to bring back', { ...working, requestState: 'x' }, /upstream gave no answer/],
    ['a result that is a text', { ...working, result: 'x' }, /upstream gave no answer/],
    [
      'a result of another task',
      {
        ...working,
        result: { content, _meta: { 'io.modelcontextprotocol/related-task': { taskId: 't' } } },
      },
      /a result of a task or a subscription/,
    ],
    [
      'a result that asks for input',
      { ...working, result: { content, inputRequests: {} } },
      /a result that asks for input/,
    ],
    [
      'an error that asks for a page to be opened',
      { ...working, status: 'failed', error: { code: -32042, message: 'x' } },
      /an error that asks for input/,
    ],
    [
      'input that no grant lets it ask for',
      {
        ...working,
        status: 'input_required',
        inputRequests: { roots: { method: 'roots/list', params: {} } },
      },
      /roots/,
    ],
  ] as const) {
    test(`is nothing where it has ${what}`, async () => {
      requirement('gateway.task-of-its-caller')
      const { world, told } = await openTasks()
      await using _ = world
      const agent = await world.agent()
      const taskId = taskOf(await callAs(agent))
      told.task = task
      const refused = await askAs(agent, 'tasks/get', { taskId })
      assert.ok(refused.json.error, refused.text)
      assert.match(refused.text, why)
      assert.doesNotMatch(refused.text, /"result"/)
    })
  }
})
