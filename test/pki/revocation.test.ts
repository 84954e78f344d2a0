import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  createRevocationFinder,
  matchRevocation,
  type Revocation,
} from '../../src/pki/revocation.ts'
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

test('the first revocation that takes a certificate is named, in the list of this moment', () => {
  let list: readonly Revocation[] = [
    { name: 'a', tenant: 'other', reason: '' },
    { name: 'b', tenant: 'acme', reason: '' },
    { name: 'c', issuanceId, reason: '' },
  ]
  const find = createRevocationFinder(() => list)
  assert.equal(find(svid)?.name, 'b')
  list = list.slice(2)
  assert.equal(find(svid)?.name, 'c')
  list = []
  assert.equal(find(svid), undefined)
})

test('what is looked up by a name is what a look at each of them finds', () => {
  const one = fc.record(
    {
      podUid: fc.constantFrom(svid.identity?.pod.uid ?? '', 'another'),
      tenant: fc.constantFrom('acme', 'other'),
      issuanceId: fc.constantFrom(issuanceId, '0'.repeat(32)),
      serviceAccount: fc.record({
        namespace: fc.constantFrom('agents', 'other'),
        name: fc.constantFrom('researcher', 'other'),
      }),
      issuedBefore: fc.constantFrom(svid.notBefore, new Date(svid.notBefore.getTime() + 1)),
    },
    { requiredKeys: [] },
  )
  const who = fc.constantFrom(svid, { ...svid, identity: undefined })
  fc.assert(
    fc.property(fc.array(one, { maxLength: 12 }), who, (matchers, certificate) => {
      const list = matchers.map((each, at) => ({ name: `r${at}`, reason: '', ...each }))
      const found = createRevocationFinder(() => list)(certificate)
      assert.equal(
        found,
        list.find((each) => matchRevocation(each, certificate)),
      )
    }),
  )
})
