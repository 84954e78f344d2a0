import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createOwners, prefixOf } from '../../../src/gateway/door/owners.ts'

const prefixes: Readonly<Record<string, string>> = {
  '10.244.3.17': '10.244.3',
  '::ffff:10.244.3.17': '10.244.3',
  '::FFFF:10.244.3.17': '10.244.3',
  'fd00:10:244:3:aa:bb:cc:dd': 'fd00:10:244:3',
  'fd00:10:244::1': 'fd00:10:244:0',
  'fd00::1:2:3:4:5': 'fd00:0:0:1',
  '::1': '0:0:0:0',
  'fe80::1%eth0': 'fe80:0:0:0',
  '': '0:0:0:0',
}

for (const [address, prefix] of Object.entries(prefixes)) {
  test(`${address === '' ? 'no address' : address} is one of ${prefix}`, () => {
    assert.equal(prefixOf(address), prefix)
  })
}

const acme = ['acme', 'research', 'crawler'] as const

test('an address is nobody’s until a certificate has come from there, and its neighbours’ until then', () => {
  const owners = createOwners()
  assert.deepEqual(owners.of('10.0.0.1'), [
    'addresses 10.0.0',
    'address 10.0.0.1',
    'address 10.0.0.1',
  ])
  assert.equal(owners.partyOf('10.0.0.1'), '10.0.0.1')
  owners.learn('10.0.0.1', acme)
  assert.deepEqual(owners.of('10.0.0.1'), acme)
  assert.equal(owners.partyOf('10.0.0.1'), 'tenant acme')
  assert.equal(owners.partyOf('10.0.0.2'), '10.0.0.2')
})

test('an address from which several tenants come is none of theirs, and stays so', () => {
  const owners = createOwners()
  owners.learn('10.0.0.1', acme)
  owners.learn('10.0.0.1', ['globex', 'research', 'crawler'])
  owners.learn('10.0.0.1', ['globex', 'research', 'crawler'])
  assert.equal(owners.partyOf('10.0.0.1'), '10.0.0.1')
  owners.learn('10.0.0.2', acme)
  owners.learn('10.0.0.2', ['acme', 'sales', 'writer'])
  assert.deepEqual(owners.of('10.0.0.2'), ['acme', 'sales', 'writer'])
})

test('those learned last are known, and no more than so many', () => {
  const owners = createOwners()
  for (let at = 0; at < 16_384; at += 1) owners.learn(String(at), acme)
  owners.learn('0', acme)
  owners.learn('new', acme)
  assert.equal(owners.partyOf('0'), 'tenant acme')
  assert.equal(owners.partyOf('1'), '1')
  assert.equal(owners.partyOf('2'), 'tenant acme')
})
