import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfiguration } from '../../src/cli/configuration.ts'
import { policySchema, type PolicyConfig } from '../../src/cli/shared-configuration.ts'
import { requirement } from '../requirements.ts'

const service = { url: 'https://bundles.example', resource: 'bundles/gateway.tar.gz' }
const signature = { keys: [{ id: 'a', publicKey: 'a.pem' }] }
const persistenceDirectory = 'policy'
const whole = { service, signature, persistenceDirectory }

function parse(policy: object): PolicyConfig {
  return parseConfiguration(JSON.stringify(policy), policySchema, '/etc/countersign/gateway.yaml')
}

test('a bundle server is asked as OPA asks it, unless told otherwise', () => {
  const { service: parsed, persistenceDirectory: folder } = parse(whole)
  assert.deepEqual(parsed, {
    ...service,
    responseHeaderTimeoutSeconds: 10,
    polling: { minDelaySeconds: 60, maxDelaySeconds: 120 },
  })
  assert.equal(folder, '/etc/countersign/policy')
  const more = {
    tls: { caCert: 'ca.pem' },
    credentials: {
      bearer: { tokenPath: 'token' },
      clientTls: { cert: 'tls.crt', privateKey: '/tls.key' },
    },
  }
  const { service: full } = parse({ ...whole, service: { ...service, ...more } })
  assert.deepEqual(full?.credentials, {
    bearer: { tokenPath: '/etc/countersign/token' },
    clientTls: { cert: '/etc/countersign/tls.crt', privateKey: '/tls.key' },
  })
})

const refused: Readonly<Record<string, readonly [object, RegExp]>> = {
  'no signature': [
    { ...whole, signature: undefined },
    /: signature: required with service: what comes over a network is signed$/,
  ],
  'no folder': [
    { ...whole, persistenceDirectory: undefined },
    /: persistenceDirectory: required with service: it keeps the last good bundle$/,
  ],
  'a bundle beside it': [
    { ...whole, bundle: 'b.tar.gz' },
    /: bundle: want=bundle or service, not both$/,
  ],
  'a folder alone': [{ persistenceDirectory }, /: persistenceDirectory: want=service, too$/],
  'a signature of what is shipped': [
    { signature },
    /: signature: want=bundle or service, too: what is shipped is not signed$/,
  ],
  'a candidate that is none of a registry': [
    {
      ...whole,
      service: { ...service, type: 'oci', resource: 'policies:live' },
      candidate: { resource: 'bundles/next.tar.gz' },
    },
    /: candidate: resource: want=<repository>:<tag> or /,
  ],
  'delays that cross': [
    { ...whole, service: { ...service, polling: { minDelaySeconds: 121 } } },
    /: service.polling.minDelaySeconds: want=..maxDelaySeconds$/,
  ],
}

for (const [what, [policy, message]] of Object.entries(refused)) {
  test(`a policy is refused with ${what}`, () => {
    requirement('policy.bundle-followed')
    assert.throws(() => parse(policy), { code: 'cli/configuration', message })
  })
}
