import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { createServer, request as httpsRequest, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { parseSpiffeId } from '../../src/identity/spiffe-id.ts'
import type { Credential } from '../../src/pki/credential.ts'
import { createTokenSigner } from '../../src/token/sign.ts'
import {
  requireCountersign,
  type Countersign,
  type VerifiedRequest,
} from '../../src/toolserver/require-countersign.ts'
import { requirement } from '../requirements.ts'
import { createTestAuthority, type TestLeaf } from '../support/test-authority.ts'
import { eventually } from '../support/eventually.ts'

const clock = { now: Date.now() }
const authority = createTestAuthority({ now: () => clock.now })
const toolServer = authority.issue({
  namespace: 'tools',
  serviceAccount: 'github',
  role: 'tool-server',
})
const gateway = authority.issue({
  namespace: 'countersign-system',
  serviceAccount: 'gateway',
  role: 'tool-broker',
})
const agent = authority.issue({
  namespace: 'acme',
  serviceAccount: 'researcher',
  role: 'agent',
  tenant: 'acme',
  toolScopes: 'github:issues_*',
})
const modelGateway = authority.issue({ role: 'model-gateway', models: 'llama-3-70b' })

let folder: string
let countersign: Countersign
let server: Server
let served: VerifiedRequest[] = []

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-toolserver-'))
  await writeFile(join(folder, 'credential.pem'), toolServer.credentialPem, { mode: 0o600 })
  await writeFile(join(folder, 'trust.pem'), authority.bundlePem)
  countersign = await requireCountersign({
    credentialBundle: join(folder, 'credential.pem'),
    trustBundle: join(folder, 'trust.pem'),
    trustDomain: 'test.example',
    gateways: [gateway.identity.spiffeId.uri],
    server: 'github',
    direct: ['model-gateway'],
    production: false,
    bodyBytesMax: 3_000_000,
    now: () => clock.now,
  })
  server = createServer(
    countersign.tlsOptions,
    countersign.guard((_request, response, verified) => {
      served.push(verified)
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    }),
  )
  countersign.attach(server)
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
})

after(async () => {
  server.closeAllConnections()
  server.close()
  await countersign[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const call = {
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name: 'issues_list', arguments: { repository: 'acme/website' } },
}
const body = JSON.stringify(call)
const list = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' })

interface Sent {
  readonly as: TestLeaf
  readonly body?: string
  readonly tokens?: readonly string[]
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly to?: Server
}

function send(sent: Sent): Promise<{ status: number; text: string }> {
  served = []
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      {
        host: '127.0.0.1',
        port: ((sent.to ?? server).address() as AddressInfo).port,
        method: sent.method ?? 'POST',
        agent: false,
        ca: authority.bundlePem,
        cert: sent.as.credential.chainPem,
        key: sent.as.credential.privateKeyPem,
        checkServerIdentity: () => undefined,
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'mcp-protocol-version': '2025-11-25',
          ...(sent.tokens === undefined ? {} : { 'txn-token': [...sent.tokens] }),
          ...sent.headers,
        },
      },
      (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
      },
    )
    request.on('error', reject)
    request.end(sent.body ?? body)
  })
}

function connectAsGateway(session?: Buffer): TLSSocket {
  return connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    ca: authority.bundlePem,
    cert: gateway.credential.chainPem,
    key: gateway.credential.privateKeyPem,
    checkServerIdentity: () => undefined,
    ...(session === undefined ? {} : { session }),
  })
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64url')
}

const digestOfNothing = createHash('sha256').update('').digest('base64url')

function tokenFor(options: {
  readonly signer?: Credential
  readonly server?: string
  readonly name?: string
  readonly method?: string
  readonly tool?: string | undefined
  readonly target?: string
  readonly input?: unknown
}): Promise<string> {
  const {
    signer = gateway.credential,
    method = 'tools/call',
    tool = 'issues_list',
    input = call.params.arguments,
  } = options
  const tokens = createTokenSigner({
    credential: { current: () => signer, onChange: () => () => {} },
    now: () => clock.now,
  })
  const spiffeId = parseSpiffeId(options.server ?? toolServer.identity.spiffeId.uri)
  return tokens.sign({
    caller: agent.credential.svid,
    upstream: { server: options.name ?? 'github', spiffeId },
    method,
    tool: options.target === undefined ? tool : options.tool,
    target: options.target,
    argumentsSha256: input === null ? digestOfNothing : digest(input),
    transactionId: 'decision-1',
  })
}

