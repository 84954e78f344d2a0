import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openCursor, sealCursor } from '../../../src/gateway/handle/cursor.ts'
import { oneHandleKey } from '../../../src/gateway/handle/keys.ts'
import { createSeal } from '../../../src/gateway/handle/seal.ts'
import { requirement } from '../../requirements.ts'

const seal = createSeal({ keys: oneHandleKey() })
const position = {
  owner: 'spiffe://test.example/ns/a/sa/b pod',
  era: 'modern',
  door: 'mcp',
  list: 'tools/list',
  pages: 1,
}

test('a cursor carries those of the upstreams, an empty one too', () => {
  const cursors = { files: '', web: 'c2' }
  const { cursor, without } = sealCursor(seal, { ...position, cursors })
  assert.deepEqual(without, [])
  assert.deepEqual(openCursor(seal, cursor, position), { ...position, cursors })
})

test('where nobody has more, there is no cursor', () => {
  const sealed = sealCursor(seal, { ...position, cursors: {} })
  assert.deepEqual(sealed, { cursor: undefined, without: [] })
})

test('a huge cursor of one upstream is not carried, and the others are', () => {
  const cursors = { files: 'x'.repeat(1_000_000), web: 'c2' }
  const { cursor, without } = sealCursor(seal, { ...position, cursors })
  assert.deepEqual(without, ['files'])
  assert.deepEqual(openCursor(seal, cursor, position)?.cursors, { web: 'c2' })
})

test('of cursors that are too much together the longest are not carried, and the rest comes back', () => {
  const servers = Array.from({ length: 40 }, (_, index) => `server-${index}`)
  const cursors = Object.fromEntries(
    servers.map((server, index) => [server, 'x'.repeat(index * 100)]),
  )
  const { cursor, without } = sealCursor(seal, { ...position, cursors })
  const carried = Object.keys(openCursor(seal, cursor, position)?.cursors ?? {})
  assert.equal(without[0], 'server-39')
  assert.deepEqual(carried, servers.slice(0, carried.length))
  assert.equal(carried.length + without.length, 40)
  assert.ok(carried.length > 10)
})

test('of so many upstreams that their names alone are too much none is carried, and all are named', () => {
  requirement('gateway.what-is-sealed-opens')
  const servers = Array.from({ length: 500 }, (_, index) => `${'x'.repeat(60)}${index}`)
  const cursors = Object.fromEntries(servers.map((server) => [server, 'c2']))
  const { cursor, without } = sealCursor(seal, { ...position, cursors })
  assert.deepEqual([cursor, without], [undefined, servers])
})

for (const [what, other] of Object.entries({
  'another owner': { owner: 'spiffe://test.example/ns/a/sa/b other-pod' },
  'the other era': { era: 'legacy' },
  'another list': { list: 'resources/list' },
  'another door': { door: 'mcp/files' },
})) {
  test(`a cursor is none for ${what}`, () => {
    const { cursor } = sealCursor(seal, { ...position, cursors: { web: 'c2' } })
    assert.equal(openCursor(seal, cursor, { ...position, ...other }), undefined)
  })
}
