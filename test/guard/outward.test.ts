import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { openCountersignFetch } from '../../src/agent/countersign-fetch.ts'
import { createOutward } from '../../src/guard/outward.ts'
import { silentLog } from '../../src/log.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { list, ok, openGuardStage, usual, type GuardStage } from './stage.ts'

/* The certificate that is shown is let in by a guard, which says to whom it has answered. */

const opened = new AsyncDisposableStack()
let stage: GuardStage
let port: number

before(async () => {
  stage = opened.use(await openGuardStage())
  const folder = await mkdtemp(join(tmpdir(), 'countersign-outward-'))
  opened.defer(() => rm(folder, { recursive: true, force: true }))
  const [credentialBundle, trustBundle] = [join(folder, 'key.pem'), join(folder, 'trust.pem')]
  await writeFile(credentialBundle, stage.who.gateway.credentialPem, { mode: 0o600 })
  await writeFile(trustBundle, stage.anchors)
  const server = stage.who.guard.identity.spiffeId.uri
  const { fetch } = opened.use(
    await openCountersignFetch({ credentialBundle, trustBundle, server }),
  )
  const url = `https://127.0.0.1:${stage.port}/mcp`
  const listener = createServer(createOutward({ url, fetch, log: silentLog }))
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  port = (listener.address() as AddressInfo).port
  opened.defer(() => {
    listener.closeAllConnections()
    listener.close()
  })
})
after(() => opened.disposeAsync())
beforeEach(() => {
  stage.got.length = 0
  stage.answer = ok
})

function send(o: {
  readonly method?: string
  readonly path?: string
  readonly headers?: Record<string, string>
}): Promise<{ readonly status: number; readonly text: string }> {
  const { method = 'POST', path = '/mcp', headers = {} } = o
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port,
      method,
      path,
      agent: false,
      headers: { ...usual, ...headers },
    }
    const asked = httpRequest(options, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    asked.on('error', reject)
    asked.end(method === 'POST' ? list : undefined)
  })
}

test('what is asked on loopback is asked with the certificate of the pod, and nothing else goes along', async () => {
  const { status, text } = await send({
    headers: { authorization: 'Bearer secret', cookie: 'secret' },
  })
  assert.equal(status, 200)
  assert.equal(text, '{}')
  const [got] = stage.got
  assert.equal(got?.body.toString(), list)
  assert.match(got?.headers['countersign-caller'] ?? '', /ns\/system\/sa\/gateway/)
  assert.equal(got?.raw.join().includes('secret'), false)
})

for (const [what, headers] of [
  ['another host', { host: 'attacker.example' }],
  ['a name that was made to mean loopback', { host: 'attacker.example:8089' }],
  ['an origin', { origin: 'https://attacker.example' }],
  ['an origin of loopback', { origin: 'http://127.0.0.1:8089' }],
  ['an origin that is none', { origin: 'null' }],
  ['the word of a browser', { 'sec-fetch-site': 'same-origin' }],
] as const) {
  test(`a request with ${what} does not speak as the pod`, async () => {
    requirement('forward.no-page-speaks-as-the-pod')
    for (const method of ['POST', 'GET', 'DELETE', 'OPTIONS']) {
      assert.equal((await send({ method, headers })).status, 403)
    }
    assert.deepEqual(stage.got, [])
  })
}

test('another path and another method come to nobody', async () => {
  assert.equal((await send({ path: '/admin' })).status, 404)
  assert.equal((await send({ method: 'PUT' })).status, 405)
  assert.deepEqual(stage.got, [])
})

test('a stream comes as it is said, and is given up at the gateway when it is given up here', async () => {
  let gone = false
  stage.answer = (_, response) => {
    response.once('close', () => (gone = true))
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: one\n\n')
  }
  const options = {
    host: '127.0.0.1',
    port,
    method: 'POST',
    path: '/mcp',
    agent: false,
    headers: usual,
  }
  const asked = httpRequest(options)
  asked.on('error', () => {})
  asked.end(list)
  const [response] = (await once(asked, 'response')) as [NodeJS.ReadableStream]
  const [chunk] = (await once(response, 'data')) as [Buffer]
  assert.equal(chunk.toString(), 'data: one\n\n')
  response.on('error', () => {})
  asked.destroy()
  await eventually('it is given up', () => gone)
})