test('a call through the gateway reaches the tool with the caller whom the token names', async () => {
  const { status } = await send({ as: gateway, tokens: [await tokenFor({})] })
  assert.equal(status, 200)
  const [{ caller } = assert.fail('not served')] = served
  assert.equal(caller.via, 'gateway')
  assert.equal(caller.spiffeId, 'spiffe://test.example/ns/acme/sa/researcher')
  assert.equal(caller.tenant, 'acme')
  assert.equal(caller.role, 'agent')
  assert.deepEqual(caller.toolScopes, ['github:issues_*'])
  assert.equal(caller.transactionId, 'decision-1')
  assert.equal(served[0]?.body.toString(), body)
})

test('the gateway may list on its own account, without a token', async () => {
  const { status } = await send({ as: gateway, body: list })
  assert.equal(status, 200)
  assert.equal(served[0]?.caller.via, 'direct')
})

test('a role that may come directly is known by its own certificate and ceiling', async () => {
  requirement('toolserver.only-through-gateway')
  const { status } = await send({ as: modelGateway, body: '{"model":"llama-3-70b"}' })
  assert.equal(status, 200)
  const [{ caller } = assert.fail('not served')] = served
  assert.equal(caller.via, 'direct')
  assert.equal(caller.allowsModel('llama-3-70b'), true)
  assert.equal(caller.allowsModel('mistral-small'), false)
})

/** What has a name beside tools, as a client asks for it. */
const named: readonly [string, string, Record<string, unknown>, Parameters<typeof tokenFor>[0]][] =
  [
    ['prompts/get', 'review', { name: 'review', arguments: { a: 1 } }, { input: { a: 1 } }],
    ['resources/read', 'repo://acme/readme', { uri: 'repo://acme/readme' }, { input: null }],
    [
      'completion/complete',
      'repo://{owner}',
      {
        ref: { type: 'ref/resource', uri: 'repo://{owner}' },
        argument: { name: 'owner', value: '' },
      },
      { input: null },
    ],
    ['tasks/result', 't-1', { taskId: 't-1' }, { input: null, tool: 'issues_list' }],
  ]

for (const [method, target, params, of] of named) {
  test(`${method} needs a token for that method and that name`, async () => {
    requirement('toolserver.only-through-gateway')
    requirement('token.bound-to-call')
    const asked = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    const ask = async (...tokens: readonly string[]): Promise<number> =>
      (await send({ as: gateway, body: asked, tokens })).status
    assert.equal(await ask(await tokenFor({ method, target, ...of })), 200)
    assert.equal(served[0]?.caller.via, 'gateway')
    assert.equal(await ask(), 403)
    assert.equal(await ask(await tokenFor({ method, target: `${target}2`, ...of })), 403)
    assert.equal(await ask(await tokenFor({ method: 'prompts/list', target, ...of })), 403)
    assert.equal(await ask(await tokenFor({})), 403)
    assert.deepEqual(served, [])
  })
}

const rogue = authority.issue({
  namespace: 'acme',
  serviceAccount: 'innocent',
  role: 'tool-broker',
})
const otherGateway = authority.issue({ serviceAccount: 'gateway-2', role: 'tool-broker' })

const refused: readonly [string, () => Promise<Sent>, RegExp][] = [
  [
    'an agent that comes without the gateway',
    async () => ({ as: agent, tokens: [await tokenFor({})] }),
    /want=a gateway of this server got=.*researcher, agent/,
  ],
  [
    'a tool broker that this server does not name, with a token of its own for somebody',
    async () => ({ as: rogue, tokens: [await tokenFor({ signer: rogue.credential })] }),
    /want=a gateway of this server got=.*ns\/acme\/sa\/innocent, tool-broker/,
  ],
  [
    'a tool broker that this server does not name, listing',
    () => Promise.resolve({ as: rogue, body: list }),
    /want=a gateway of this server/,
  ],
  ['a peer without a role', () => Promise.resolve({ as: authority.issue() }), /got=.*, no role/],
  [
    'a call without a token',
    () => Promise.resolve({ as: gateway }),
    /exactly one Txn-Token header got=0/,
  ],
  [
    'a call with two tokens',
    async () => ({ as: gateway, tokens: [await tokenFor({}), await tokenFor({})] }),
    /exactly one Txn-Token header got=2/,
  ],
  [
    'a token that another gateway signed',
    async () => ({ as: gateway, tokens: [await tokenFor({ signer: otherGateway.credential })] }),
    /./,
  ],
  [
    'a token for another tool server',
    async () => ({
      as: gateway,
      tokens: [await tokenFor({ server: 'spiffe://test.example/ns/tools/sa/notes' })],
    }),
    /./,
  ],
  [
    'a token for another server that has the same SPIFFE ID',
    async () => ({ as: gateway, tokens: [await tokenFor({ name: 'github-2' })] }),
    /token is for another server, want=github/,
  ],
  [
    'a token for another tool',
    async () => ({ as: gateway, tokens: [await tokenFor({ tool: 'issues_delete' })] }),
    /./,
  ],
  [
    'a token for other arguments',
    async () => ({
      as: gateway,
      tokens: [await tokenFor({ input: { repository: 'globex/vault' } })],
    }),
    /./,
  ],
  [
    'a token with a method that needs none',
    async () => ({
      as: gateway,
      tokens: [await tokenFor({})],
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
    }),
    /want=a transaction token only with what names a tool/,
  ],
]

