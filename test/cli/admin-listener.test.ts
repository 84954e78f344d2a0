import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { assert as hold, asyncProperty, constantFrom, oneof, string, uint8Array } from 'fast-check'
import { openAdminListener, type AdminOptions } from '../../src/cli/admin-listener.ts'
import { createMetrics } from '../../src/metrics.ts'
import type { Condition } from '../../src/readiness.ts'
import { requirement } from '../requirements.ts'

const ledger: Condition = { name: 'ledger', ok: true, reason: '7 records' }
const rights: Condition = { name: 'rights', ok: false, reason: 'missing: list pods' }
const upstream: Condition = { name: 'upstream a', ok: false, reason: 'gone', optional: true }

function openAdmin(changed: Partial<AdminOptions> = {}): ReturnType<typeof openAdminListener> {
  return openAdminListener({
    host: '127.0.0.1',
    port: 0,
    metrics: createMetrics(),
    conditions: () => [ledger],
    ...changed,
  })
}

test('health, metrics and pages are served; nothing else is', async () => {
  const metrics = createMetrics()
  let page: { contentType: string; body: string } | undefined
  await using admin = await openAdmin({ metrics, pages: { '/page': () => page } })
  const get = async (path: string, method = 'GET'): Promise<[number, string]> => {
    const response = await fetch(`${admin.url}${path}`, { method })
    return [response.status, await response.text()]
  }
  assert.deepEqual(await get('/healthz'), [200, 'ok\n'])
  assert.deepEqual(await get('/healthz', 'HEAD'), [200, ''])
  metrics.count('countersign_ledger_records_total', { kind: 'issuance-intent' }, 3)
  const [status, text] = await get('/metrics')
  assert.equal(status, 200)
  assert.match(text, /countersign_ledger_records_total\{kind="issuance-intent"\} 3/)
  assert.doesNotMatch(text, /countersign_issuer_expiry_seconds/, 'a gauge that nobody set')
  metrics.set('countersign_issuer_expiry_seconds', 60)
  assert.match((await get('/metrics'))[1], /countersign_issuer_expiry_seconds 60/)
  assert.equal((await get('/page'))[0], 503)
  page = { contentType: 'text/x', body: 'hello' }
  assert.deepEqual(await get('/page'), [200, 'hello'])
  assert.equal((await get('/debug'))[0], 404)
  assert.equal((await get('/healthz', 'POST'))[0], 405)
})

test('a page that breaks says nothing of why, and the others stand', async () => {
  requirement('cli.admin-stands')
  const broken = (): never => {
    throw new Error('of no concern to others')
  }
  await using admin = await openAdmin({ pages: { '/broken': broken } })
  const answer = await fetch(`${admin.url}/broken`)
  assert.deepEqual([answer.status, await answer.text()], [500, 'internal error\n'])
  assert.equal((await fetch(`${admin.url}/healthz`)).status, 200)
})

test('readiness names every condition with its reason, as text and as JSON', async () => {
  let conditions: readonly Condition[] = [ledger, rights, upstream]
  await using admin = await openAdmin({ conditions: () => conditions })
  const answer = await fetch(`${admin.url}/readyz`)
  assert.equal(answer.status, 503)
  assert.equal(
    await answer.text(),
    '[+] ledger: 7 records\n[-] rights: missing: list pods\n[!] upstream a: gone\n',
  )
  assert.equal((await fetch(`${admin.url}/healthz`)).status, 200, 'alive all the same')
  conditions = [ledger, upstream]
  const ready = await fetch(`${admin.url}/readyz`, { headers: { accept: 'application/json' } })
  assert.equal(ready.status, 200, 'a warning does not make it unready')
  assert.match(ready.headers.get('content-type') ?? '', /^application\/json/)
  assert.deepEqual(await ready.json(), { ready: true, conditions })
})

test('a port that is taken is an error, not a silent other port', async () => {
  await using first = await openAdmin()
  const port = Number(new URL(first.url).port)
  await assert.rejects(openAdmin({ port }), {
    code: 'cli/listen',
    message: `admin: "127.0.0.1:${port}": a port that is taken`,
  })
})

/** Everything that the listener sends before it closes the connection, or before it has answered and we do. */
function exchange(url: string, octets: string | Buffer): Promise<string> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1')
      // An answer that leaves the connection open is whole when its body is, and these are short.
      if (/\r\n\r\n/.test(answer)) setTimeout(() => socket.destroy(), 20).unref()
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(answer))
    socket.end(octets)
  })
}

