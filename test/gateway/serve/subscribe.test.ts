import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { legacy, type Reply, type TestClient } from '../world/client.ts'
import {
  asked,
  clientOf,
  grantsOfOpen,
  legacyOnly,
  modernOnly,
  ok,
  openOne,
  wanted,
} from '../world/eras.ts'
import type { Era, Script } from '../world/eras.ts'
import { openSession } from '../world/session.ts'

const uriOf = (number: number): string => `test://open/${number}`

for (const era of ['legacy', 'modern'] as const satisfies readonly Era[]) {
  test(`a session subscribes to so many resources of a ${era} server, and is told of those that are too many`, async () => {
    requirement('gateway.changes-bounded')
    const answer = era === 'legacy' ? legacyOnly(ok).answer : modernOnly(ok)
    await using world = await openOne(era, answer, { grants: grantsOfOpen })
    const ask = await clientOf('legacy', await world.agent(wanted), '/mcp/files')
    let id = 1
    const subscribe = async (uri: string, un = ''): Promise<string | undefined> => {
      const reply = await ask(`resources/${un}subscribe`, { uri }, (id += 1))
      return reply.json.error?.message.replace(/ \(decision .*/, '')
    }
    for (let number = 0; number < 256; number += 1) {
      assert.equal(await subscribe(uriOf(number)), undefined)
    }
    assert.equal(await subscribe(uriOf(256)), 'too many subscriptions of one session')
    assert.equal(await subscribe(uriOf(7)), undefined)
    assert.equal(await subscribe(uriOf(7), 'un'), undefined)
    assert.equal(await subscribe(uriOf(256)), undefined)
    assert.equal(await subscribe(uriOf(257)), 'too many subscriptions of one session')
    const uris = asked(world, 'files', 'resources/subscribe').map(({ body }) => body)
    assert.ok(!uris.some((body) => body.includes(uriOf(257))))
  })
}

test('what its server does not take counts for nothing', async () => {
  requirement('gateway.changes-bounded')
  const script: Script = ({ params }, { error, result }) => {
    if (params?.['uri'] === uriOf(0)) result('{}')
    else error('{"code":-32602,"message":"no"}')
  }
  await using world = await openOne('legacy', legacyOnly(script).answer, { grants: grantsOfOpen })
  const ask = await clientOf('legacy', await world.agent(wanted), '/mcp/files')
  for (let number = 1; number <= 300; number += 1) {
    const { json } = await ask('resources/subscribe', { uri: uriOf(number) }, number)
    assert.equal(json.error?.code, -32602)
  }
  assert.equal((await ask('resources/subscribe', { uri: uriOf(0) }, 301)).json.error, undefined)
})

test('what is asked of a server whose session cannot be opened counts for nothing, and what was asked before stays', async () => {
  requirement('gateway.changes-bounded')
  let isThere = true
  const { answer, sessions } = legacyOnly(ok)
  const files: typeof answer = (message, response, request) => {
    if (isThere) answer(message, response, request)
    else response.writeHead(503).end()
  }
  await using world = await openOne('legacy', files, { grants: grantsOfOpen })
  const ask = await clientOf('legacy', await world.agent(wanted), '/mcp')
  const at = (number: number): object => ({ uri: `files+${uriOf(number)}` })
  let id = 0
  const refusalOf = async (method: string, number: number): Promise<string | undefined> => {
    const { json } = await ask(method, { ...at(number) }, (id += 1))
    return json.error?.message.replace(/ \(decision .*/, '')
  }
  for (let number = 0; number < 255; number += 1) {
    assert.equal(await refusalOf('resources/subscribe', number), undefined)
  }
  isThere = false
  sessions.clear()
  assert.match(String(await refusalOf('resources/subscribe', 300)), /upstream/)
  assert.match(String(await refusalOf('resources/unsubscribe', 0)), /upstream/)
  isThere = true
  assert.equal(await refusalOf('resources/subscribe', 301), undefined)
  assert.equal(await refusalOf('resources/subscribe', 302), 'too many subscriptions of one session')
})

test('what is asked for in a new session stays, whenever the server says of the old one that it is lost', async () => {
  requirement('gateway.changes-bounded')
  const late: ServerResponse[] = []
  const { answer, sessions } = legacyOnly(({ method }, { result, response }) => {
    if (method === 'tools/call') late.push(response)
    else result('{}')
  })
  await using world = await openOne('legacy', answer, { grants: grantsOfOpen })
  const ofOne = { ...wanted, podUid: 'pod' }
  const [agent, other] = [await world.agent(ofOne), await world.agent(ofOne)]
  const session = await openSession(agent, '/mcp')
  let id = 1
  const ask = (from: TestClient, method: string, params: object): Promise<Reply> => {
    const { body, headers } = legacy(method, { ...params }, { session, id: (id += 1) })
    return from.post('/mcp', body, headers)
  }
  const refusalOf = async (number: number): Promise<string | undefined> => {
    const { json } = await ask(agent, 'resources/subscribe', { uri: `files+${uriOf(number)}` })
    return json.error?.message.replace(/ \(decision .*/, '')
  }
  const calling = ask(other, 'tools/call', { name: 'files_echo', arguments: {} })
  await eventually('the call is there', () => late.length === 1)
  sessions.clear()
  for (let number = 0; number < 256; number += 1) {
    assert.equal(await refusalOf(number), undefined)
  }
  late[0]?.writeHead(404).end()
  await eventually('the call is made anew', () => late.length === 2)
  const last = await refusalOf(256)
  late[1]?.writeHead(503).end()
  await calling
  assert.equal(last, 'too many subscriptions of one session')
})

test('what was never asked of its server counts for nothing', async () => {
  requirement('gateway.changes-bounded')
  await using world = await openOne('legacy', legacyOnly(ok).answer, { grants: grantsOfOpen })
  const ask = await clientOf('legacy', await world.agent(wanted), '/mcp/files')
  const current = world.credential.current()
  world.credential.current = () => ({ ...current, privateKeyPem: 'none' })
  for (let number = 1; number <= 256; number += 1) {
    const { json } = await ask('resources/subscribe', { uri: uriOf(number) }, number)
    assert.match(json.error?.message ?? '', /^internal error /)
  }
  assert.deepEqual(asked(world, 'files', 'resources/subscribe'), [])
  world.credential.current = () => current
  assert.equal((await ask('resources/subscribe', { uri: uriOf(0) }, 257)).json.error, undefined)
})
