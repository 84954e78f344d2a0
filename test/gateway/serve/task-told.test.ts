import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { legacy } from '../world/client.ts'
import { done, openTaskClient, scopes, taskOf } from '../world/legacy-tasks.ts'
import {
  listen,
  openSession,
  openStream,
  response as answerTo,
  type OpenStream,
} from '../world/session.ts'
import { speaking } from '../world/speaking.ts'
import type { JsonMessage } from '../world/upstream.ts'

const related = 'io.modelcontextprotocol/related-task'

function status(taskId: string, more: object = {}): string {
  const params = { taskId, status: 'working', ttl: 60_000, ...more }
  return JSON.stringify({ jsonrpc: '2.0', method: 'notifications/tasks/status', params })
}

function progress(taskId: string): string {
  const params = { progressToken: 1, progress: 1, _meta: { [related]: { taskId } } }
  return JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params })
}

const changed = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' })

/** A client with a task, and with the stream of its session. */
async function listening(path: string) {
  const files = speaking()
  const client = await openTaskClient({ streams: { files: files.stream } }, path)
  const taskId = taskOf(await client.call())
  const own = await client.world.agent({ ...scopes, podUid: client.podUid })
  const stream = await listen(own, path, client.session)
  await eventually('the server has a stream', () => files.open.length === 1)
  return { ...client, files, taskId, stream }
}

const methodsOf = ({ messages }: OpenStream): readonly unknown[] =>
  messages.map(({ method }) => method)

describe('what a server says of a task', () => {
  for (const path of ['/mcp/files', '/mcp']) {
    test(`is told to its owner on the stream of the session, under its own id: ${path}`, async () => {
      requirement('gateway.handles-of-others-dropped')
      const { world, files, taskId, stream } = await listening(path)
      await using _ = world
      files.say(status('task-1', { status: 'completed', statusMessage: 'all is well' }))
      const told = await stream.message(1)
      assert.deepEqual(told.params, {
        taskId,
        status: 'completed',
        ttl: 60_000,
        statusMessage: 'all is well',
      })
      files.say(progress('task-1'))
      const moved = await stream.message(2)
      assert.deepEqual(moved.params?.['_meta'], { [related]: { taskId } })
      assert.doesNotMatch(stream.octets(), /task-1/)
      stream.close()
    })
  }

  test('is told to nobody else', async () => {
    requirement('gateway.handles-of-others-dropped')
    const { world, files, stream } = await listening('/mcp/files')
    await using _ = world
    const other = await world.agent({ ...scopes, podUid: crypto.randomUUID() })
    const session = await openSession(other, '/mcp/files')
    const theirs = await listen(other, '/mcp/files', session)
    await eventually('both have a stream', () => files.open.length === 2)
    files.say(
      status('task-2'),
      status('task-1', { _meta: { 'io.modelcontextprotocol/subscriptionId': 1 } }),
      status('task-1', { status: 'elsewhere' }),
      status('task-1', { content: done }),
      progress('task-2'),
      changed,
    )
    files.open[1]?.write(`data: ${status('task-1')}\n\n`)
    await stream.message(1)
    await theirs.message(1)
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.deepEqual(methodsOf(stream), ['notifications/tools/list_changed'])
    assert.deepEqual(methodsOf(theirs), ['notifications/tools/list_changed'])
    stream.close()
    theirs.close()
  })

  test('is told as long as policy grants its tool', async () => {
    requirement('gateway.changes-decided')
    const { world, files, stream, policy } = await listening('/mcp/files')
    await using _ = world
    files.say(status('task-1'))
    await stream.message(1)
    Object.assign(policy, { digest: 'second', isTaken: true })
    files.say(status('task-1'), changed)
    await stream.message(2)
    assert.deepEqual(methodsOf(stream), [
      'notifications/tasks/status',
      'notifications/tools/list_changed',
    ])
    stream.close()
  })
})

const question = (taskId: string, more: object = {}): JsonMessage & object => ({
  id: 'theirs',
  method: 'elicitation/create',
  params: {
    message: 'Which?',
    requestedSchema: { type: 'object', properties: {} },
    _meta: { [related]: { taskId }, own: 1 },
    ...more,
  },
})