const strange: readonly [string, string, RegExp][] = [
  ['an empty authority', 'GET // HTTP/1.1\r\nhost: a\r\n\r\n', /^HTTP\/1\.1 40[04] /],
  ['many slashes', `GET ${'/'.repeat(4000)} HTTP/1.1\r\nhost: a\r\n\r\n`, /^HTTP\/1\.1 4/],
  ['a scheme alone', 'GET http:// HTTP/1.1\r\nhost: a\r\n\r\n', /^HTTP\/1\.1 40[04] /],
  ['absolute form', 'GET http://a/healthz HTTP/1.1\r\nhost: a\r\n\r\n', /^HTTP\/1\.1 (200|4)/],
  ['a bad port', 'GET http://a:99999/ HTTP/1.1\r\nhost: a\r\n\r\n', /^HTTP\/1\.1 4/],
  ['a bad escape', 'GET /%zz HTTP/1.1\r\nhost: a\r\n\r\n', /^HTTP\/1\.1 4/],
  ['half an escape', 'GET /%E0%A4%A HTTP/1.1\r\nhost: a\r\n\r\n', /^HTTP\/1\.1 4/],
  ['a query', 'GET /healthz?x=%zz HTTP/1.1\r\nhost: a\r\n\r\n', /^HTTP\/1\.1 (200|4)/],
  ['OPTIONS *', 'OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n', /^HTTP\/1\.1 40[05] /],
  ['CONNECT', 'CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n', /^(HTTP\/1\.1 4|$)/],
  ['an upgrade', 'GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n', /4/],
  ['no host', 'GET /healthz HTTP/1.1\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['HTTP/1.0', 'GET /healthz HTTP/1.0\r\n\r\n', /^HTTP\/1\.1 200 /],
  ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', /^HTTP\/1\.1 400 /],
  ['nothing', '', /^$/],
  [
    'a header of a mebibyte',
    `GET / HTTP/1.1\r\nx: ${'a'.repeat(1 << 20)}\r\n\r\n`,
    /^(HTTP\/1.1 4|$)/,
  ],
  [
    'ten thousand headers',
    `GET / HTTP/1.1\r\n${'a: b\r\n'.repeat(10_000)}\r\n`,
    /^(HTTP\/1.1 4|$)/,
  ],
  [
    'a body',
    'POST /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{"a":1}xx',
    /^HTTP\/1\.1 405 /,
  ],
  [
    'a body of a GET',
    'GET /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 999\r\n\r\n',
    /^HTTP\/1\.1 400 /,
  ],
  [
    'two lengths',
    'GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
    /^HTTP\/1\.1 400 /,
  ],
  ['an expectation', 'GET /healthz HTTP/1.1\r\nhost: a\r\nexpect: tea\r\n\r\n', /^HTTP\/1\.1 417 /],
  ['an unknown method', 'BREW /healthz HTTP/1.1\r\nhost: a\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['a rare method', 'MKCOL /healthz HTTP/1.1\r\nhost: a\r\n\r\n', /^HTTP\/1\.1 40[45] /],
  ['a prototype', 'GET /__proto__ HTTP/1.1\r\nhost: a\r\n\r\n', /^HTTP\/1\.1 404 /],
]

test('no input ends the process or hangs: what is no request of ours is refused', async (t) => {
  requirement('cli.admin-stands')
  await using admin = await openAdmin()
  for (const [what, octets, expected] of strange) {
    await t.test(what, async () => {
      assert.match(await exchange(admin.url, octets), expected)
      assert.match(await exchange(admin.url, healthz), /^HTTP\/1\.1 200 /)
    })
  }
})

const healthz = 'GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'

for (const [what, octets] of [
  ['nothing', ''],
  ['half a request', 'GET /healthz HTTP/1.1\r\nx: '],
  ['a request, and then nothing', 'GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n'],
] as const) {
  test(`a connection that says ${what} is ended`, async () => {
    requirement('cli.admin-stands')
    await using admin = await openAdmin({ silenceMilliseconds: 50 })
    const { hostname, port } = new URL(admin.url)
    const socket = connect(Number(port), hostname)
    socket.write(octets)
    socket.resume()
    await once(socket, 'close')
  })
}

test('one address holds 32 connections, and no more', async () => {
  requirement('cli.admin-stands')
  await using admin = await openAdmin()
  const { port } = new URL(admin.url)
  const held = Array.from({ length: 32 }, () => connect(Number(port), '127.0.0.1'))
  await Promise.all(held.map((socket) => once(socket, 'connect')))
  const refused = connect(Number(port), '127.0.0.1')
  refused.on('error', () => {})
  await once(refused, 'close')
  const probe = connect({ port: Number(port), host: '127.0.0.1', localAddress: '127.0.0.2' })
  probe.write(healthz)
  let answer = ''
  for await (const octets of probe) answer += String(octets)
  assert.match(answer, /^HTTP\/1.1 200 /)
  for (const socket of held) socket.destroy()
})

test('whatever octets come, the next one is served', async () => {
  requirement('cli.admin-stands')
  await using admin = await openAdmin()
  const target = string({
    unit: constantFrom('/', ':', '%', '?', '#', '*', '[', 'a', '\\', '@'),
  })
  const line = oneof(
    target.map((path) => `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`),
    target.map((path) => `OPTIONS http:${path} HTTP/1.1\r\nhost: a\r\n\r\n`),
    uint8Array({ maxLength: 400 }).map((octets) => Buffer.from(octets).toString('latin1')),
    string().map((text) => `GET / HTTP/1.1\r\n${text}\r\n\r\n`),
  )
  await hold(
    asyncProperty(line, async (octets) => {
      await exchange(admin.url, octets)
      assert.match(await exchange(admin.url, healthz), /^HTTP\/1\.1 200 /)
    }),
    { numRuns: 60, seed: 7 },
  )
})
