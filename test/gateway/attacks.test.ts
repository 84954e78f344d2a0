import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { requirement } from '../requirements.ts'
import { filesUnder, packageImports } from '../support/source-tree.ts'
import {
  initializeParams,
  legacy,
  modern,
  openClient,
  type Reply,
  type TestClient,
} from './world/client.ts'
import { answerBoth, toolTexts, type Answer } from './world/upstream.ts'
import { openWorld, type World } from './world/world.ts'

/** What of the protocol a test asks for, at a door and in an era. */
interface Way {
  readonly door: string
  readonly era: 'modern' | 'legacy'
}

const ways: readonly Way[] = ['/mcp/files', '/mcp'].flatMap((door) =>
  (['modern', 'legacy'] as const).map((era) => ({ door, era })),
)

async function ask(
  agent: TestClient,
  { door, era }: Way,
  method: string,
  params: Record<string, unknown> = {},
): Promise<Reply> {
  if (era === 'modern') {
    const { body, headers } = modern(method, params)
    return agent.post(door, body, headers)
  }
  const opening = legacy('initialize', initializeParams)
  const opened = await agent.post(door, opening.body, opening.headers)
  const session = String(opened.headers['mcp-session-id'])
  const { body, headers } = legacy(method, params, { session })
  return agent.post(door, body, headers)
}

function callsOf(world: World, server: string): World['upstreams'][string]['received'] {
  return (world.upstreams[server]?.received ?? []).filter(({ body }) => body.includes('tools/call'))
}

for (const way of ways) {
  test(`what is listed can be called and nothing else, at ${way.door} in the ${way.era} era`, async () => {
    requirement('attack.hidden-but-callable')
    requirement('policy.list-is-call')
    await using world = await openWorld()
    // One tool beyond the certificate, one beyond the grants, and some within both.
    const agent = await world.agent({ toolScopes: 'files:echo,files:big,files:secret,web:*' })
    const list = await ask(agent, way, 'tools/list')
    const tools = list.json.result?.['tools'] as readonly { readonly name: string }[]
    const listed = new Set(tools.map(({ name }) => name))
    const prefix = way.door === '/mcp' ? 'files_' : ''
    const called = new Set<string>()
    for (const text of toolTexts) {
      const name = `${prefix}${(JSON.parse(text) as { readonly name: string }).name}`
      const reply = await ask(agent, way, 'tools/call', { name, arguments: {} })
      if (reply.json.result !== undefined) called.add(name)
    }
    const ofFiles = [...listed].filter((name) => name.startsWith(prefix))
    const wanted = ['echo', 'big'].map((name) => `${prefix}${name}`)
    assert.deepEqual([...called], wanted)
    assert.deepEqual(way.door === '/mcp' ? ofFiles : [...listed], wanted)
  })
}

test('nothing in a request chooses where it goes', async () => {
  requirement('attack.made-up-authority')
  await using world = await openWorld()
  const agent = await world.agent()
  const { web } = world.upstreams
  const { body, headers } = modern('tools/call', {
    name: 'echo',
    arguments: { url: web?.url },
    server: 'web',
    url: web?.url,
  })
  const reply = await agent.post('/mcp/files', body, {
    ...headers,
    forwarded: `host=127.0.0.1:${web?.port}`,
    'x-forwarded-host': `127.0.0.1:${web?.port}`,
    'x-forwarded-server': 'web',
    'x-original-url': '/mcp/web',
    'x-rewrite-url': '/mcp/web',
    'x-mcp-server': 'web',
    'mcp-param-server': 'web',
  })
  assert.equal(reply.status, 200, reply.text)
  assert.deepEqual(callsOf(world, 'web'), [])
  const [call, ...others] = callsOf(world, 'files')
  assert.deepEqual(others, [])
  assert.equal(call?.headers.host, `127.0.0.1:${world.upstreams['files']?.port}`)
  const names = Object.keys(call.headers)
  assert.deepEqual(
    names.filter((name) => /forward|url|x-/.test(name)),
    [],
  )
})

test('a gateway that is given no key makes one that no other has', async () => {
  requirement('attack.made-up-authority')
  await using world = await openWorld()
  const credential = world.identities.issue({ toolScopes: 'files:echo' })
  const { bundle } = world.identities
  const gateways = await Promise.all(
    Array.from({ length: 2 }, () => world.openReplica({ handleKeys: undefined })),
  )
  const [one, other] = gateways.map(({ port }) => openClient({ port, credential, bundle }))
  assert.ok(one !== undefined && other !== undefined)
  try {
    const opening = legacy('initialize', initializeParams)
    const opened = await one.post('/mcp/files', opening.body, opening.headers)
    const session = String(opened.headers['mcp-session-id'])
    const { body, headers } = legacy('tools/list', {}, { session })
    assert.equal((await one.post('/mcp/files', body, headers)).status, 200)
    assert.equal((await other.post('/mcp/files', body, headers)).status, 404)
  } finally {
    await Promise.all([one, other].map((client) => client[Symbol.asyncDispose]()))
  }
})

