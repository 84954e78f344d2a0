import assert from 'node:assert/strict'
import type { LookupAddress } from 'node:dns'
import { test } from 'node:test'
import {
  checkedLookup,
  isLoopbackHost,
  isReachable,
  type Resolve,
} from '../../../src/gateway/upstream/reachable.ts'
import { requirement } from '../../requirements.ts'

const reachable = [
  '10.1.2.3',
  '192.168.0.1',
  '8.8.8.8',
  'fd12::1',
  '2606:4700::1',
  '::ffff:10.1.2.3',
]
const unreachable = [
  '169.254.169.254',
  '::ffff:169.254.169.254',
  '::ffff:a9fe:a9fe',
  '169.254.0.1',
  'fe80::1',
  'fe80::1%eth0',
  '2002:a9fe:a9fe::',
  '64:ff9b::a9fe:a9fe',
  '64:ff9b:1::1',
  'fec0::1',
  'fd00:ec2::254',
  'fd20:ce::254',
  '168.63.129.16',
  '100.100.100.200',
  '0.0.0.0',
  '0.1.2.3',
  '::',
  '::ffff:0.0.0.0',
  '::10.1.2.3',
  '224.0.0.1',
  '255.255.255.255',
  '::ffff:224.0.0.1',
  'ff02::1',
  'nowhere',
  '',
]
const loops = ['127.0.0.1', '127.8.9.1', '::1', '::ffff:127.0.0.1']

test('a tool server stands at ordinary addresses, and on this machine where configuration says so', () => {
  requirement('gateway.upstream-addresses-checked')
  for (const address of reachable) assert.equal(isReachable(address, false), true, address)
  for (const address of unreachable) assert.equal(isReachable(address, true), false, address)
  for (const address of loops) {
    assert.equal(isReachable(address, false), false, address)
    assert.equal(isReachable(address, true), true, address)
  }
})

test('configuration says this machine by its names and addresses alone', () => {
  for (const host of ['localhost', 'a.localhost', 'LOCALHOST.', '127.0.0.1', '::1']) {
    assert.equal(isLoopbackHost(host), true, host)
  }
  for (const host of [
    'files',
    'localhost.example',
    'mylocalhost',
    '10.0.0.1',
    '127.0.0.1.nip.io',
  ]) {
    assert.equal(isLoopbackHost(host), false, host)
  }
})

const v4 = (address: string): LookupAddress => ({ address, family: 4 })

function resolving(...addresses: readonly LookupAddress[]): Resolve {
  return (_name, _options, done) => done(null, [...addresses])
}

function lookUp(host: string, resolve: Resolve, all: boolean): Promise<unknown> {
  return new Promise((settle, reject) => {
    checkedLookup(host, resolve)(host, { all }, (error, address) => {
      if (error === null) settle(address)
      else reject(error)
    })
  })
}

test('a name is connected to at the addresses that were checked', async () => {
  const resolve = resolving(v4('10.0.0.1'), v4('10.0.0.2'))
  assert.equal(await lookUp('files', resolve, false), '10.0.0.1')
  assert.deepEqual(await lookUp('files', resolve, true), [v4('10.0.0.1'), v4('10.0.0.2')])
})

for (const address of ['169.254.169.254', '127.0.0.1', '::ffff:169.254.169.254']) {
  test(`a name that leads to ${address} among others leads nowhere`, async () => {
    requirement('attack.server-side-requests')
    requirement('gateway.upstream-addresses-checked')
    const family = address.includes(':') ? 6 : 4
    const resolve = resolving(v4('10.0.0.1'), { address, family })
    for (const all of [true, false]) {
      await assert.rejects(lookUp('files', resolve, all), {
        message: `files is at an address of no tool server, got=${address}`,
      })
    }
  })
}

test('a name of this machine leads to this machine', async () => {
  assert.equal(await lookUp('localhost', resolving(v4('127.0.0.1')), false), '127.0.0.1')
})

test('a name without an address, and one that is not known, lead nowhere', async () => {
  await assert.rejects(lookUp('files', resolving(), true), /files has no address/)
  const unknown: Resolve = (_name, _options, done) => done(new Error('ENOTFOUND'), [])
  await assert.rejects(lookUp('files', unknown, true), /ENOTFOUND/)
})
