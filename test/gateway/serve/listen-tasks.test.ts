import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Authorizer } from '../../../src/policy/authorizer.ts'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { metaOfTasks, modern, type TestClient } from '../world/client.ts'
import { listenAs, listening, type Message, type Stream } from '../world/listening.ts'
import { sendResult, type Answer } from '../world/upstream.ts'
import { openWorld, type World, type WorldOptions } from '../world/world.ts'

const acknowledged = 'notifications/subscriptions/acknowledged'
const news = 'notifications/tasks'
const working = { status: 'working', createdAt: 'then', lastUpdatedAt: 'now', ttlMs: 60_000 }
const content = [{ type: 'text', text: 'done' }]

/** Two servers whose calls become tasks, numbered, and that tell of them. */
async function openTelling(
  options: WorldOptions = {},
  take?: Parameters<typeof listening>[0],
): Promise<{ readonly world: World; readonly files: ReturnType<typeof listening> }> {
  const files = listening(take)
  const web = listening(take)
  let number = 0
  const becomingTasks =
    (answer: Answer): Answer =>
    (message, response, request) => {
      if (message.method !== 'tools/call') {
        answer(message, response, request)
        return
      }
      number += 1
      const result = { resultType: 'task', taskId: `task-${number}`, ...working }
      sendResult(response, { id: message.id, result, form: 'json' })
    }
  const answers = { files: becomingTasks(files.answer), web: becomingTasks(web.answer) }
  return { world: await openWorld({ answers, ...options }), files }
}

async function begin(agent: TestClient, path = '/mcp/files'): Promise<string> {
  const name = path === '/mcp' ? 'files_echo' : 'echo'
  const { body, headers } = modern('tools/call', { name, arguments: {}, _meta: metaOfTasks })
  const { json, text } = await agent.post(path, body, headers)
  const taskId = json.result?.['taskId']
  assert.ok(typeof taskId === 'string', text)
  return taskId
}

async function hear(
  agent: TestClient,
  taskIds: readonly string[],
  {
    path = '/mcp/files',
    ...filter
  }: { readonly path?: string; readonly [flag: string]: unknown } = {},
): Promise<Stream> {
  return listenAs(agent, path, { ...filter, taskIds }, 'own', { _meta: metaOfTasks })
}

function takenOf([first]: readonly Message[]): unknown {
  assert.equal(first?.method, acknowledged)
  return first.params?.['notifications']
}