for (const [what, prepare, message] of refused) {
  test(`${what} is refused before the tool sees it`, async () => {
    requirement('toolserver.only-through-gateway')
    requirement('toolserver.gateway-by-name')
    const { status, text } = await send(await prepare())
    assert.equal(status, 403)
    assert.match((JSON.parse(text) as { error: { message: string } }).error.message, message)
    assert.deepEqual(served, [])
  })
}

test('a token is of no use a minute later', async () => {
  const token = await tokenFor({})
  clock.now += 60_000
  const { status } = await send({ as: gateway, tokens: [token] })
  clock.now -= 60_000
  assert.equal(status, 403)
  assert.deepEqual(served, [])
})

const unreadable: readonly [string, string][] = [
  ['no JSON', '{'],
  ['a batch', `[${body}]`],
  ['a name twice', body.replace('"name":', '"name":"issues_delete","name":')],
  ['a name in capitals', body.replace('"name":', '"Name":"issues_delete","name":')],
]

for (const [what, text] of unreadable) {
  test(`a body with ${what} is refused before the token is looked at`, async () => {
    const { status } = await send({ as: gateway, body: text, tokens: [await tokenFor({})] })
    assert.equal(status, 400)
    assert.deepEqual(served, [])
  })
}

test('a body of megabytes within the limit is read and verified', async () => {
  const input = { repository: 'x'.repeat(2_000_000) }
  const text = JSON.stringify({ ...call, params: { ...call.params, arguments: input } })
  const { status } = await send({ as: gateway, body: text, tokens: [await tokenFor({ input })] })
  assert.equal(status, 200)
  assert.equal(served[0]?.caller.via, 'gateway')
})

test('a request whose sender goes away while it is verified is handed to nobody', async () => {
  requirement('toolserver.gone-is-not-served')
  const handed: unknown[] = []
  const judged = countersign.guard((request, response) => {
    handed.push(request.headers['x-leaves'])
    response.end('{}')
  })
  const leaving = createServer(countersign.tlsOptions, (request, response) => {
    judged(request, response)
    // All of it has come, and its token is being verified.
    request.once('end', () => {
      if (request.headers['x-leaves'] === 'yes') setImmediate(() => response.destroy())
    })
  }).listen(0, '127.0.0.1')
  await once(leaving, 'listening')
  const tokens = [await tokenFor({})]
  const as = { as: gateway, tokens, to: leaving }
  await assert.rejects(send({ ...as, headers: { 'x-leaves': 'yes' } }))
  await send({ ...as, headers: { 'x-leaves': 'no' } })
  leaving.close()
  assert.deepEqual(handed, ['no'])
})

test('a refusal has the id of the request, or null', async () => {
  const named = await send({ as: gateway, body, tokens: [] })
  assert.equal(named.status, 403)
  assert.match(named.text, /^\{"jsonrpc":"2\.0","id":1,"error":\{"code":-31403,"message":"/)
  const nameless = await send({ as: gateway, body: `[${body}]`, tokens: [] })
  assert.match(nameless.text, /^\{"jsonrpc":"2\.0","id":null,"error":/)
})

test('a body over the limit is refused unread', async () => {
  const { status } = await send({ as: modelGateway, body: 'x'.repeat(3_100_000) })
  assert.equal(status, 413)
})

test('a certificate of another authority does not get as far as a request', async () => {
  const foreign = createTestAuthority().issue({ role: 'tool-broker' })
  await assert.rejects(send({ as: foreign, tokens: [] }))
  assert.deepEqual(served, [])
})

test('a certificate that expires while its connection is open is refused on the next request', async () => {
  requirement('attack.expired-but-served')
  requirement('toolserver.peer-checked-each-request')
  const socket = connectAsGateway()
  let seen = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    seen += chunk
  })
  const request = [
    'POST / HTTP/1.1',
    'host: tool',
    'content-type: application/json',
    'accept: application/json, text/event-stream',
    'mcp-protocol-version: 2025-11-25',
    `content-length: ${list.length}`,
    '',
    list,
  ].join('\r\n')
  socket.write(request)
  await eventually('the first answer', () => seen.includes('200 OK'))
  clock.now += 3_600_000
  try {
    socket.write(request)
    await eventually('the second answer', () => /403 Forbidden[^]*SVID has ended/.test(seen))
  } finally {
    clock.now -= 3_600_000
    socket.destroy()
  }
})

test('a session is never resumed: every connection shows its certificate', async () => {
  requirement('toolserver.peer-checked-each-request')
  requirement('gateway.no-tickets')
  const open = (session?: Buffer): Promise<{ reused: boolean; session: Buffer | undefined }> =>
    new Promise((resolve, reject) => {
      let given: Buffer | undefined
      const socket = connectAsGateway(session)
      socket.on('session', (each) => {
        given = each
      })
      let reused = true
      socket.once('secureConnect', () => {
        reused = socket.isSessionReused()
      })
      socket.once('error', reject)
      socket.write('GET / HTTP/1.1\r\nhost: tool\r\nconnection: close\r\n\r\n')
      socket.resume().once('close', () => resolve({ reused, session: given }))
    })
  const first = await open()
  assert.equal((await open(first.session)).reused, false)
})

test('new handshakes follow the mounted credential as it rotates', async () => {
  const next = authority.issue({
    namespace: 'tools',
    serviceAccount: 'github',
    role: 'tool-server',
  })
  await writeFile(join(folder, 'next.pem'), next.credentialPem, { mode: 0o600 })
  await rename(join(folder, 'next.pem'), join(folder, 'credential.pem'))
  const serial = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connectAsGateway()
      socket.once('error', reject)
      socket.once('secureConnect', () => {
        resolve(socket.getPeerCertificate().serialNumber.toLowerCase())
        socket.destroy()
      })
    })
  await eventually('the new certificate', async () => (await serial()) === next.issued.serialNumber)
})

