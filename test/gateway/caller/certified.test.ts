import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCertificateReader } from '../../../src/gateway/caller/certified.ts'
import { requirement } from '../../requirements.ts'
import { createTestAuthority } from '../../support/test-authority.ts'

const authority = createTestAuthority()

function derOf(pod: string): Buffer {
  return authority.issue({ pod, podUid: `uid-of-${pod}`, tenant: 'acme' }).credential.svid.der
}

test('a certificate is read once for all its connections, and never taken for another', () => {
  requirement('gateway.client-certificate-required')
  const read = createCertificateReader({})
  const [one, other] = [derOf('one'), derOf('other')]
  const first = read(one)
  assert.equal(read(Buffer.from(one)), first)
  assert.ok('owner' in first)
  const second = read(other)
  assert.ok('owner' in second)
  assert.equal(second.identity.pod.name, 'other')
  assert.notEqual(second.owner, first.owner)
  assert.match(second.subjectText, /"name":"other"/)
})

test('what a pod was given for one claim it does not own for another, and a renewal owns what was there before', () => {
  requirement('gateway.claim-moves')
  const read = createCertificateReader({})
  const owners = [undefined, 'one', 'one', 'other'].map((claimUid) => {
    const of = { pod: 'worker', podUid: 'uid-of-worker' }
    const { svid } = authority.issue(claimUid === undefined ? of : { ...of, claimUid }).credential
    const found = read(svid.der)
    assert.ok('owner' in found)
    assert.equal(found.subjectText.includes('"claim":{'), claimUid !== undefined)
    if (claimUid !== undefined) assert.match(found.subjectText, new RegExp(`"uid":"${claimUid}"`))
    return found.owner
  })
  assert.equal(owners[1], owners[2])
  assert.equal(new Set(owners).size, 3)
})

test('so many certificates are kept, and the oldest goes first', () => {
  const read = createCertificateReader({}, 2)
  const [oldest, second, third] = [derOf('oldest'), derOf('second'), derOf('third')]
  const [first, next] = [read(oldest), read(second)]
  assert.equal(read(oldest), first)
  read(third)
  assert.equal(read(second), next)
  assert.notEqual(read(oldest), first)
})

test('what is no SVID is refused each time', () => {
  const read = createCertificateReader({})
  const cut = derOf('cut').subarray(0, -1)
  for (let again = 0; again < 2; again += 1) {
    assert.throws(() => read(cut), { code: 'pki/svid' })
  }
})
