import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import {
  CallToolResultSchema,
  ElicitRequestSchema,
  TaskStatusNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { openStage, type Stage } from '../conformance/stage.ts'
import { requirement } from '../requirements.ts'
import { installNpm } from '../tools/npm.ts'
import { openEverything } from './matrix/servers.ts'

/*
 * Tasks of 2025-11-25 as others have written them: the client of the TypeScript SDK 1.x and the reference server server-everything, whose
 * research takes four seconds and asks its client what is meant.
 */

const opened = new AsyncDisposableStack()
let stage: Stage

before(async () => {
  const modules = await installNpm(join(import.meta.dirname, 'matrix/others'))
  const { port } = opened.use(await openEverything({ modules }))
  stage = opened.use(await openStage({ everything: { port, eras: ['legacy'] } }))
})

after(() => opened.disposeAsync())

interface Opened {
  readonly client: Client
  readonly asked: string[]
  readonly told: string[]
}

async function connect(path: string): Promise<Opened> {
  const client = new Client(
    { name: 'tasks', version: '1.0.0' },
    { capabilities: { elicitation: { form: {} } } },
  )
  const asked: string[] = []
  const told: string[] = []
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
    asked.push(params.message)
    return { action: 'accept', content: { interpretation: 'technical' } }
  })
  client.setNotificationHandler(TaskStatusNotificationSchema, ({ params }) => {
    told.push(params.taskId)
  })
  await client.connect(new StreamableHTTPClientTransport(new URL(stage.url(path))))
  await client.listTools()
  return { client, asked, told }
}

for (const [path, prefix] of [
  ['/mcp/everything', ''],
  ['/mcp', 'everything_'],
] as const) {
  describe(`a task of server-everything at ${path}`, () => {
    const name = `${prefix}simulate-research-query`

    test('is made, asked about, asks its client, and brings its result', async () => {
      requirement('gateway.task-of-its-caller')
      const { client, asked, told } = await connect(path)
      const { tasks } = client.getServerCapabilities() ?? {}
      assert.deepEqual(tasks, { list: {}, cancel: {}, requests: { tools: { call: {} } } })
      const ids = new Set<string>()
      const statuses: string[] = []
      let text = ''
      const call = { name, arguments: { topic: 'python', ambiguous: true } }
      const stream = client.experimental.tasks.callToolStream(call, CallToolResultSchema, {
        task: { ttl: 60_000 },
      })
      for await (const message of stream) {
        if (message.type === 'error') throw message.error
        if (message.type === 'result') text = JSON.stringify(message.result)
        else {
          ids.add(message.task.taskId)
          statuses.push(message.task.status)
        }
      }
      assert.match(text, /Research Report: python/)
      assert.match(text, /technical/)
      assert.equal(asked.length, 1)
      assert.ok(statuses.includes('working'))
      assert.ok(statuses.includes('input_required') || statuses.includes('completed'))
      assert.equal(ids.size, 1)
      const [id = ''] = ids
      // What is sealed is longer than any id of a server.
      assert.ok(id.length > 200)
      for (const each of told) assert.equal(each, id)
      const listed = await client.experimental.tasks.listTasks()
      assert.deepEqual(
        listed.tasks.map(({ taskId, status }) => [taskId, status]),
        [[id, 'completed']],
      )
      await client.close()
    })

    test('is cancelled, once', async () => {
      const { client } = await connect(path)
      const call = { name, arguments: { topic: 'rust' } }
      const [made] = await Array.fromAsync(
        firstOf(
          client.experimental.tasks.callToolStream(call, CallToolResultSchema, {
            task: { ttl: 60_000 },
          }),
        ),
      )
      assert.equal(made?.type, 'taskCreated')
      const { taskId } = made.task
      const cancelled = await client.experimental.tasks.cancelTask(taskId)
      assert.deepEqual([cancelled.taskId, cancelled.status], [taskId, 'cancelled'])
      await assert.rejects(client.experimental.tasks.cancelTask(taskId), { code: -32602 })
      assert.equal((await client.experimental.tasks.getTask(taskId)).status, 'cancelled')
      await client.close()
    })

    test('is nothing to another session, because its server keeps tasks by session', async () => {
      const first = await connect(path)
      const [made] = await Array.fromAsync(
        firstOf(
          first.client.experimental.tasks.callToolStream(
            { name, arguments: { topic: 'go' } },
            CallToolResultSchema,
            { task: {} },
          ),
        ),
      )
      assert.equal(made?.type, 'taskCreated')
      const { taskId } = made.task
      const second = await connect(path)
      await assert.rejects(second.client.experimental.tasks.getTask(taskId), { code: -32602 })
      assert.equal((await first.client.experimental.tasks.getTask(taskId)).taskId, taskId)
      await first.client.close()
      await second.client.close()
    })

    test('is what its tool is called as, and no other tool is', async () => {
      const { client } = await connect(path)
      const plain = { name: `${prefix}echo`, arguments: { message: 'hi' } }
      const asTask = client.request({ method: 'tools/call', params: plain }, CallToolResultSchema, {
        task: {},
      })
      await assert.rejects(asTask, { code: -32601 })
      const { content } = await client.callTool(plain)
      assert.deepEqual(content, [{ type: 'text', text: 'Echo: hi' }])
      const research = { name, arguments: { topic: 'c' } }
      const notAsTask = client.request(
        { method: 'tools/call', params: research },
        CallToolResultSchema,
      )
      await assert.rejects(notAsTask, { code: -32601 })
      await client.close()
    })
  })
}

async function* firstOf<T>(from: AsyncIterable<T>): AsyncGenerator<T> {
  for await (const each of from) {
    yield each
    return
  }
}
