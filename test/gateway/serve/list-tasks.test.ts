import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { requirement } from '../../requirements.ts'
import { legacy, openClient, whyOf, type Reply } from '../world/client.ts'
import { openTaskClient, scopes, taskOf, type TaskClient } from '../world/legacy-tasks.ts'
import { openSession } from '../world/session.ts'
import { sendJson } from '../world/upstream.ts'

interface Listed {
  readonly taskId: string
  readonly status: string
}

function tasksIn({ json, text }: Reply): readonly Listed[] {
  const tasks = json.result?.['tasks']
  assert.ok(Array.isArray(tasks), text)
  return tasks as readonly Listed[]
}

const idsIn = (reply: Reply): readonly string[] => tasksIn(reply).map(({ taskId }) => taskId)

describe('the list of a caller’s tasks', () => {
  for (const path of ['/mcp/files', '/mcp']) {
    test(`holds those that it has made, under its own ids, as they stand now: ${path}`, async () => {
      requirement('gateway.task-of-its-caller')
      const { world, call, ask, asked, told } = await openTaskClient({}, path)
      await using _ = world
      const made = [taskOf(await call()), taskOf(await call())]
      told.task = { ...told.task, status: 'completed' }
      const listed = await ask('tasks/list')
      assert.deepEqual(
        tasksIn(listed).map(({ taskId, status }) => [taskId, status]),
        made.map((each) => [each, 'completed']),
      )
      assert.doesNotMatch(listed.text, /task-[0-9]/)
      assert.equal(listed.json.result?.['nextCursor'], undefined)
      assert.deepEqual(
        asked().map(({ method, taskId }) => [method, taskId]),
        [
          ['tasks/get', 'task-1'],
          ['tasks/get', 'task-2'],
        ],
      )
      requirement('token.for-what-has-a-name')
      for (const { token } of asked()) assert.equal(typeof token, 'string')
    })
  }

  test('holds no task of another pod, tenant or door', async () => {
    requirement('gateway.task-of-its-caller')
    const { world, call, podUid, asked } = await openTaskClient()
    await using _ = world
    taskOf(await call())
    const others = [
      { ...scopes, podUid: crypto.randomUUID() },
      { ...scopes, podUid, tenant: 'zeta', namespace: 'elsewhere' },
    ]
    for (const wanted of others) {
      const agent = await world.agent(wanted)
      const session = await openSession(agent, '/mcp/files')
      const { body, headers } = legacy('tasks/list', {}, { session })
      assert.deepEqual(tasksIn(await agent.post('/mcp/files', body, headers)), [])
    }
    const own = await world.agent({ ...scopes, podUid })
    const session = await openSession(own, '/mcp')
    const { body, headers } = legacy('tasks/list', {}, { session })
    assert.deepEqual(tasksIn(await own.post('/mcp', body, headers)), [])
    assert.equal(asked().length, 0)
  })

  test('comes in pages, whose cursors are sealed for their caller', async () => {
    requirement('gateway.task-of-its-caller')
    const { world, call, ask } = await openTaskClient({
      limits: { federationWaitMilliseconds: 60_000 },
    })
    await using _ = world
    const made: string[] = []
    for (let count = 0; count < 18; count += 1) made.push(taskOf(await call()))
    const first = await ask('tasks/list')
    const cursor = first.json.result?.['nextCursor']
    assert.deepEqual(idsIn(first), made.slice(0, 16))
    const second = await ask('tasks/list', { cursor })
    assert.deepEqual(idsIn(second), made.slice(16))
    assert.equal(second.json.result?.['nextCursor'], undefined)
    for (const bad of ['16', '', `${String(cursor)}x`]) {
      const reply = await ask('tasks/list', { cursor: bad })
      assert.equal(reply.json.error?.code, -32602, reply.text)
    }
    assert.equal(whyOf(await ask('tools/list', { cursor })), 'cursor is not known')
    assert.equal(whyOf(await ask('tasks/list', { cursor: null })), 'params.cursor is no text')
  })

  test('holds none that its server knows no more, or whose time is over', async () => {
    const clock = { now: Date.now() }
    const { world, call, ask, answers, asked } = await openTaskClient({ now: () => clock.now })
    await using _ = world
    taskOf(await call())
    answers['tasks/get'] = ({ id }, response) =>
      sendJson(
        response,
        JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32602, message: '' } }),
      )
    assert.deepEqual(tasksIn(await ask('tasks/list')), [])
    assert.deepEqual(tasksIn(await ask('tasks/list')), [])
    assert.equal(asked().length, 1)
    delete answers['tasks/get']
    taskOf(await call())
    assert.equal(tasksIn(await ask('tasks/list')).length, 1)
    clock.now += 60_000
    assert.deepEqual(tasksIn(await ask('tasks/list')), [])
  })

  test('names a server that is away, and holds the tasks of the others', async () => {
    const { world, call, ask, answers } = await openTaskClient({}, '/mcp')
    await using _ = world
    taskOf(await call())
    answers['tasks/get'] = (_message, response) => response.writeHead(500).end()
    const listed = await ask('tasks/list')
    assert.deepEqual(tasksIn(listed), [])
    assert.deepEqual(listed.json.result?.['_meta'], { 'dev.countersign/missing': ['files'] })
  })

  test('holds on another replica what its caller has shown there', async () => {
    requirement('gateway.task-of-its-caller')
    const { world, call, session, podUid } = await openTaskClient()
    await using _ = world
    const taskId = taskOf(await call())
    const { port } = await world.openReplica({})
    const credential = world.identities.issue({ ...scopes, podUid })
    await using there = openClient({ port, credential, bundle: world.identities.bundle })
    const ask: TaskClient['ask'] = (method, params = {}) => {
      const { body, headers } = legacy(method, params, { session })
      return there.post('/mcp/files', body, headers)
    }
    assert.deepEqual(idsIn(await ask('tasks/list')), [])
    assert.equal((await ask('tasks/get', { taskId })).json.error, undefined)
    assert.deepEqual(idsIn(await ask('tasks/list')), [taskId])
  })

  test('is no longer told when policy takes away the tool', async () => {
    requirement('gateway.task-of-its-caller')
    const { world, call, ask, policy, asked } = await openTaskClient()
    await using _ = world
    taskOf(await call())
    policy.isTaken = true
    assert.deepEqual(tasksIn(await ask('tasks/list')), [])
    assert.equal(asked().length, 0)
  })
})
