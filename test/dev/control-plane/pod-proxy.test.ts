import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { startApiWorld, type ApiWorld } from './api-world.ts'

let world: ApiWorld
let port: number
let seen: IncomingHttpHeaders = {}
const page = createServer((request, response) => {
  seen = request.headers
  response.writeHead(request.url === '/readyz?v=1' ? 503 : 200, { 'x-page': 'theirs' })
  response.end(request.url)
})
const path = '/api/v1/namespaces/default/pods'

before(async () => {
  world = await startApiWorld()
  await once(page.listen(0, '127.0.0.1'), 'listening')
  port = (page.address() as AddressInfo).port
  const spec = { containers: [{ name: 'main', image: 'i' }] }
  for (const name of ['serving', 'nowhere']) {
    await world.create(path, { metadata: { name }, spec })
  }
  const status = { podIP: '127.0.0.1', phase: 'Running' }
  await world.admin.send('PATCH', `${path}/serving/status`, { status })
})
after(async () => {
  page.close()
  await world[Symbol.asyncDispose]()
})

test('a page of a pod comes as the pod gives it, and the caller’s credentials do not go there', async () => {
  const answer = await world.admin.get(`${path}/serving:${port}/proxy/readyz?v=1`)
  assert.deepEqual(answer, { status: 503, body: '/readyz?v=1' })
  assert.equal(seen.authorization, undefined)
  const named = await world.admin.get(`${path}/http:serving:${port}/proxy/`)
  assert.equal(named.body, '/')
})

test('a pod that does not answer, has no address or is not there is an error that says so', async () => {
  const closed = await world.admin.get(`${path}/serving:1/proxy/`)
  assert.equal(closed.status, 503)
  assert.match(closed.body.message, /^error trying to reach service: /)
  assert.equal((await world.admin.get(`${path}/nowhere:80/proxy/`)).status, 400)
  assert.equal((await world.admin.get(`${path}/absent:80/proxy/`)).status, 404)
  assert.equal((await world.admin.get(`${path}/%zz/proxy/`)).status, 404)
})

test('it takes the right to get pods/proxy', async () => {
  const { status, body } = await world.user('stranger').get(`${path}/serving:${port}/proxy/`)
  assert.equal(status, 403)
  assert.match(body.message, /cannot get resource "pods\/proxy"/)
})
