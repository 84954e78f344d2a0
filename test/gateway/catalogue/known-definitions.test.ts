import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDefinition, type Definition } from '../../../src/gateway/catalogue/definition.ts'
import { KnownDefinitions } from '../../../src/gateway/catalogue/known-definitions.ts'
import { requirement } from '../../requirements.ts'

function definition(name: string, octets = 100): Definition {
  const bare = `{"name":"${name}","x":""}`.length
  const text = `{"name":"${name}","x":"${'x'.repeat(octets - bare)}"}`
  const parsed = parseDefinition(Buffer.from(text))
  assert.ok(typeof parsed !== 'string')
  return parsed
}

const bounds = { toolsMax: 3, octetsMax: 1000 }

test('so many definitions of a server are known, and no more', () => {
  const known = new KnownDefinitions(bounds)
  for (const name of ['a', 'b', 'c', 'd']) known.keep(definition(name))
  const names = ['a', 'b', 'c', 'd'].filter((name) => known.get(name) !== undefined)
  assert.deepEqual(names, ['a', 'b', 'c'])
})

test('so many octets of definitions are known, and no more', () => {
  requirement('gateway.lists-bounded-while-read')
  const known = new KnownDefinitions(bounds)
  known.keep(definition('a', 600))
  known.keep(definition('b', 401))
  assert.equal(known.get('b'), undefined)
  known.keep(definition('b', 400))
  assert.equal(known.get('b')?.octets.length, 400)
})

test('a definition that grows beyond them is not known any more, and neither is the one before it', () => {
  const known = new KnownDefinitions(bounds)
  known.keep(definition('a', 600))
  known.keep(definition('b', 400))
  known.keep(definition('a', 601))
  assert.equal(known.get('a'), undefined)
  known.keep(definition('c', 600))
  assert.equal(known.get('c')?.octets.length, 600)
})

test('what is kept again takes no more', () => {
  const known = new KnownDefinitions(bounds)
  const large = definition('a', 900)
  for (let again = 0; again < 3; again += 1) known.keep(large)
  known.keep(definition('a', 900))
  const next = new KnownDefinitions(bounds, known)
  next.keep(definition('b', 100))
  assert.deepEqual([next.get('a')?.name, next.get('b')?.name], ['a', 'b'])
  assert.equal(known.get('b'), undefined)
})