describe('what a modern server tells of tasks', () => {
  for (const path of ['/mcp/files', '/mcp']) {
    test(`is told as it would be to whoever asks, under the caller's own id (${path})`, async () => {
      requirement('gateway.task-of-its-caller')
      const { world, files } = await openTelling()
      await using _ = world
      const agent = await world.agent()
      const taskId = await begin(agent, path)
      const stream = await hear(agent, [taskId], { path })
      assert.deepEqual(takenOf(await stream.until(1)), { taskIds: [taskId] })
      assert.deepEqual(files.heard[0]?.filter, { taskIds: ['task-1'] })
      const done = { ...working, status: 'completed', result: { content } }
      files.heard[0].tell(news, { taskId: 'task-1', ...done })
      const [, told] = await stream.until(2)
      assert.deepEqual(told, {
        jsonrpc: '2.0',
        method: news,
        params: {
          taskId,
          ...done,
          _meta: { 'io.modelcontextprotocol/subscriptionId': 'own' },
        },
      })
      assert.doesNotMatch(stream.text, /task-1/)
      stream.close()
    })
  }

  test('comes beside what is told of lists, in a subscription of its own', async () => {
    const { world, files } = await openTelling()
    await using _ = world
    const agent = await world.agent()
    const taskId = await begin(agent)
    const stream = await hear(agent, [taskId], { toolsListChanged: true })
    assert.deepEqual(takenOf(await stream.until(1)), { toolsListChanged: true, taskIds: [taskId] })
    const asked = new Set(files.heard.map(({ filter }) => Object.keys(filter).join()))
    assert.deepEqual(asked, new Set(['taskIds', 'toolsListChanged']))
    stream.close()
  })

  test("is for its caller: what is somebody else's is asked of nobody", async () => {
    requirement('gateway.task-of-its-caller')
    const { world, files } = await openTelling()
    await using _ = world
    const agent = await world.agent()
    const other = await world.agent({ podUid: crypto.randomUUID() })
    const [own, foreign] = [await begin(agent), await begin(other)]
    const stream = await hear(agent, [own, foreign, 'task-2'])
    assert.deepEqual(takenOf(await stream.until(1)), { taskIds: [own] })
    assert.deepEqual(files.heard[0]?.filter, { taskIds: ['task-1'] })
    stream.close()
    assert.match(JSON.stringify(world.events), /taskId: it is of spiffe/)
    const refused = await hear(agent, [foreign])
    await eventually('an answer', () => refused.isOver)
    assert.match(refused.text, /"code":-32602,"message":"Unknown task/)
    assert.equal(files.heard.length, 1)
  })

  test('is for clients that know tasks', async () => {
    const { world, files } = await openTelling()
    await using _ = world
    const agent = await world.agent()
    const refused = await listenAs(agent, '/mcp/files', { taskIds: [await begin(agent)] })
    await eventually('an answer', () => refused.isOver)
    assert.equal(refused.status, 400)
    assert.match(refused.text, /"code":-32021.*"requiredCapabilities":\{"extensions"/)
    const many = await hear(
      agent,
      Array.from({ length: 33 }, (_each, at) => `task-${at}`),
    )
    await eventually('an answer', () => many.isOver)
    assert.match(many.text, /too many tasks, want=..32 got=33/)
    assert.equal(files.heard.length, 0)
  })

  test('of a task that was not asked for, or of another one, is told to nobody', async () => {
    requirement('gateway.task-of-its-caller')
    const { world, files } = await openTelling({}, () => ({ taskIds: ['task-1', 'task-2'] }))
    await using _ = world
    const agent = await world.agent()
    const taskId = await begin(agent)
    await begin(await world.agent())
    const stream = await hear(agent, [taskId])
    assert.deepEqual(takenOf(await stream.until(1)), { taskIds: [taskId] })
    const server = files.heard[0]
    server?.tell(news, { taskId: 'task-2', ...working })
    server?.tell(news, { taskId: 'task-1', ...working }, 'another subscription')
    const related = { 'io.modelcontextprotocol/related-task': { taskId: 'task-2' } }
    const bad = [
      { status: 'completed', result: { content, _meta: related } },
      { status: 'completed', result: { content, requestState: 'x' } },
      { status: 'input_required', inputRequests: { a: { method: 'roots/list' } } },
      { status: 'no such status' },
      { status: 'working', content },
    ]
    for (const each of bad) {
      server?.tell(news, { ...working, ...each, taskId: 'task-1' })
      await new Promise((resolve) => setTimeout(resolve, 150))
    }
    server?.tell(news, { taskId: 'task-1', ...working, statusMessage: 'last' })
    const [, told] = await stream.until(2)
    assert.equal(told?.params?.['statusMessage'], 'last', JSON.stringify(told))
    assert.equal(stream.messages.length, 2)
    stream.close()
  })

  test('without pause is told as it is now and then', async () => {
    requirement('gateway.changes-bounded')
    const { world, files } = await openTelling()
    await using _ = world
    const agent = await world.agent()
    const taskId = await begin(agent)
    const stream = await hear(agent, [taskId])
    await stream.until(1)
    const before = world.events.length
    for (let at = 1; at <= 2000; at += 1) {
      files.heard[0]?.tell(news, { taskId: 'task-1', ...working, statusMessage: `${at}` })
    }
    await eventually('the last', () => stream.text.includes('"statusMessage":"2000"'))
    assert.ok(stream.messages.length < 100, `${stream.messages.length}`)
    assert.ok(world.events.length - before < 200, `${world.events.length - before}`)
    stream.close()
  })

  test('is decided on by the policy of that moment', async () => {
    requirement('gateway.task-of-its-caller')
    const policy = { digest: 'first', allows: true }
    const changed = (real: Authorizer): Authorizer => ({
      ...real,
      get digest() {
        return policy.digest
      },
      decide(texts) {
        const decided = real.decide(texts)
        const value = { allow: false, reasons: [], obligations: [] }
        return policy.allows ? decided : { ...decided, value, result: value }
      },
    })
    const { world, files } = await openTelling({ authorizer: changed })
    await using _ = world
    const agent = await world.agent()
    const stream = await hear(agent, [await begin(agent)])
    await stream.until(1)
    policy.allows = false
    files.heard[0]?.tell(news, { taskId: 'task-1', ...working, statusMessage: 'secret' })
    await new Promise((resolve) => setTimeout(resolve, 200))
    policy.allows = true
    files.heard[0]?.tell(news, { taskId: 'task-1', ...working, statusMessage: 'again' })
    await stream.until(2)
    assert.doesNotMatch(stream.text, /secret/)
    assert.match(stream.text, /again/)
    stream.close()
  })

  test('is told for as long as its server keeps the task', async () => {
    requirement('gateway.task-of-its-caller')
    const clock = { now: Date.now() }
    const { world, files } = await openTelling({ now: () => clock.now })
    await using _ = world
    const agent = await world.agent()
    const stream = await hear(agent, [await begin(agent)])
    await stream.until(1)
    clock.now += working.ttlMs
    files.heard[0]?.tell(news, { taskId: 'task-1', ...working })
    await new Promise((resolve) => setTimeout(resolve, 200))
    assert.equal(stream.messages.length, 1)
    stream.close()
  })

  test('ends where its server takes none of it', async () => {
    const { world } = await openTelling({}, () => ({}))
    await using _ = world
    const agent = await world.agent()
    const stream = await hear(agent, [await begin(agent)])
    const messages = await stream.over()
    assert.deepEqual(takenOf(messages), {})
    assert.equal(messages[1]?.result?.['resultType'], 'complete')
  })

  test('ends with its subscription, and that with its stream', async () => {
    const { world, files } = await openTelling()
    await using _ = world
    const agent = await world.agent()
    const open = await hear(agent, [await begin(agent)])
    await open.until(1)
    const [server] = files.heard
    server?.say({ id: server.id, result: { resultType: 'complete' } })
    assert.equal((await open.over())[1]?.result?.['resultType'], 'complete')
    const left = await hear(agent, [await begin(agent)])
    await left.until(1)
    left.close()
    await eventually('the end there', () => files.heard[1]?.response.destroyed === true)
  })
})
