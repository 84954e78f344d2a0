import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { CountersignError } from '../../../src/errors.ts'
import { createSeal, type Seal } from '../../../src/gateway/handle/seal.ts'
import {
  helloOf,
  openSession,
  sealSession,
  type Session,
} from '../../../src/gateway/handle/session.ts'

const key = Buffer.alloc(32, 7)
const session: Session = {
  owner: 'spiffe://test.example/ns/agents/sa/agent pod-1',
  key: 'one of its sessions',
  hello: { capabilities: {}, clientInfo: { name: 'test' } },
  door: 'mcp',
  version: '2025-11-25',
  upstreams: {
    files: { id: 'theirs', version: '2025-11-25', spiffeId: 'f' },
    web: { id: null, version: 'x', spiffeId: 'w' },
  },
}

function idOf(seal: Seal, one: Session): string {
  const sealed = sealSession(seal, one)
  assert.deepEqual(sealed?.without, [])
  return sealed.id
}

test('a session comes back as it was sealed, on any replica with the key', () => {
  const id = idOf(createSeal({ key }), session)
  assert.match(id, /^[\x21-\x7e]+$/)
  assert.deepEqual(openSession(createSeal({ key }), id), session)
})

test('a session of another key is none', () => {
  const id = idOf(createSeal({}), session)
  assert.equal(openSession(createSeal({ key }), id), undefined)
})

test('a session id with any character changed is none', () => {
  const seal = createSeal({ key })
  const id = idOf(seal, session)
  fc.assert(
    fc.property(fc.nat(id.length - 1), fc.constantFrom('A', 'b', '-', '=', '.'), (at, letter) => {
      fc.pre(id[at] !== letter)
      const changed = `${id.slice(0, at)}${letter}${id.slice(at + 1)}`
      assert.equal(openSession(seal, changed), undefined)
    }),
  )
})

test('a session id has one text, whatever bits its last character has that mean nothing', () => {
  const seal = createSeal({ key })
  const owners = ['a', 'ab', 'abc'].map((owner) => idOf(seal, { ...session, owner }))
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  for (const id of owners) {
    const opened = letters.split('').filter((letter) => openSession(seal, id.slice(0, -1) + letter))
    assert.deepEqual(opened, [id.at(-1)])
  }
})

test('what was sealed for another purpose is no session', () => {
  const seal = createSeal({ key })
  assert.equal(openSession(seal, seal.seal('countersign/cursor/1', session)), undefined)
})

for (const text of ['', 'A', 'A'.repeat(38), 'A'.repeat(5000), 'a b', 'é']) {
  test(`no session: ${JSON.stringify(text.slice(0, 40))} of ${text.length}`, () => {
    assert.equal(openSession(createSeal({ key }), text), undefined)
  })
}

test('of what a client says of itself, as much is carried as a header has room for', () => {
  const otherwise = { name: 'gateway' }
  const small = { capabilities: { roots: {} }, clientInfo: { name: 'x', version: '1' } }
  assert.deepEqual(helloOf(small, otherwise), small)
  const large = { capabilities: { x: 'a'.repeat(600) }, clientInfo: { name: 'a'.repeat(600) } }
  assert.deepEqual(helloOf(large, otherwise), { capabilities: {}, clientInfo: otherwise })
  assert.deepEqual(helloOf({}, otherwise), { capabilities: {}, clientInfo: otherwise })
  assert.deepEqual(helloOf({ clientInfo: 'x', capabilities: null }, otherwise), {
    capabilities: {},
    clientInfo: otherwise,
  })
})

test('of sessions that do not fit a header together, those with the longest ids are left out', () => {
  const seal = createSeal({ key })
  const upstreams = Object.fromEntries(
    Array.from({ length: 40 }, (_, index) => [
      `server-${index}`,
      { id: 'x'.repeat(index === 7 ? 10 : 200), version: '2025-11-25', spiffeId: 's' },
    ]),
  )
  const sealed = sealSession(seal, { ...session, upstreams })
  assert.ok(sealed !== undefined && sealed.id.length <= 4096)
  const kept = Object.keys(openSession(seal, sealed.id)?.upstreams ?? {})
  assert.deepEqual([...kept, ...sealed.without].toSorted(), Object.keys(upstreams).toSorted())
  assert.ok(kept.includes('server-7') && kept.length > 5)
})

test('a session whose owner alone does not fit a header is not made', () => {
  const owner = 'x'.repeat(4000)
  assert.equal(sealSession(createSeal({ key }), { ...session, owner }), undefined)
})

test('a key of another length is refused', () => {
  assert.throws(
    () => createSeal({ key: Buffer.alloc(16) }),
    (error: unknown) =>
      error instanceof CountersignError &&
      error.code === 'gateway/session-key' &&
      error.message === 'session key is of the wrong length, want=32 octets got=16',
  )
})
