import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Client as ModernClient } from '@modelcontextprotocol/client'
import { StdioClientTransport as ModernTransport } from '@modelcontextprotocol/client/stdio'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { answerBoth, type Answer } from '../gateway/world/upstream.ts'
import { openWorld, type World } from '../gateway/world/world.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { root } from '../support/source-tree.ts'

const tools = [
  '{"name":"echo","inputSchema":{"type":"object"}}',
  '{"name":"slow","inputSchema":{"type":"object"}}',
  '{"name":"deploy","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}}',
  '{"name":"secret","inputSchema":{"type":"object"}}',
]

/** A slow call as the tool server has it. */
interface Slow {
  readonly response: ServerResponse
  finish(): void
}

interface Stage extends AsyncDisposable {
  readonly world: World
  readonly slow: readonly Slow[]
  /** The command line of a bridge to this gateway. */
  readonly command: { readonly command: string; readonly args: string[]; readonly cwd: string }
  /** What the tool server was told, by method. */
  told(method: string): readonly string[]
}

async function openStage(): Promise<Stage> {
  const slow: Slow[] = []
  const plain = answerBoth({ tools, name: 'files' })
  const answer: Answer = (message, response, request) => {
    if (message.params?.['name'] !== 'slow') return plain(message, response, request)
    const meta = (message.params['_meta'] ?? {}) as Readonly<Record<string, unknown>>
    const modern = meta['io.modelcontextprotocol/protocolVersion'] !== undefined
    const event = (rest: object): void =>
      void response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', ...rest })}\n\n`)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const params = { progressToken: meta['progressToken'], progress: 1, total: 2 }
    event({ method: 'notifications/progress', params })
    const result = { ...(modern ? { resultType: 'complete' } : {}), content: [] }
    slow.push({ response, finish: () => event({ id: message.id, result }) })
    return undefined
  }
  const granted = { echo: {}, slow: {}, deploy: {} }
  const world = await openWorld({
    answers: { files: answer },
    hosts: ['127.0.0.1'],
    grants: { tenants: { acme: { files: { tools: granted, prefixes: {} } } }, subjects: {} },
  })
  const folder = await mkdtemp(join(tmpdir(), 'countersign-bridge-'))
  const credential = world.identities.issue({ toolScopes: 'files:*' })
  const files = { credential: join(folder, 'credential.pem'), trust: join(folder, 'trust.pem') }
  const pem = credential.privateKeyPem + credential.chainPem
  await writeFile(files.credential, pem, { mode: 0o600 })
  await writeFile(files.trust, world.identities.bundle.pem)
  const url = `https://127.0.0.1:${world.gateway.port}/mcp/files`
  const server = world.credential.current().svid.spiffeId.uri
  const bridge = [join(root, 'src', 'cli', 'main.ts'), 'bridge', '--url', url, '--server', server]
  return {
    world,
    slow,
    command: {
      command: process.execPath,
      args: [...bridge, '--credential-bundle', files.credential, '--trust-bundle', files.trust],
      cwd: root,
    },
    told: (method) =>
      (world.upstreams['files']?.received ?? [])
        .map(({ body }) => body)
        .filter((body) => body.includes(`"method":"${method}"`)),
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

type Client = LegacyClient | ModernClient

async function connectLegacy({ command }: Stage): Promise<Client> {
  const client = new LegacyClient({ name: 'agent', version: '1.0.0' })
  await client.connect(new LegacyTransport(command))
  return client
}

const info = { name: 'agent', version: '1.0.0' }

async function connectModern({ command }: Stage, mode: 'pinned' | 'auto'): Promise<Client> {
  const wanted = mode === 'auto' ? 'auto' : { pin: '2026-07-28' }
  const client = new ModernClient(info, { versionNegotiation: { mode: wanted } })
  await client.connect(new ModernTransport(command))
  return client
}

/** The generations differ in where the options stand. */
function callSlow(
  client: Client,
  options: {
    readonly onprogress?: (told: { readonly progress: number }) => void
    readonly signal?: AbortSignal
  },
): Promise<unknown> {
  const call = { name: 'slow' }
  return client instanceof LegacyClient
    ? client.callTool(call, undefined, options)
    : client.callTool(call, options)
}

const clients: Readonly<Record<string, (stage: Stage) => Promise<Client>>> = {
  'the TypeScript SDK 1.x': connectLegacy,
  'the TypeScript SDK 2.x, pinned to 2026-07-28': (stage) => connectModern(stage, 'pinned'),
  'the TypeScript SDK 2.x, as it negotiates': (stage) => connectModern(stage, 'auto'),
}

for (const [name, connect] of Object.entries(clients)) {
  test(`${name} speaks to the gateway over the bridge`, async (t) => {
    await using stage = await openStage()
    const client = await connect(stage)
    t.after(() => client.close())

    await t.test('it lists what it may call, calls it, and hears a refusal as one', async () => {
      const listed = await client.listTools()
      assert.deepEqual(
        listed.tools.map((tool) => tool.name),
        ['echo', 'slow', 'deploy'],
      )
      const answer = await client.callTool({ name: 'echo', arguments: { a: '\u2028' } })
      assert.deepEqual(answer.content, [{ type: 'text', text: '{"a":"\u2028"}' }])
      await assert.rejects(Promise.resolve(client.callTool({ name: 'secret' })), { code: -31403 })
    })

    await t.test('it calls a tool that wants an argument in a header', async () => {
      const deployed = await client.callTool({ name: 'deploy', arguments: { region: 'zürich' } })
      assert.deepEqual(deployed.content, [{ type: 'text', text: '{"region":"zürich"}' }])
    })

    await t.test(
      'it hears of progress while its call is open, and calls on meanwhile',
      async () => {
        requirement('agent.bridge-serves-at-once')
        const progress: number[] = []
        const call = callSlow(client, { onprogress: (told) => progress.push(told.progress) })
        await eventually('progress is told', () => progress.length === 1)
        const meanwhile = await client.callTool({ name: 'echo', arguments: {} })
        assert.deepEqual(meanwhile.content, [{ type: 'text', text: '{}' }])
        stage.slow[0]?.finish()
        await call
      },
    )

    await t.test('it cancels a call that is open, and the tool server learns of it', async () => {
      requirement('agent.bridge-serves-at-once')
      const abort = new AbortController()
      const call = callSlow(client, { signal: abort.signal })
      await eventually('the call is there', () => stage.slow.length === 2)
      abort.abort('enough')
      await assert.rejects(Promise.resolve(call))
      await eventually(
        'the tool server learns of it',
        () =>
          stage.slow[1]?.response.destroyed === true ||
          stage.told('notifications/cancelled').length === 1,
      )
    })

    await client.close()
  })
}
