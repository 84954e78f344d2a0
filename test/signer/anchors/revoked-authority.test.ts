import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRevocationFinder, type Revocation } from '../../../src/pki/revocation.ts'
import { withoutRevoked } from '../../../src/signer/anchors/revoked-authority.ts'
import { staticAuthoritySource } from '../../../src/pki/authority.ts'
import { requirement } from '../../requirements.ts'
import { createHubCa } from '../../support/hub-authority.ts'

const { authority } = createHubCa({ now: Date.now() })
const issuanceId = authority.certificate.certificate.serialNumber.toString('hex')

function currentWith(revoked: readonly Omit<Revocation, 'name' | 'reason'>[], staleSeconds = 0) {
  const source = Object.assign(staticAuthoritySource(authority), {
    [Symbol.asyncDispose]: () => Promise.resolve(),
  })
  const list = revoked.map((each) => ({ name: 'r', reason: '', ...each }))
  const find = createRevocationFinder(() => list)
  return withoutRevoked(source, { find, staleSeconds, onChange: () => () => {} }).current()
}

test('a CA is revoked by its issuance, and by nothing that is said of others or of leaves', () => {
  requirement('intermediate.ends-when-revoked')
  assert.throws(() => currentWith([{ issuanceId }]), { code: 'pki/authority-unavailable' })
  for (const other of [
    { issuanceId: '0'.repeat(32) },
    { issuedBefore: new Date(Date.now() + 86_400_000) },
    { tenant: 'acme' },
    { podUid: 'a', issuanceId },
    { serviceAccount: { namespace: 'a', name: 'b' } },
  ]) {
    assert.equal(currentWith([other]), authority, JSON.stringify(other))
  }
})

test('nothing is signed while it is not known what is revoked', () => {
  requirement('intermediate.ends-when-revoked')
  assert.equal(currentWith([], 60), authority)
  assert.throws(() => currentWith([], 61), {
    code: 'pki/authority-unavailable',
    message: 'it is not known whether the authority is revoked',
  })
})
