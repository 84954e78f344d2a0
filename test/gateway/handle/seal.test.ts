import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CountersignError } from '../../../src/errors.ts'
import {
  createHandleKey,
  oneHandleKey,
  orderHandleKeys,
  settleMilliseconds,
} from '../../../src/gateway/handle/keys.ts'
import {
  createSeal,
  sealedCharactersMax,
  type HandleKind,
  type HandleOf,
  type Seal,
} from '../../../src/gateway/handle/seal.ts'
import { requirement } from '../../requirements.ts'

const owner = 'spiffe://test.example/ns/a/sa/b pod'
const of = { kind: 'session', owner } as const
const [old, newer] = [1, 2].map((each) => createHandleKey(Buffer.alloc(32, each)))
assert.ok(old && newer)

function sealed(seal: Seal, value: object, whose: HandleOf = of): string {
  const handle = seal.seal(whose, value)
  assert.ok(handle !== undefined)
  return handle
}

function idIn(handle: string): string {
  return Buffer.from(handle, 'base64url').subarray(0, 4).toString('hex')
}

test('a key of another length is refused', () => {
  for (const octets of [0, 16, 31, 33, 64]) {
    assert.throws(
      () => createHandleKey(Buffer.alloc(octets)),
      (error: unknown) =>
        error instanceof CountersignError &&
        error.code === 'gateway/handle-key' &&
        error.message === `handle key is of the wrong length, want=32 octets got=${octets}`,
    )
  }
})

test('the id of a key follows from it, and is no part of it', () => {
  const octets = Buffer.from(Array.from({ length: 32 }, (_, index) => index))
  const { id } = createHandleKey(octets)
  assert.equal(id, createHandleKey(Buffer.from(octets)).id)
  assert.match(id, /^[0-9a-f]{8}$/)
  assert.ok(!octets.includes(Buffer.from(id, 'hex')))
  assert.notEqual(old.id, newer.id)
})

test('what one key has sealed another does not open, under its own id or the other’s', () => {
  const [first, second] = [old, newer].map(({ octets }) =>
    createSeal({ keys: oneHandleKey(octets) }),
  )
  assert.ok(first && second)
  const handle = sealed(first, { value: 1 })
  assert.equal(idIn(handle), old.id)
  assert.deepEqual(first.open(of, handle), { value: { value: 1 } })
  assert.equal(second.open(of, handle), undefined)
  const renamed = Buffer.from(handle, 'base64url')
  renamed.write(newer.id, 0, 'hex')
  assert.equal(second.open(of, renamed.toString('base64url')), undefined)
})

test('the newest key seals once it is everywhere, and opens at once', () => {
  let now = 1000
  const keys = orderHandleKeys(
    [
      { key: old, since: 0 },
      { key: newer, since: 1000 },
    ],
    () => now,
  )
  const seal = createSeal({ keys })
  const early = sealed(createSeal({ keys: oneHandleKey(newer.octets) }), { early: true })
  assert.deepEqual(seal.open(of, early), { value: { early: true } })
  assert.equal(idIn(sealed(seal, {})), old.id)
  now += settleMilliseconds - 1
  assert.equal(idIn(sealed(seal, {})), old.id)
  now += 1
  const handle = sealed(seal, {})
  assert.equal(idIn(handle), newer.id)
  assert.deepEqual(seal.open(of, handle), { value: {} })
})

test('of several keys that have just come, none seals before one that is everywhere', () => {
  requirement('gateway.handle-keys-rotate')
  let now = 1000
  const third = createHandleKey(Buffer.alloc(32, 3))
  const keys = orderHandleKeys(
    [
      { key: old, since: 1000 - settleMilliseconds },
      { key: newer, since: 1000 },
      { key: third, since: 1001 },
    ],
    () => now,
  )
  const seal = createSeal({ keys })
  assert.equal(idIn(sealed(seal, {})), old.id)
  now += settleMilliseconds
  assert.equal(idIn(sealed(seal, {})), newer.id)
  now += 1
  assert.equal(idIn(sealed(seal, {})), third.id)
})

test('where none is known to be everywhere, the first to come seals', () => {
  const third = createHandleKey(Buffer.alloc(32, 3))
  const placed = [old, newer, third].map((key) => ({ key, since: 1000 }))
  const [oldest, ...rest] = placed
  assert.ok(oldest)
  const seal = createSeal({ keys: orderHandleKeys([oldest, ...rest], () => 1000) })
  assert.equal(idIn(sealed(seal, {})), old.id)
})

test('a key that stands alone seals at once', () => {
  const seal = createSeal({ keys: orderHandleKeys([{ key: newer, since: 1000 }], () => 1000) })
  assert.equal(idIn(sealed(seal, {})), newer.id)
})

test('a session that is known is its owner’s alone, never changed by who reads it, and over with its key', () => {
  requirement('gateway.handle-keys-rotate')
  const rotated = [oneHandleKey(old.octets), oneHandleKey(newer.octets), oneHandleKey(old.octets)]
  let at = 0
  const seal = createSeal({ keys: { current: () => (rotated[at] ?? assert.fail()).current() } })
  const handle = sealed(seal, { upstreams: { tools: 'here' } })
  for (let time = 0; time < 3; time += 1) {
    const opened = seal.open(of, handle)
    assert.ok(opened !== undefined && 'value' in opened)
    assert.deepEqual(opened.value, { upstreams: { tools: 'here' } })
    ;(opened.value as { upstreams: Record<string, string> }).upstreams['tools'] = 'elsewhere'
    assert.deepEqual(seal.open({ ...of, owner: 'somebody else' }, handle), { ownedBy: owner })
    assert.equal(seal.open({ ...of, kind: 'cursor' }, handle), undefined)
  }
  at = 1
  assert.equal(seal.open(of, handle), undefined)
  at = 2
  assert.ok(seal.open(of, handle) !== undefined)
})

test('more sessions than are known open as before', () => {
  const seal = createSeal({ keys: oneHandleKey() })
  const handles = Array.from({ length: 1100 }, (_, at) => sealed(seal, { at }))
  for (const [at, handle] of [...handles, ...handles].entries()) {
    assert.deepEqual(seal.open(of, handle), { value: { at: at % handles.length } })
  }
})

test('a handle says nothing of its owner to who has no key', () => {
  const seal = createSeal({ keys: oneHandleKey() })
  const handle = Buffer.from(sealed(seal, { door: 'mcp' }), 'base64url').toString('latin1')
  for (const told of ['spiffe', 'pod', 'mcp', 'session']) assert.ok(!handle.includes(told))
})

for (const [kind, most] of Object.entries(sealedCharactersMax)) {
  test(`a ${kind} that is sealed opens, whatever is in it; one that is too long is not sealed`, () => {
    requirement('gateway.what-is-sealed-opens')
    const seal = createSeal({ keys: oneHandleKey() })
    const whose = { kind: kind as HandleKind, owner }
    const lengthOf = (octets: number): number | undefined => {
      const value = { x: 'x'.repeat(octets) }
      const handle = seal.seal(whose, value)
      if (handle !== undefined) assert.deepEqual(seal.open(whose, handle), { value })
      return handle?.length
    }
    const around = (most * 3) / 4
    const lengths = Array.from({ length: 200 }, (_, less) => lengthOf(around - less))
    assert.equal(lengths[0], undefined)
    assert.equal(Math.max(...lengths.map((length) => length ?? 0)), most)
    const short = sealed(seal, {}, whose)
    assert.equal(seal.open(whose, short.padEnd(most + 4, 'A')), undefined)
  })
}
