import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  credentialState,
  isThere,
  trustBundleState,
} from '../../../src/cli/gateway/gateway-conditions.ts'
import { CountersignError } from '../../../src/errors.ts'
import { createTestAuthority } from '../../support/test-authority.ts'

const ca = createTestAuthority()
const { credential } = ca.issue()
const problem = new CountersignError('pki/credential', 'credential has no certificate')
const unchanging = { onChange: () => () => {}, problem: undefined }
const absent = {
  ...unchanging,
  current: () => {
    throw new CountersignError('pki/credential', 'file "x" cannot be read, got=ENOENT')
  },
}

test('a certificate is said with its SPIFFE ID and its end, and with a newer one that is not taken', () => {
  const source = { ...unchanging, current: () => credential }
  const end = credential.svid.notAfter
  const { uri } = credential.svid.spiffeId
  assert.deepEqual(credentialState(source, end.getTime() - 1), {
    ok: true,
    reason: `${uri}, valid until ${end.toISOString()}`,
  })
  assert.match(
    credentialState({ ...source, problem }, 0).reason,
    /; what is there now is not taken: credential has no certificate$/,
  )
  const { ok, reason } = credentialState(source, end.getTime())
  assert.equal(ok, false)
  assert.match(reason, /^ended at .*: kubelet has not renewed it/)
})

test('files that are not there yet are said with the volume that a pod needs for them', () => {
  assert.equal(isThere(absent), false)
  assert.match(
    credentialState(absent, 0).reason,
    /^awaited: file "x" cannot be read, got=ENOENT\. In a cluster the pod needs .* podCertificate source$/,
  )
  assert.match(trustBundleState(absent, 0).reason, /clusterTrustBundle source$/)
})

test('a trust bundle holds until its last anchor has ended', () => {
  const source = { ...unchanging, current: () => ca.bundle }
  const end = ca.authority.notAfter
  assert.deepEqual(trustBundleState(source, end.getTime() - 1), {
    ok: true,
    reason: `one anchor, the last one ends ${end.toISOString()}`,
  })
  assert.equal(trustBundleState(source, end.getTime()).ok, false)
})
