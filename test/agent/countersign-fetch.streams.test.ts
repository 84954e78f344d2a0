import assert from 'node:assert/strict'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import {
  openCountersignFetch,
  type CountersignFetch,
  type CountersignFetchOptions,
} from '../../src/agent/countersign-fetch.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { createTestAuthority } from '../support/test-authority.ts'

/** How far the authority is behind, while it issues what has expired by now. */
let behindMilliseconds = 2 * 3600_000
const authority = createTestAuthority({ now: () => Date.now() - behindMilliseconds })
const expired = authority.issue()
behindMilliseconds = 0
const gateway = authority.issue({ namespace: 'system', serviceAccount: 'gateway' })

/** The requests that wait for a test to answer them. */
const arrived: { readonly request: IncomingMessage; readonly response: ServerResponse }[] = []
let folder: string
let listening: Server
let url: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-streams-'))
  await writeFile(join(folder, 'trust.pem'), authority.bundlePem)
  const { chainPem: cert, privateKeyPem: key } = gateway.credential
  listening = createServer(
    { cert, key, ca: authority.bundlePem, requestCert: true, rejectUnauthorized: true },
    (request, response) => void arrived.push({ request, response }),
  )
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
  url = `https://127.0.0.1:${(listening.address() as AddressInfo).port}`
})

after(async () => {
  listening.closeAllConnections()
  listening.close()
  await rm(folder, { recursive: true, force: true })
})

let opened = 0

/** A fetch with a credential file of its own. */
async function open(
  more: Partial<CountersignFetchOptions> = {},
): Promise<CountersignFetch & { readonly file: string }> {
  const file = join(folder, `credential-${(opened += 1)}.pem`)
  await writeFile(file, authority.issue().credentialPem, { mode: 0o600 })
  const mtls = await openCountersignFetch({
    credentialBundle: file,
    trustBundle: join(folder, 'trust.pem'),
    server: gateway.identity.spiffeId.uri,
    ...more,
  })
  return { ...mtls, file, localPort: mtls.localPort }
}

async function next(): Promise<(typeof arrived)[number]> {
  await eventually('a request arrives', () => arrived.length > 0)
  const one = arrived.shift()
  assert.ok(one)
  return one
}

/** Of a connection, in order or not. */
function closeOf({ socket }: IncomingMessage): Promise<unknown> {
  return new Promise((resolve) => socket.once('close', resolve))
}

test('a request beyond the connections waits, in order, until an answer has been read', async () => {
  requirement('agent.connections-bounded')
  await using mtls = await open({ connectionsMax: 1, waitMilliseconds: 60_000 })
  const first = mtls.fetch(`${url}/1`)
  const second = mtls.fetch(`${url}/2`)
  const third = mtls.fetch(`${url}/3`)
  const one = await next()
  assert.equal(one.request.url, '/1')
  one.response.end('one')
  const answer = await first
  assert.equal(arrived.length, 0)
  assert.equal(await answer.text(), 'one')
  const two = await next()
  assert.equal(two.request.url, '/2')
  assert.equal(two.request.socket.remotePort, one.request.socket.remotePort)
  two.response.end()
  await (await second).text()
  ;(await next()).response.end()
  await third
})

test('a request that has waited so long for a connection is told why there is none', async () => {
  requirement('agent.connections-bounded')
  await using mtls = await open({ connectionsMax: 1, waitMilliseconds: 1 })
  const held = mtls.fetch(url)
  await assert.rejects(mtls.fetch(url), {
    code: 'agent/connections',
    message: 'every connection to the server has a request on it: want<1 open requests',
  })
  const { response } = await next()
  response.write('some')
  const answer = await held
  await assert.rejects(mtls.fetch(url), { code: 'agent/connections' })
  await answer.body?.cancel()
  const after = mtls.fetch(url)
  ;(await next()).response.end()
  assert.equal((await after).status, 200)
})

test('nine requests are open at once, and more', async () => {
  await using mtls = await open()
  const held = Array.from({ length: 20 }, () => mtls.fetch(url))
  await eventually('all arrive', () => arrived.length === 20)
  for (const { response } of arrived.splice(0)) response.end()
  await Promise.all(held.map(async (each) => (await each).text()))
})

test('who waits for a connection can be aborted, and leaves its turn to the next', async () => {
  await using mtls = await open({ connectionsMax: 1, waitMilliseconds: 60_000 })
  const held = mtls.fetch(url)
  const abort = new AbortController()
  const waits = mtls.fetch(url, { signal: abort.signal })
  const behind = mtls.fetch(`${url}/behind`)
  const why = new Error('enough')
  abort.abort(why)
  await assert.rejects(waits, (error) => error === why)
  ;(await next()).response.end()
  await (await held).text()
  const { request, response } = await next()
  assert.equal(request.url, '/behind')
  response.end()
  await behind
})

test('a request is aborted at once, with the reason: before its answer, and in the middle of it', async () => {
  await using mtls = await open()
  for (const isAnswered of [false, true]) {
    const abort = new AbortController()
    const why = new Error('enough')
    const asked = mtls.fetch(url, { method: 'POST', body: '{}', signal: abort.signal })
    const { request, response } = await next()
    const closed = closeOf(request)
    if (!isAnswered) {
      abort.abort(why)
      await assert.rejects(asked, (error) => error === why)
    } else {
      response.write('some')
      const reader = (await asked).body?.getReader()
      await reader?.read()
      abort.abort(why)
      await assert.rejects(Promise.resolve(reader?.read()), (error) => error === why)
    }
    await closed
  }
})

