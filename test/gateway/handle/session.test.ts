import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { oneHandleKey } from '../../../src/gateway/handle/keys.ts'
import { createSeal, type Seal } from '../../../src/gateway/handle/seal.ts'
import {
  helloOf,
  openSession,
  sealSession,
  type Session,
} from '../../../src/gateway/handle/session.ts'

const keys = oneHandleKey()
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

function open(seal: Seal, id: string): Session | undefined {
  const opened = openSession(seal, { id, owner: session.owner })
  assert.ok(opened === undefined || !('ownedBy' in opened))
  return opened
}

test('a session comes back as it was sealed, on any replica with the key', () => {
  const id = idOf(createSeal({ keys }), session)
  assert.match(id, /^[\x21-\x7e]+$/)
  assert.deepEqual(open(createSeal({ keys }), id), session)
})

test('a session of another key is none', () => {
  const id = idOf(createSeal({ keys: oneHandleKey() }), session)
  assert.equal(open(createSeal({ keys }), id), undefined)
})

test('a session id with any character changed is none', () => {
  const seal = createSeal({ keys })
  const id = idOf(seal, session)
  fc.assert(
    fc.property(fc.nat(id.length - 1), fc.constantFrom('A', 'b', '-', '=', '.'), (at, letter) => {
      fc.pre(id[at] !== letter)
      const changed = `${id.slice(0, at)}${letter}${id.slice(at + 1)}`
      assert.equal(open(seal, changed), undefined)
    }),
  )
})

test('a session id has one text, whatever bits its last character has that mean nothing', () => {
  const seal = createSeal({ keys })
  const ids = ['a', 'ab', 'abc'].map((letters) => idOf(seal, { ...session, key: letters }))
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  for (const id of ids) {
    const opened = letters.split('').filter((letter) => open(seal, id.slice(0, -1) + letter))
    assert.deepEqual(opened, [id.at(-1)])
  }
})

test('what was sealed as something else is no session', () => {
  const seal = createSeal({ keys })
  const { owner } = session
  assert.equal(open(seal, seal.seal({ kind: 'cursor', owner }, session) ?? ''), undefined)
})

test('a session of somebody else says whose it is', () => {
  const seal = createSeal({ keys })
  const id = idOf(seal, session)
  assert.deepEqual(openSession(seal, { id, owner: 'thief' }), { ownedBy: session.owner })
})

for (const text of ['', 'A', 'A'.repeat(38), 'A'.repeat(5000), 'a b', 'é']) {
  test(`no session: ${JSON.stringify(text.slice(0, 40))} of ${text.length}`, () => {
    assert.equal(open(createSeal({ keys }), text), undefined)
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
  const seal = createSeal({ keys })
  const upstreams = Object.fromEntries(
    Array.from({ length: 40 }, (_, index) => [
      `server-${index}`,
      { id: 'x'.repeat(index === 7 ? 10 : 200), version: '2025-11-25', spiffeId: 's' },
    ]),
  )
  const sealed = sealSession(seal, { ...session, upstreams })
  assert.ok(sealed !== undefined && sealed.id.length <= 4096)
  const kept = Object.keys(open(seal, sealed.id)?.upstreams ?? {})
  assert.deepEqual([...kept, ...sealed.without].toSorted(), Object.keys(upstreams).toSorted())
  assert.ok(kept.includes('server-7') && kept.length > 5)
})

test('a session whose owner alone does not fit a header is not made', () => {
  const owner = 'x'.repeat(4000)
  assert.equal(sealSession(createSeal({ keys }), { ...session, owner }), undefined)
})
