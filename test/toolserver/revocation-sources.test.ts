import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { silentLog } from '../../src/log.ts'
import {
  requireCountersign,
  type RequireCountersignOptions,
  type VerifiedListener,
} from '../../src/toolserver/require-countersign.ts'
import { parseRevocationList } from '../../src/toolserver/revocation-list.ts'
import { followClusterRevocations } from '../../src/toolserver/revocation-sources.ts'
import { eventually } from '../support/eventually.ts'
import { createTestAuthority } from '../support/test-authority.ts'
import { requirement } from '../requirements.ts'

const authority = createTestAuthority()
const ofCluster = createTestAuthority({ dnsSuffixes: ['localhost'] })
const own = authority.issue({ serviceAccount: 'files', role: 'tool-server' })
const gateway = authority.issue({
  namespace: 'system',
  serviceAccount: 'gateway',
  role: 'tool-broker',
})
const { svid } = gateway.credential
const account = { namespace: 'system', name: 'gateway' }

const listOf = (...specs: readonly object[]): string =>
  JSON.stringify({
    kind: 'RevocationList',
    items: specs.map((spec, at) => ({ metadata: { name: `r${at}` }, spec })),
  })
const none = listOf()
const stolen = listOf({ serviceAccount: account, reason: 'stolen' })

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-revocations-'))
  await writeFile(join(folder, 'credential.pem'), own.credentialPem, { mode: 0o600 })
  await writeFile(join(folder, 'trust.pem'), authority.bundlePem)
})

after(() => rm(folder, { recursive: true }))

interface ToolServer extends AsyncDisposable {
  connect(): Promise<TLSSocket>
}

async function openToolServer(
  revocations: RequireCountersignOptions['revocations'],
  answer: VerifiedListener = (_, response) => void response.writeHead(200).end(),
): Promise<ToolServer> {
  const countersign = await requireCountersign({
    credentialBundle: join(folder, 'credential.pem'),
    trustBundle: join(folder, 'trust.pem'),
    trustDomain: 'test.example',
    gateways: [gateway.identity.spiffeId.uri],
    production: false,
    ...(revocations === undefined ? {} : { revocations }),
  })
  const guard = countersign.guard(answer)
  const listener = createServer(countersign.tlsOptions, guard)
  // What is idle ends only when it is made to.
  listener.keepAliveTimeout = 0
  countersign.attach(listener)
  const port = await portOf(listener)
  return {
    async connect() {
      const { chainPem: cert, privateKeyPem: key } = gateway.credential
      const ca = authority.bundlePem
      const checkServerIdentity = (): undefined => undefined
      const socket = connect({ host: '127.0.0.1', port, cert, key, ca, checkServerIdentity })
      await once(socket, 'secureConnect')
      return socket.on('error', () => {})
    },
    async [Symbol.asyncDispose]() {
      listener.closeAllConnections()
      listener.close()
      await countersign[Symbol.asyncDispose]()
    },
  }
}

async function portOf(listener: Server): Promise<number> {
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  return (listener.address() as AddressInfo).port
}

const list = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' })
const request = [
  'POST /mcp HTTP/1.1',
  'host: files',
  'content-type: application/json',
  'accept: application/json, text/event-stream',
  'mcp-protocol-version: 2025-11-25',
  `content-length: ${list.length}`,
  '',
  list,
].join('\r\n')

/** The status line and what follows it, of one request. */
async function ask(socket: TLSSocket): Promise<string> {
  socket.write(request)
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  return chunk.toString()
}

describe('a tool server that is told of revocations', () => {
  test('by a file refuses a gateway that is revoked, and ends what it has open', async () => {
    requirement('toolserver.revoked-gateway-refused')
    const file = join(folder, 'revocations.json')
    await writeFile(file, none)
    await using server = await openToolServer({ file })
    const socket = await server.connect()
    assert.match(await ask(socket), /^HTTP\/1\.1 200 /)
    await writeFile(file, stolen)
    await eventually('the connection has ended', () => socket.closed)
    assert.match(await ask(await server.connect()), /^HTTP\/1\.1 403 [^]*certificate is revoked/)
  })

  test('by a file that cannot be read any more lets nobody in', async () => {
    requirement('toolserver.revoked-gateway-refused')
    const file = join(folder, 'broken.json')
    await writeFile(file, none)
    await using server = await openToolServer({ file })
    await writeFile(file, '{')
    const asked = async (): Promise<string> => ask(await server.connect())
    await eventually('it is refused', async () => (await asked()).startsWith('HTTP/1.1 503 '))
    assert.match(await asked(), /revocations are not known/)
  })

  test('by a file that cannot be read any more ends what it is answering', async () => {
    requirement('toolserver.revoked-gateway-refused')
    const file = join(folder, 'broken-later.json')
    await writeFile(file, none)
    await using server = await openToolServer({ file }, (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    })
    const socket = await server.connect()
    assert.match(await ask(socket), /^HTTP\/1\.1 200 /)
    await writeFile(file, '{')
    await eventually('the connection has ended', () => socket.closed)
  })

  test('by a file that is not there does not start', async () => {
    const opening = openToolServer({ file: join(folder, 'nowhere.json') })
    await assert.rejects(opening)
  })
})