/** Names that would be something else in the line or the headers of a request. */
const injected = [
  '../admin',
  'echo?role=admin',
  'echo#x',
  'echo HTTP/1.1',
  'echo\r\nmcp-name: delete',
  'echo\r\n\r\nPOST /admin HTTP/1.1',
  'echo\u0000',
  'échø',
  '=?base64?ZGVsZXRl?=',
]

test('what a call says stands in its body, and a name that could stand elsewhere is in no scope', async () => {
  requirement('attack.injection-by-translation')
  const lines: string[] = []
  const tools = ['echo', ...injected].map((name) => JSON.stringify({ name, inputSchema: {} }))
  const answer: Answer = (message, response, request) => {
    lines.push(`${request.method} ${request.url}`)
    answerBoth({ tools })(message, response, request)
  }
  await using world = await openWorld({
    answers: { files: answer },
    grants: { tenants: { acme: { files: { tools: {}, prefixes: { '': {} } } } }, subjects: {} },
  })
  const agent = await world.agent({ toolScopes: 'files:*' })
  for (const name of injected) {
    const { body, headers } = modern('tools/call', { name })
    const mirrored = `=?base64?${Buffer.from(name).toString('base64')}?=`
    const reply = await agent.post('/mcp/files', body, { ...headers, 'mcp-name': mirrored })
    assert.equal(reply.json.error?.code, -31403, reply.text)
  }
  assert.deepEqual(world.upstreams['files']?.received, [], 'nobody is even asked about such a name')
  const { body, headers } = modern('tools/call', { name: 'echo', arguments: { of: injected } })
  assert.ok((await agent.post('/mcp/files', body, headers)).json.result)
  const [call, ...others] = callsOf(world, 'files')
  assert.deepEqual(others, [])
  assert.equal(call?.body, body)
  assert.equal(call.headers['mcp-name'], 'echo')
  assert.deepEqual([...new Set(lines)], ['POST /mcp'])
})

test('nothing that a definition, a prompt or a resource names is ever fetched', async () => {
  requirement('attack.server-side-requests')
  let connections = 0
  const bait = createServer(() => (connections += 1)).listen(0, '127.0.0.1')
  await once(bait, 'listening')
  const at = `http://127.0.0.1:${(bait.address() as AddressInfo).port}`
  const icons = [{ src: `${at}/icon.png`, mimeType: 'image/png', sizes: ['48x48'] }]
  const schema = {
    $schema: `${at}/dialect`,
    $id: `${at}/schema`,
    type: 'object',
    allOf: [{ $ref: `${at}/all` }, { $dynamicRef: `${at}/dynamic#a` }],
    properties: { path: { $ref: `${at}/path.json#/$defs/path` } },
  }
  const tool = JSON.stringify({
    name: 'echo',
    icons,
    inputSchema: schema,
    outputSchema: { $ref: `${at}/output` },
    annotations: { title: at },
    _meta: { 'example/license': `${at}/license`, url: at },
  })
  await using world = await openWorld({ answers: { files: answerBoth({ tools: [tool] }) } })
  const agent = await world.agent()
  try {
    for (const way of ways) {
      const listed = await ask(agent, way, 'tools/list', {})
      assert.ok(listed.text.includes('icon.png'), listed.text)
      const name = way.door === '/mcp' ? 'files_echo' : 'echo'
      const called = await ask(agent, way, 'tools/call', { name, arguments: { path: at, url: at } })
      assert.ok(called.json.result, called.text)
    }
    assert.equal(connections, 0)
  } finally {
    bait.close()
  }
})

/** What starts processes, runs text as code, or loads what a text names. */
const dangerous =
  /\b(eval|Function)\(|\bimport\(|\brequire\(|\bprocess\.(binding|dlopen)\b|\bcreateRequire\b/
const dangerousModules = new Set(
  ['child_process', 'cluster', 'worker_threads', 'vm', 'module', 'repl', 'wasi'].map(
    (name) => `node:${name}`,
  ),
)

test('nothing that serves a request can start a process, run a text or load what one names', () => {
  requirement('attack.commands-by-request')
  const serving = filesUnder('src').filter(({ path }) =>
    /^src\/(gateway|mcp|policy|token|toolserver|pki|identity|[a-z-]+\.ts)/.test(path),
  )
  assert.ok(serving.length > 100, `got=${serving.length}`)
  const violations = serving.flatMap((file) => [
    ...packageImports(file)
      .filter((name) => dangerousModules.has(name))
      .map((name) => `${file.path} imports ${name}`),
    ...file.lines.filter((line) => dangerous.test(line)).map((line) => `${file.path}: ${line}`),
  ])
  // Of the rules, when they are loaded, and of no word that is not its own: policy.plan-is-no-text.
  const compiler = 'src/policy/plan/compile.ts imports node:vm'
  // Of a file that stands beside the program, and that no configuration names.
  const builder =
    'src/policy/built-program.ts:   const { default: make } = (await import(pathToFileURL(file).href)) as { readonly default: Make }'
  assert.deepEqual(violations, [builder, compiler])
})
