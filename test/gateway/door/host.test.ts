import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkHostAndOrigin } from '../../../src/gateway/door/host.ts'
import { requirement } from '../../requirements.ts'

const hosts = new Set(['gateway.test', 'pinned.test:8443', 'web.test:443', '[::1]', '10.0.0.1'])

function check(...rawHeaders: readonly string[]): string | undefined {
  const served = { hosts, origins: new Set(['https://console.test']) }
  return checkHostAndOrigin(rawHeaders, served)?.refusal.message
}

const served = [
  'gateway.test',
  'gateway.test:443',
  'gateway.test:8443',
  'gateway.test:30123',
  'Gateway.TEST:8443',
  'pinned.test:8443',
  'PINNED.test:8443',
  'web.test',
  'web.test:443',
  '[::1]',
  '[::1]:8443',
  '10.0.0.1:8443',
]

const refused = [
  'evil.test',
  'evil.test:443',
  'gateway.test.evil.test:443',
  'evil.test#gateway.test',
  'gateway.test:',
  'gateway.test:http',
  'gateway.test:8443:8443',
  'gateway.test:123456',
  'user@gateway.test',
  'gateway.test, evil.test',
  'pinned.test',
  'pinned.test:443',
  'pinned.test:8444',
  'web.test:8443',
  '[::2]:8443',
  '',
]

for (const host of served) {
  test(`host ${JSON.stringify(host)} is served`, () => {
    requirement('gateway.host-and-origin')
    assert.equal(check('Host', host), undefined)
  })
}

for (const host of refused) {
  test(`host ${JSON.stringify(host)} is not served`, () => {
    requirement('gateway.host-and-origin')
    assert.equal(check('Host', host), 'host is not served here')
  })
}

test('no host, two hosts and two origins are refused', () => {
  assert.equal(check(), 'host is not served here')
  assert.equal(check('Host', 'gateway.test', 'host', 'gateway.test'), 'header host more than once')
  const origin = ['origin', 'https://console.test']
  assert.equal(check('host', 'gateway.test', ...origin), undefined)
  assert.equal(check('host', 'gateway.test', ...origin, ...origin), 'header origin more than once')
})
