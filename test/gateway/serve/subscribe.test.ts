import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requirement } from '../../requirements.ts'
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

test('what is asked of a server whose session cannot be opened counts for nothing, and what was asked before is given up', async () => {
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
  assert.equal(await refusalOf('resources/subscribe', 302), undefined)
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