test('an answer is read as it comes, and no faster than it is asked for', async () => {
  requirement('agent.connections-bounded')
  await using mtls = await open()
  const asked = mtls.fetch(url)
  const { response } = await next()
  let sent = 0
  const chunk = Buffer.alloc(64 * 1024)
  const pour = (): void => {
    while (sent < 256 && !response.destroyed) {
      sent += 1
      if (!response.write(chunk)) return
    }
    response.end()
  }
  response.on('drain', pour)
  pour()
  const answer = await asked
  // What the two kernels and both ends hold of it comes to rest; the rest waits for a reader.
  let last = -1
  await eventually('it comes to rest', () => {
    const rests = sent === last
    last = sent
    return rests
  })
  assert.ok(sent < 256, `got=${sent}`)
  let read = 0
  for await (const part of answer.body ?? []) read += part.length
  assert.equal(read, 256 * chunk.length)
})

test('a body may be a stream: it is sent as it comes, and read no faster than it is sent', async () => {
  await using mtls = await open()
  let pulled = 0
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled += 1
      if (pulled > 256) controller.close()
      else controller.enqueue(new Uint8Array(64 * 1024))
    },
  })
  const asked = mtls.fetch(url, { method: 'POST', body, duplex: 'half' })
  const { request, response } = await next()
  let last = -1
  await eventually('it comes to rest', () => {
    const rests = pulled === last
    last = pulled
    return rests
  })
  assert.ok(pulled < 256, `got=${pulled}`)
  let received = 0
  for await (const part of request as AsyncIterable<Buffer>) received += part.length
  response.end(String(received))
  assert.equal(await (await asked).text(), String(256 * 64 * 1024))
})

test('a body that breaks breaks its request, and an answer before its end is an answer', async () => {
  await using mtls = await open()
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  const stream = (): ReadableStream<Uint8Array> =>
    new ReadableStream({ start: (given) => void (controller = given) })
  const why = new Error('the source broke')
  const broken = mtls.fetch(url, { method: 'POST', body: stream() })
  controller?.enqueue(Buffer.from('some'))
  await next()
  controller?.error(why)
  await assert.rejects(broken, (error) => error === why)
  const early = mtls.fetch(url, { method: 'POST', body: stream() })
  controller?.enqueue(Buffer.from('some'))
  ;(await next()).response.writeHead(413).end()
  assert.equal((await early).status, 413)
})

test('a body may be all that a fetch takes', async () => {
  await using mtls = await open()
  const asked = mtls.fetch(url, { method: 'POST', body: new URLSearchParams({ a: 'ü' }) })
  const { request, response } = await next()
  assert.match(request.headers['content-type'] ?? '', /^application\/x-www-form-urlencoded/)
  request.pipe(response)
  assert.equal(await (await asked).text(), 'a=%C3%BC')
})

for (const [status, taken] of [
  [204, true],
  [205, true],
  [304, true],
  [599, true],
  [600, false],
  [999, false],
] as const) {
  test(`an answer with status ${status} is ${taken ? 'an answer' : 'an error'}, and leaves its connection`, async () => {
    await using mtls = await open({ connectionsMax: 1 })
    const asked = mtls.fetch(url)
    ;(await next()).response.writeHead(status).end()
    if (taken) assert.equal((await asked).status, status)
    else await assert.rejects(asked, RangeError)
    const again = mtls.fetch(url)
    ;(await next()).response.end()
    assert.equal((await again).status, 200)
  })
}

test('what is under way when the credential rotates keeps its connection, which nobody has after it', async () => {
  await using mtls = await open()
  const held = mtls.fetch(url)
  const { request, response } = await next()
  const following = authority.issue()
  await writeFile(`${mtls.file}.next`, following.credentialPem, { mode: 0o600 })
  await rename(`${mtls.file}.next`, mtls.file)
  await eventually('the new one is shown', async () => {
    const asked = mtls.fetch(url)
    const one = await next()
    const shown = (one.request.socket as TLSSocket).getPeerCertificate().serialNumber
    one.response.end()
    await asked
    return shown.toLowerCase() === following.issued.serialNumber
  })
  const closed = closeOf(request)
  response.end('late')
  assert.equal(await (await held).text(), 'late')
  await closed
})

test('a certificate that has expired is what the error names', async () => {
  const credentialBundle = join(folder, 'expired.pem')
  await writeFile(credentialBundle, expired.credentialPem, { mode: 0o600 })
  await using mtls = await open({ credentialBundle })
  await assert.rejects(mtls.fetch(url, { method: 'POST', body: '{}' }), {
    code: 'agent/certificate-expired',
    message: `the mounted certificate has expired: notAfter=${expired.credential.svid.notAfter.toISOString()}`,
  })
})

test('a certificate of another authority is hung up on, and the error says what that may be', async () => {
  const credentialBundle = join(folder, 'foreign.pem')
  const foreign = createTestAuthority().issue()
  await writeFile(credentialBundle, foreign.credentialPem, { mode: 0o600 })
  await using mtls = await open({ credentialBundle })
  await assert.rejects(mtls.fetch(url, { method: 'POST', body: '{}' }), {
    code: /^(agent\/hung-up|ERR_SSL_TLSV1_ALERT_UNKNOWN_CA)$/,
  })
})

test('a server that takes connections and says nothing is given up', async () => {
  const silent = createTcpServer(() => {})
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const { port } = silent.address() as AddressInfo
  await using mtls = await open({ connectMilliseconds: 5 })
  await assert.rejects(mtls.fetch(`https://127.0.0.1:${port}`), {
    code: 'ETIMEDOUT',
    message: 'not connected within 5 ms',
  })
  silent.close()
})