/** A client that waits for the result of its task, whose server asks something first. */
async function waiting(asked: object) {
  const client = await openTaskClient()
  const taskId = taskOf(await client.call())
  let wait: ServerResponse | undefined
  let id: unknown
  client.answers['tasks/result'] = (message, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(`data: ${status('task-1', { status: 'input_required' })}\n\n`)
    response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', ...asked })}\n\n`)
    wait = response
    id = message.id
  }
  const agent = await client.world.agent({ ...scopes, podUid: client.podUid })
  const request = legacy('tasks/result', { taskId }, { session: client.session })
  const stream = await openStream(agent, { path: '/mcp/files', ...request })
  return {
    ...client,
    taskId,
    stream,
    finish: () => {
      const result = { content: done, _meta: { [related]: { taskId: 'task-1' } } }
      wait?.end(`data: ${JSON.stringify({ jsonrpc: '2.0', id, result })}\n\n`)
    },
    answered: () =>
      (client.world.upstreams['files']?.received ?? []).filter(({ body }) =>
        body.includes('"id":"theirs"'),
      ),
  }
}

function metaOf(body = '{}'): unknown {
  const { result } = JSON.parse(body) as { readonly result?: Record<string, unknown> }
  return result?.['_meta']
}

describe('what a server asks in a task', () => {
  for (const [given, wanted] of [
    ['{}', { [related]: { taskId: 'task-1' } }],
    ['{"x":1}', { [related]: { taskId: 'task-1' }, x: 1 }],
    [`{"x":1,"${related}":{"taskId":"task-2"}}`, { [related]: { taskId: 'task-1' }, x: 1 }],
    [`{"${related}":{"taskId":"task-2"}}`, { [related]: { taskId: 'task-1' } }],
  ] as const) {
    test(`is answered as of that task, where its client writes ${given}`, async () => {
      requirement('gateway.task-of-its-caller')
      const { world, stream, finish, answered, agent, session } = await waiting(question('task-1'))
      await using _ = world
      const { id } = await stream.message(2)
      const outcome = `"result":{"_meta":${given},"action":"decline"}`
      const { body, headers } = answerTo(id, { session, outcome })
      assert.equal((await agent.post('/mcp/files', body, headers)).status, 202)
      assert.deepEqual(metaOf(answered()[0]?.body), wanted)
      finish()
      await stream.message(3)
    })
  }

  test('is asked of its caller while that waits for the result, and answered', async () => {
    requirement('gateway.asked-and-answered-once')
    const { world, taskId, stream, finish, answered, agent, session } = await waiting(
      question('task-1'),
    )
    await using _ = world
    const told = await stream.message(2)
    assert.equal(methodsOf(stream)[0], 'notifications/tasks/status')
    assert.deepEqual(told.params?.['_meta'], { [related]: { taskId }, own: 1 })
    assert.notEqual(told.id, 'theirs')
    const answer = answerTo(told.id, { session })
    assert.equal((await agent.post('/mcp/files', answer.body, answer.headers)).status, 202)
    assert.match(answered()[0]?.body ?? '', /"action":"accept"/)
    assert.deepEqual(metaOf(answered()[0]?.body), { [related]: { taskId: 'task-1' } })
    finish()
    const result = await stream.message(3)
    const brought = (result as { readonly result?: Record<string, unknown> }).result
    assert.deepEqual(brought?.['_meta'], { [related]: { taskId } })
    assert.doesNotMatch(stream.octets(), /task-1/)
  })

  for (const [what, asked] of [
    ['of another task', question('task-2')],
    [
      'of a task and a subscription',
      question('task-1', {
        _meta: { [related]: { taskId: 'task-1' }, 'io.modelcontextprotocol/subscriptionId': 1 },
      }),
    ],
    ['as a task of its client', question('task-1', { task: { ttl: 1 } })],
    ['of a task that has no id', question('task-1', { _meta: { [related]: {} } })],
  ] as const) {
    test(`is answered in its stead where it is asked ${what}`, async () => {
      requirement('gateway.asked-and-answered-once')
      const { world, stream, finish, answered } = await waiting(asked)
      await using _ = world
      await eventually('the server has an answer', () => answered().length === 1)
      assert.match(answered()[0]?.body ?? '', /-32601/)
      finish()
      await eventually('it is over', () => stream.isOver())
      assert.deepEqual(methodsOf(stream), ['notifications/tasks/status', undefined])
    })
  }
})