test('a folder without the files is an error that names the file', async () => {
  await assert.rejects(
    requireCountersign({
      credentialBundle: join(folder, 'none.pem'),
      trustBundle: join(folder, 'trust.pem'),
      trustDomain: 'test.example',
      gateways: [],
      production: false,
    }),
    (error: Error & { code: string }) => error.code === 'pki/credential',
  )
})

test('a server that is attached ends in order: its last word on an idle connection is that nothing was received', async () => {
  requirement('toolserver.ended-means-not-begun')
  await using own = await requireCountersign({
    credentialBundle: join(folder, 'credential.pem'),
    trustBundle: join(folder, 'trust.pem'),
    trustDomain: 'test.example',
    gateways: [gateway.identity.spiffeId.uri],
    production: false,
    now: () => clock.now,
  })
  let begun = 0
  const guarded = createServer(
    own.tlsOptions,
    own.guard((_request, response) => {
      begun += 1
      response.end('{}')
    }),
  )
  own.attach(guarded)
  await new Promise<void>((resolve) => {
    guarded.listen(0, '127.0.0.1', resolve)
  })
  const { port } = guarded.address() as AddressInfo
  const { chainPem: cert, privateKeyPem: key } = gateway.credential
  const ca = authority.bundlePem
  const idle = connect({
    host: '127.0.0.1',
    port,
    cert,
    key,
    ca,
    checkServerIdentity: () => undefined,
  })
  await once(idle, 'secureConnect')
  let text = ''
  idle.on('data', (chunk: Buffer) => (text += chunk.toString()))
  const closing = own.close({ graceSeconds: 0 })
  await eventually('the last word', () => text !== '')
  assert.match(text, /^HTTP\/1\.1 408 [^]*connection: close/)
  idle.end('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}')
  await closing
  assert.equal(begun, 0)
  assert.equal(guarded.listening, false)
})

test('in production, which is the default, a tool server says which extension it reads', async () => {
  const options = {
    credentialBundle: join(folder, 'credential.pem'),
    trustBundle: join(folder, 'trust.pem'),
    trustDomain: 'test.example',
    gateways: [],
  }
  await assert.rejects(requireCountersign(options), { code: 'pki/identity-extension-oid' })
  const identityExtensionOid = '1.3.6.1.4.1.324731.1'
  await using ready = await requireCountersign({ ...options, identityExtensionOid })
  assert.equal(ready.tlsOptions.minVersion, 'TLSv1.3')
})

test('a gateway of another trust domain cannot be named', async () => {
  await assert.rejects(
    requireCountersign({
      credentialBundle: join(folder, 'credential.pem'),
      trustBundle: join(folder, 'trust.pem'),
      trustDomain: 'test.example',
      gateways: ['spiffe://other.example/ns/system/sa/gateway'],
      production: false,
    }),
    { code: 'identity/spiffe-id' },
  )
})

test('a request on a connection that has ended is not begun: its sender sends it again', async () => {
  requirement('gateway.repeats-only-what-was-not-begun')
  const late = { socket: { writable: false } } as unknown as IncomingMessage
  assert.deepEqual(await countersign.verifyRequest(late, Buffer.from(body)), {
    refused: true,
    status: 400,
    message: 'the connection has ended: the request was not received',
  })
})
