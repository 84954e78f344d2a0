import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { CountersignError } from '../../../src/errors.ts'
import { createSeal } from '../../../src/gateway/handle/seal.ts'
import { openSession, sealSession, type Session } from '../../../src/gateway/handle/session.ts'

const key = Buffer.alloc(32, 7)
const session: Session = {
  owner: 'spiffe://test.example/ns/agents/sa/agent pod-1',
  door: 'mcp',
  version: '2025-11-25',
  upstreams: { files: { id: 'theirs', version: '2025-11-25' }, web: { id: null, version: 'x' } },
}

test('a session comes back as it was sealed, on any replica with the key', () => {
  const id = sealSession(createSeal({ key }), session) ?? ''
  assert.match(id, /^[\x21-\x7e]+$/)
  assert.deepEqual(openSession(createSeal({ key }), id), session)
})

test('a session of another key is none', () => {
  const id = sealSession(createSeal({}), session) ?? ''
  assert.equal(openSession(createSeal({ key }), id), undefined)
})

test('a session id with any character changed is none', () => {
  const seal = createSeal({ key })
  const id = sealSession(seal, session) ?? ''
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
  const owners = ['a', 'ab', 'abc'].map((owner) => sealSession(seal, { ...session, owner }) ?? '')
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

for (const [what, id] of Object.entries({ long: 'x'.repeat(300), 'not ASCII': 'é', blank: ' ' })) {
  test(`an upstream's session id that is ${what} is not carried`, () => {
    const upstreams = { files: { id, version: '2025-11-25' } }
    assert.equal(sealSession(createSeal({ key }), { ...session, upstreams }), undefined)
  })
}

test('a session that would not fit a header is not made', () => {
  const upstreams = Object.fromEntries(
    Array.from({ length: 40 }, (_, index) => [
      `server-${index}`,
      { id: 'x'.repeat(200), version: '2025-11-25' },
    ]),
  )
  assert.equal(sealSession(createSeal({ key }), { ...session, upstreams }), undefined)
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
