import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDefinition, type Definition } from '../../../src/gateway/catalogue/definition.ts'
import { KnownDefinitions } from '../../../src/gateway/catalogue/known-definitions.ts'
import { requirement } from '../../requirements.ts'
import { boundless, roomFor } from '../world/room.ts'

function definition(name: string, octets = 100): Definition {
  const bare = `{"name":"${name}","x":""}`.length
  const text = `{"name":"${name}","x":"${'x'.repeat(octets - bare)}"}`
  const parsed = parseDefinition(Buffer.from(text))
  assert.ok(typeof parsed !== 'string')
  return parsed
}

const bounds = { toolsMax: 3, octetsMax: 1000 }

test('so many definitions of a server are known, and no more', () => {
  const known = new KnownDefinitions(bounds, boundless)
  for (const name of ['a', 'b', 'c', 'd']) known.keep(definition(name))
  const names = ['a', 'b', 'c', 'd'].filter((name) => known.get(name) !== undefined)
  assert.deepEqual(names, ['a', 'b', 'c'])
})

test('so many octets of definitions are known, and no more', () => {
  requirement('gateway.lists-bounded-while-read')
  const known = new KnownDefinitions(bounds, boundless)
  known.keep(definition('a', 600))
  known.keep(definition('b', 401))
  assert.equal(known.get('b'), undefined)
  known.keep(definition('b', 400))
  assert.equal(known.get('b')?.octets.length, 400)
})

test('a definition that grows beyond them is not known any more, and neither is the one before it', () => {
  const known = new KnownDefinitions(bounds, boundless)
  known.keep(definition('a', 600))
  known.keep(definition('b', 400))
  known.keep(definition('a', 601))
  assert.equal(known.get('a'), undefined)
  known.keep(definition('c', 600))
  assert.equal(known.get('c')?.octets.length, 600)
})

test('what is kept again takes no more', () => {
  const known = new KnownDefinitions(bounds, boundless)
  const large = definition('a', 900)
  for (let again = 0; again < 3; again += 1) known.keep(large)
  known.keep(definition('a', 900))
  assert.equal(known.keep(definition('b', 100)), true)
})

test('one takes room as long as it is known, and some beside its octets', () => {
  requirement('gateway.catalogues-bounded')
  const room = roomFor(3000)
  const known = new KnownDefinitions({ toolsMax: 100, octetsMax: 10_000 }, room)
  assert.equal(known.keep(definition('a', 600)), true)
  assert.equal(room.left, 3000 - 600 - 512)
  assert.equal(known.keep(definition('b', 1500)), false)
  assert.equal(known.keep(definition('b', 1000)), true)
  const before = room.left
  // It has grown, and there is no room for it: the one before is not known any more, nor takes it anything.
  assert.equal(known.keep(definition('a', 1200)), false)
  assert.equal(known.get('a'), undefined)
  assert.equal(room.left, before + 600 + 512)
  const [b] = [known.get('b')]
  known.forgetOthers([...(b === undefined ? [] : [b]), definition('c')])
  assert.equal(known.get('b'), b)
  // What has changed leaves its place before the next takes one.
  known.forgetOthers([definition('b', 900)])
  assert.equal(known.get('b'), undefined)
  assert.equal(room.left, 3000)
})
