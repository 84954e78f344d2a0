import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as identity from '../../src/identity/identity.ts'
import { isDnsLabel, isDnsSubdomain, isUid } from '../../src/identity/kubernetes-name.ts'
import { parseModel } from '../../src/identity/model.ts'
import { parseRole, roles, servingRoles } from '../../src/identity/role.ts'
import { parseTenant } from '../../src/identity/tenant.ts'

test('every role is read as itself, and all but agents serve', () => {
  for (const role of roles) assert.equal(parseRole(role), role)
  assert.deepEqual(
    roles.filter((role) => !servingRoles.includes(role)),
    ['agent'],
  )
  for (const text of ['', 'Agent', 'agent ', 'constructor']) {
    assert.throws(() => parseRole(text), {
      code: 'identity/role',
      message: `role is not known, want=model-gateway|tool-broker|inference-worker|agent|tool-server got=${JSON.stringify(text)}`,
    })
  }
})

const labels: readonly (readonly [text: string, valid: boolean])[] = [
  ['a', true],
  ['a.b_c-d', true],
  ['0', true],
  ['a'.repeat(63), true],
  ['a'.repeat(64), false],
  ['', false],
  ['A', false],
  ['.a', false],
  ['a-', false],
  ['a b', false],
  ['a\n', false],
]
for (const [text, valid] of labels) {
  test(`the label value ${JSON.stringify(text)} is ${valid ? 'a' : 'no'} tenant and model`, () => {
    if (valid) {
      assert.equal(parseTenant(text), text)
      assert.equal(parseModel(text), text)
      return
    }
    assert.throws(() => parseTenant(text), { code: 'identity/tenant' })
    assert.throws(() => parseModel(text), { code: 'identity/model' })
  })
}

test('names of Kubernetes objects are held to the API server’s own rules', () => {
  assert.ok(isDnsLabel('a'.repeat(63)) && !isDnsLabel('a'.repeat(64)) && !isDnsLabel('a.b'))
  assert.ok(isDnsSubdomain('a.b-c.0') && isDnsSubdomain('a'.repeat(253)))
  for (const text of ['', 'a..b', '.a', 'a.', 'a.-b', 'A', 'a'.repeat(254)]) {
    assert.equal(isDnsSubdomain(text), false, text)
  }
  assert.ok(isUid('0b5c1e0e-7b0a-4a5e-9d6b-2d9f3a1c4e5f') && isUid('x'.repeat(128)))
  for (const text of ['', 'a b', 'a\u0000', 'é', 'x'.repeat(129)]) assert.equal(isUid(text), false)
})

test('the public page exports its promised functions and nothing else', () => {
  assert.deepEqual(Object.keys(identity), [
    'allowsModel',
    'allowsTool',
    'containsToolScope',
    'coversTool',
    'emptyCeiling',
    'parseModel',
    'parseModels',
    'parseRole',
    'parseSpiffeId',
    'parseTenant',
    'parseToolScope',
    'parseToolScopes',
    'parseTrustDomain',
    'roles',
    'servingRoles',
    'workloadOf',
    'workloadSpiffeId',
  ])
})
