import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findRevocation, matchRevocation, type Revocation } from '../../src/pki/revocation.ts'
import { createTestAuthority } from '../support/test-authority.ts'

const { credential } = createTestAuthority().issue({
  namespace: 'agents',
  serviceAccount: 'researcher',
  podUid: 'c0ffee00-0000-4000-8000-00000000beef',
  role: 'agent',
  tenant: 'acme',
})
const { svid } = credential
const issuanceId = svid.identity?.issuanceId ?? ''

const cases: readonly [Omit<Revocation, 'name' | 'reason'>, boolean][] = [
  [{}, false],
  [{ podUid: 'c0ffee00-0000-4000-8000-00000000beef' }, true],
  [{ podUid: 'c0ffee00-0000-4000-8000-00000000bee0' }, false],
  [{ serviceAccount: { namespace: 'agents', name: 'researcher' } }, true],
  [{ serviceAccount: { namespace: 'other', name: 'researcher' } }, false],
  [{ serviceAccount: { namespace: 'agents', name: 'other' } }, false],
  [{ tenant: 'acme' }, true],
  [{ tenant: 'other' }, false],
  [{ issuanceId }, true],
  [{ issuanceId: '0'.repeat(32) }, false],
  [{ issuedBefore: new Date(svid.notBefore.getTime() + 1) }, true],
  [{ issuedBefore: svid.notBefore }, false],
  [{ tenant: 'acme', issuedBefore: svid.notBefore }, false],
  [{ tenant: 'acme', issuanceId }, true],
  [{ tenant: 'other', issuanceId }, false],
]

for (const [matcher, expected] of cases) {
  test(`${JSON.stringify(matcher)} ${expected ? 'takes' : 'leaves'} the certificate`, () => {
    assert.equal(matchRevocation({ name: 'r', reason: '', ...matcher }, svid), expected)
  })
}

test('a certificate without an identity extension is only matched by its time', () => {
  const bare = { ...svid, identity: undefined }
  const base = { name: 'r', reason: '' }
  assert.equal(matchRevocation({ ...base, tenant: 'acme' }, bare), false)
  const serviceAccount = { namespace: 'agents', name: 'researcher' }
  assert.equal(matchRevocation({ ...base, serviceAccount }, bare), false)
  const issuedBefore = new Date(Date.now() + 1000)
  assert.equal(matchRevocation({ ...base, issuedBefore }, bare), true)
})

test('the first revocation that takes a certificate is named', () => {
  const list: readonly Revocation[] = [
    { name: 'a', tenant: 'other', reason: '' },
    { name: 'b', tenant: 'acme', reason: '' },
    { name: 'c', issuanceId, reason: '' },
  ]
  assert.equal(findRevocation(list, svid)?.name, 'b')
  assert.equal(findRevocation([], svid), undefined)
})