interface Cluster extends AsyncDisposable {
  readonly server: string
  readonly asked: { url: string | undefined; authorization: string | undefined }[]
  status: number
  body: string
}

/** An API server, as far as a pod sees it. */
async function openCluster(): Promise<Cluster> {
  const { chainPem: cert, privateKeyPem: key } = ofCluster.issue({
    role: 'tool-server',
    dnsNames: ['localhost'],
  }).credential
  await writeFile(join(folder, 'token'), 'the token\n')
  await writeFile(join(folder, 'ca.crt'), ofCluster.bundlePem)
  const asked: Cluster['asked'] = []
  const listener = createServer({ cert, key }, ({ url, headers }, response) => {
    asked.push({ url, authorization: headers.authorization })
    response.writeHead(cluster.status).end(cluster.body)
  })
  const port = await portOf(listener)
  const cluster: Cluster = {
    server: `https://localhost:${port}`,
    asked,
    status: 200,
    body: none,
    async [Symbol.asyncDispose]() {
      listener.closeAllConnections()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
  return cluster
}

describe('the revocations of a cluster', () => {
  test('are listed as the pod’s service account, and each change is told', async () => {
    requirement('toolserver.revoked-gateway-refused')
    await using cluster = await openCluster()
    const access = { server: cluster.server, account: folder }
    await using source = await followClusterRevocations({ access, log: silentLog })
    assert.deepEqual(cluster.asked, [
      {
        url: '/apis/countersign.dev/v1alpha1/revocations?resourceVersion=0',
        authorization: 'Bearer the token',
      },
    ])
    assert.equal(source.find(svid), undefined)
    let changes = 0
    source.onChange(() => (changes += 1))
    await source.poll()
    assert.equal(changes, 0)
    cluster.body = stolen
    await source.poll()
    assert.equal(changes, 1)
    assert.equal(source.find(svid)?.name, 'r0')
  })

  for (const [what, status, body] of [
    ['does not give them', 403, none],
    ['gives what cannot be read', 200, listOf({ podUid: 'x' })],
    ['gives no list', 200, '{}'],
  ] as const) {
    test(`are as old as the last list, where the API server ${what}`, async () => {
      requirement('toolserver.revoked-gateway-refused')
      await using cluster = await openCluster()
      let time = 0
      const access = { server: cluster.server, account: folder }
      const clock = (): number => time
      await using source = await followClusterRevocations({ access, log: silentLog, clock })
      cluster.body = stolen
      await source.poll()
      assert.equal(source.staleSeconds, 0)
      Object.assign(cluster, { status, body })
      time = 121_000
      await source.poll()
      assert.equal(source.staleSeconds, 121)
      assert.equal(source.find(svid)?.name, 'r0')
    })
  }

  test('are not known while nobody has given them, and then nobody is let in', async () => {
    requirement('toolserver.revoked-gateway-refused')
    await using cluster = await openCluster()
    cluster.status = 500
    await using server = await openToolServer({ server: cluster.server, account: folder })
    assert.match(await ask(await server.connect()), /^HTTP\/1\.1 503 [^]*revocations are not known/)
  })
})

describe('a list of revocations', () => {
  test('is read as the cluster writes it', () => {
    const spec = {
      podUID: 'u',
      tenant: 'acme',
      issuanceID: '00112233445566778899aabbccddeeff',
      issuedBefore: '2026-07-28T12:00:00Z',
      serviceAccount: account,
      reason: 'lost',
    }
    assert.deepEqual(parseRevocationList(listOf(spec)), [
      {
        name: 'r0',
        reason: 'lost',
        podUid: 'u',
        tenant: 'acme',
        issuanceId: '00112233445566778899aabbccddeeff',
        issuedBefore: new Date('2026-07-28T12:00:00Z'),
        serviceAccount: account,
      },
    ])
  })

  const unreadable: Readonly<Record<string, string>> = {
    'is no JSON': '{',
    'has no items': '{"kind":"List"}',
    'has an item without a matcher': listOf({ reason: 'x' }),
    'has a matcher that nobody knows': listOf({ tenant: 'acme', nodeName: 'a' }),
    'has a matcher of another type': listOf({ tenant: 7 }),
    'has half a service account': listOf({ serviceAccount: { name: 'gateway' } }),
    'has an empty pod UID': listOf({ podUID: '' }),
    'has a tenant that none can be': listOf({ tenant: 'ACME ' }),
    'has an issuance that none can be': listOf({ issuanceID: '0' }),
    'has a service account without a name': listOf({
      serviceAccount: { namespace: 'system', name: '' },
    }),
    'has a service account of another kind': listOf({ serviceAccount: { ...account, kind: 'x' } }),
    'has a year for a time': listOf({ issuedBefore: '2026' }),
    'has an item without a name': JSON.stringify({
      items: [{ metadata: {}, spec: { tenant: 'a' } }],
    }),
    'is not the whole': JSON.stringify({ items: [], metadata: { continue: 'more' } }),
    'has a time that is none': listOf({ issuedBefore: 'soon' }),
  }
  for (const [what, text] of Object.entries(unreadable)) {
    test(`that ${what} is not taken for a shorter one`, () => {
      requirement('toolserver.revoked-gateway-refused')
      assert.throws(() => parseRevocationList(text), { code: 'toolserver/revocations' })
    })
  }
})
