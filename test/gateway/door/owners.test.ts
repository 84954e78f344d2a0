import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createOwners, prefixOf } from '../../../src/gateway/door/owners.ts'
import { requirement } from '../../requirements.ts'

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
  const owners = createOwners(() => 0)
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

const globex = ['globex', 'research', 'crawler'] as const
const minute = 60_000

test('an address from which several tenants come is none of theirs, and stays so while they do', () => {
  requirement('gateway.handshakes-take-turns')
  let now = 0
  const owners = createOwners(() => now)
  for (let again = 0; again < 20; again += 1) {
    for (const account of [acme, globex, globex]) owners.learn('10.0.0.1', account)
    assert.equal(owners.partyOf('10.0.0.1'), '10.0.0.1')
    now += 10 * minute
    assert.equal(owners.partyOf('10.0.0.1'), '10.0.0.1')
  }
  owners.learn('10.0.0.2', acme)
  owners.learn('10.0.0.2', ['acme', 'sales', 'writer'])
  assert.deepEqual(owners.of('10.0.0.2'), ['acme', 'sales', 'writer'])
})

test('an address that has passed to another tenant is its own, ten minutes after the one before was last seen there', () => {
  requirement('gateway.handshakes-take-turns')
  let now = 0
  const owners = createOwners(() => now)
  owners.learn('10.0.0.1', acme)
  now = 5 * minute
  owners.learn('10.0.0.1', globex)
  now = 10 * minute
  assert.equal(owners.partyOf('10.0.0.1'), '10.0.0.1')
  now += 1
  assert.deepEqual(owners.of('10.0.0.1'), globex)
  assert.equal(owners.partyOf('10.0.0.1'), 'tenant globex')
})

test('of three tenants the one that was last seen counts, beside the newest', () => {
  let now = 0
  const owners = createOwners(() => now)
  owners.learn('10.0.0.1', acme)
  now = 9 * minute
  owners.learn('10.0.0.1', ['initech', 'research', 'crawler'])
  owners.learn('10.0.0.1', globex)
  now = 18 * minute
  assert.equal(owners.partyOf('10.0.0.1'), '10.0.0.1')
  now = 19 * minute + 1
  assert.equal(owners.partyOf('10.0.0.1'), 'tenant globex')
})

test('an address that was left alone for days is the next one’s at once', () => {
  let now = 0
  const owners = createOwners(() => now)
  owners.learn('10.0.0.1', acme)
  now = 2880 * minute
  assert.equal(owners.partyOf('10.0.0.1'), 'tenant acme')
  owners.learn('10.0.0.1', globex)
  assert.equal(owners.partyOf('10.0.0.1'), 'tenant globex')
})

test('those learned last are known, and no more than so many', () => {
  const owners = createOwners(() => 0)
  for (let at = 0; at < 16_384; at += 1) owners.learn(String(at), acme)
  owners.learn('0', acme)
  owners.learn('new', acme)
  assert.equal(owners.partyOf('0'), 'tenant acme')
  assert.equal(owners.partyOf('1'), '1')
  assert.equal(owners.partyOf('2'), 'tenant acme')
})
