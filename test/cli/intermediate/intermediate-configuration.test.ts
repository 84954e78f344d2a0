import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stringify } from 'yaml'
import { parseConfiguration } from '../../../src/cli/configuration.ts'
import {
  intermediateSchema,
  type IntermediateConfig,
} from '../../../src/cli/intermediate/intermediate-configuration.ts'
import { requirement } from '../../requirements.ts'

function parse(changed: object): IntermediateConfig {
  const config = {
    trustDomain: 'edge-1.example',
    otherTrustDomains: ['hub.example', 'edge-2.example'],
    kubeconfig: 'edge-1.kubeconfig',
    authority: { files: { certificate: 'tls.crt', privateKey: 'tls.key' } },
    ledger: { file: 'edge-1.jsonl' },
    ...changed,
  }
  return parseConfiguration(stringify(config), intermediateSchema, 'hub.yaml')
}

for (const trustDomain of ['hub.example', 'edge-2.example']) {
  test(`no CA is signed for the trust domain of somebody else: ${trustDomain}`, () => {
    requirement('intermediate.trust-domain-of-its-own')
    assert.throws(() => parse({ trustDomain }), {
      code: 'cli/configuration',
      message: `hub.yaml: trustDomain: want=a trust domain of that cluster alone got=${trustDomain}, which is in otherTrustDomains`,
    })
  })
}

test('whose trust domains there are has to be said', () => {
  requirement('intermediate.trust-domain-of-its-own')
  assert.equal(parse({}).trustDomain, 'edge-1.example')
  for (const otherTrustDomains of [undefined, []]) {
    assert.throws(() => parse({ otherTrustDomains }), /otherTrustDomains/)
  }
})
