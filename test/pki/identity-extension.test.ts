import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parseModels, parseToolScopes } from '../../src/identity/ceiling.ts'
import { roles } from '../../src/identity/role.ts'
import { parseSpiffeId } from '../../src/identity/spiffe-id.ts'
import { parseTenant } from '../../src/identity/tenant.ts'
import type { WorkloadIdentity } from '../../src/identity/workload-identity.ts'
import { parseIdentityExtension } from '../../src/pki/identity-extension.ts'
import { ascii, hex, sequence, tlv } from '../support/craft-certificate.ts'
import { identityExtensionValue, testIdentity } from '../support/test-authority.ts'

const letters = Array.from('abcdefghijklmnopqrstuvwxyz0123456789')
const label = fc.string({ unit: fc.constantFrom(...letters), minLength: 1, maxLength: 40 })
const named = fc.tuple(label, fc.uuid()).map(([name, uid]) => ({ name, uid }))
const hexOf = (octets: number): fc.Arbitrary<string> =>
  fc
    .uint8Array({ minLength: octets, maxLength: octets })
    .map((drawn) => Buffer.from(drawn).toString('hex'))
const scope = fc
  .tuple(label, label, fc.boolean())
  .map(([server, tool, star]) => `${server}:${tool}${star ? '*' : ''}`)

const identities: fc.Arbitrary<WorkloadIdentity> = fc
  .record({
    cluster: label,
    namespace: named,
    serviceAccount: named,
    pod: named,
    node: named,
    issuanceId: hexOf(16),
    evidenceDigest: hexOf(32),
    policyDigest: hexOf(32),
    role: fc.option(fc.constantFrom(...roles)),
    tenant: fc.option(label),
    models: fc.uniqueArray(label, { maxLength: 16 }),
    toolScopes: fc.uniqueArray(scope, { maxLength: 20 }),
    claim: fc.option(named),
  })
  .map(({ role, tenant, models, toolScopes, claim, ...rest }) => ({
    ...rest,
    spiffeId: parseSpiffeId('spiffe://test.example/a'),
    ...(role === null ? {} : { role }),
    ...(tenant === null ? {} : { tenant: parseTenant(tenant) }),
    ...(claim === null ? {} : { claim }),
    ceiling: {
      models: models.length === 0 ? [] : parseModels(models.join()),
      toolScopes: toolScopes.length === 0 ? [] : parseToolScopes(toolScopes.join()),
    },
  }))

test('every identity is read as it was written', () => {
  fc.assert(
    fc.property(identities, (identity) => {
      const read = parseIdentityExtension(identityExtensionValue(identity))
      assert.deepEqual({ spiffeId: identity.spiffeId, ...read }, identity)
    }),
  )
})

test('version 1 is written as its ASN.1 says, octet for octet', () => {
  const said = {
    ...testIdentity({ role: 'tool-server', tenant: 'acme', models: 'b,a', toolScopes: 's:*' }),
    issuanceId: '0f'.repeat(16),
    claim: { name: 'sandbox-1', uid: 'u-5' },
  }
  const pair = (name: string, at: number): Buffer =>
    sequence(ascii(0x0c, name), ascii(0x0c, `6a1f4c5e-000${at}-4000-8000-00000000000${at}`))
  const expected = sequence(
    hex('020101'),
    ascii(0x0c, 'test'),
    pair('shop', 1),
    pair('agent', 2),
    pair('agent-0', 3),
    pair('node-a.test', 4),
    tlv(0x04, Buffer.alloc(16, 0x0f)),
    tlv(0x04, Buffer.alloc(32, 0xe1)),
    tlv(0x04, Buffer.alloc(32, 0xb2)),
    hex('800105'),
    ascii(0x81, 'acme'),
    tlv(0xa2, ascii(0x0c, 'a'), ascii(0x0c, 'b')),
    tlv(0xa3, ascii(0x0c, 's:*')),
    tlv(0xa4, ascii(0x0c, 'sandbox-1'), ascii(0x0c, 'u-5')),
  )
  assert.deepEqual(identityExtensionValue(said), expected)
})

test('each role has the number of its own', () => {
  const numbers = {
    'model-gateway': 1,
    'tool-broker': 2,
    'inference-worker': 3,
    agent: 4,
    'tool-server': 5,
  }
  for (const role of roles) {
    const value = identityExtensionValue(testIdentity({ role }))
    assert.deepEqual(value.subarray(-3), Buffer.from([0x80, 1, numbers[role]]), role)
  }
})

test('an identity over its bounds is not written', () => {
  const many = (count: number, prefix: string): string =>
    Array.from({ length: count }, (_, at) => `${prefix}${at}`).join()
  const bounded = testIdentity({ models: many(16, 'm'), toolScopes: many(32, 's:t') })
  parseIdentityExtension(identityExtensionValue(bounded))
  const models = [...bounded.ceiling.models, ...parseModels('one-more')]
  const wider = { ...bounded, ceiling: { ...bounded.ceiling, models } }
  assert.throws(() => identityExtensionValue(wider), {
    code: 'pki/ceiling-too-large',
    message:
      'identity does not fit into the certificate, want=..16 models, ..32 tool scopes, ..4096 octets got=17 models and 32 tool scopes',
  })
  for (const issuanceId of ['', 'zz'.repeat(16), '00'.repeat(17)]) {
    assert.throws(() => identityExtensionValue({ ...bounded, issuanceId }), { code: 'pki/der' })
  }
})
