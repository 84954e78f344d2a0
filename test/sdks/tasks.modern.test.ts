import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import {
  createTaskSessionFromClient,
  resultFromTaskOutcome,
  type RawClientDispatch,
  type TaskEnabledSession,
} from '@modelcontextprotocol/ext-tasks/client'
import { openFixture } from '../conformance/fixture/fixture.ts'
import { openStage, type Stage } from '../conformance/stage.ts'
import { requirement } from '../requirements.ts'

/*
 * Tasks of 2026-07-28 as the project of the protocol has them in its own client (ext-tasks, on the client of the TypeScript SDK 2.x), at a
 * server of the same SDK with the extension beside it. The package leaves what is on the wire of a task to its host: see `dispatchTo`.
 */

const extension = 'io.modelcontextprotocol/tasks'
const clientInfo = { name: 'tasks', version: '1.0.0' }
const capabilities = { elicitation: { form: {} }, extensions: { [extension]: {} } }
const protocolVersion = '2026-07-28'

const opened = new AsyncDisposableStack()
let stage: Stage

before(async () => {
  const { port } = opened.use(await openFixture({ without: '' }))
  stage = opened.use(await openStage({ jobs: { port, eras: ['modern'] } }))
})

after(() => opened.disposeAsync())

interface Dispatched {
  readonly method: string
  readonly params: { readonly name?: string; readonly taskId?: string }
}

/** Sends the package's requests as they are, with the headers that say what is in them (MCP 2026-07-28 transports). */
function dispatchTo(url: string, ids: Set<string>): RawClientDispatch {
  let sent = 0
  return async (request, { signal } = {}) => {
    sent += 1
    const { method, params } = request as unknown as Dispatched
    if (params.taskId !== undefined) ids.add(params.taskId)
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json',
        'mcp-protocol-version': protocolVersion,
        'mcp-method': method,
        'mcp-name': params.taskId ?? params.name ?? '',
      },
      body: JSON.stringify({ ...(request as object), jsonrpc: '2.0', id: `raw-${sent}` }),
      signal: signal ?? null,
    })
    const { result, error } = (await response.json()) as { result?: never; error?: never }
    return error === undefined
      ? { kind: 'result', result: result as never }
      : { kind: 'error', error }
  }
}

interface Opened extends AsyncDisposable {
  readonly session: TaskEnabledSession
  readonly asked: string[]
  /** Of the tasks that were asked about. */
  readonly ids: ReadonlySet<string>
}

async function connect(path: string): Promise<Opened> {
  const url = stage.url(path)
  const client = new Client(clientInfo, {
    capabilities,
    versionNegotiation: { mode: 'auto' },
  })
  await client.connect(new StreamableHTTPClientTransport(new URL(url)))
  assert.equal(client.getNegotiatedProtocolVersion(), protocolVersion)
  const asked: string[] = []
  const ids = new Set<string>()
  const session = createTaskSessionFromClient(client, {
    endpointId: path,
    rawDispatch: dispatchTo(url, ids),
    v2RequestFraming: { protocolVersion, clientInfo, clientCapabilities: capabilities },
    onInputRequest(request) {
      asked.push(request.kind)
      return Promise.resolve({ action: 'accept', content: { name: 'x' } } as never)
    },
  })
  return {
    session,
    asked,
    ids,
    async [Symbol.asyncDispose]() {
      await session.close()
      await client.close()
    },
  }
}

for (const [path, prefix] of [
  ['/mcp/jobs', ''],
  ['/mcp', 'jobs_'],
] as const) {
  describe(`a task of a modern server at ${path}`, () => {
    test('is made, asks its client, and brings its result, under an id that is sealed', async () => {
      requirement('gateway.task-of-its-caller')
      await using open = await connect(path)
      const execution = await open.session.callTool(`${prefix}multi_input`, {})
      assert.equal(execution.kind, 'task')
      const { outcome } = await execution.settle()
      assert.match(JSON.stringify(resultFromTaskOutcome(outcome)), /both are known/)
      assert.deepEqual(open.asked, ['elicitation', 'elicitation'])
      assert.equal(open.ids.size, 1)
      const [id = ''] = open.ids
      // What is sealed is longer than any id of a server.
      assert.ok(id.length > 200)
    })

    test('fails as its server says', async () => {
      await using open = await connect(path)
      const execution = await open.session.callTool(`${prefix}protocol_error_job`, {})
      const { outcome } = await execution.settle()
      assert.equal(outcome.status, 'failed')
    })

    test('is cancelled', async () => {
      await using open = await connect(path)
      const execution = await open.session.callTool(`${prefix}slow_compute`, { seconds: 600 })
      await execution.cancel()
      const { outcome } = await execution.settle()
      assert.equal(outcome.status, 'cancelled')
    })

    test('is none where its tool answers at once', async () => {
      await using open = await connect(path)
      const execution = await open.session.callTool(`${prefix}greet`, { name: 'A' })
      assert.equal(execution.kind, 'immediate')
      const { outcome } = await execution.settle()
      assert.match(JSON.stringify(resultFromTaskOutcome(outcome)), /Hello, A!/)
    })
  })
}
