import assert from 'node:assert/strict'
import { test } from 'node:test'
import { certificateSigningRequests } from '../../../src/kubernetes/certificate-signing-request.ts'
import type { PodCertificateRequest } from '../../../src/kubernetes/pod-certificate-request.ts'
import { parseClaims } from '../../../src/signer/verdict/claims.ts'
import { askedByPod } from '../../../src/signer/watch/asked-by-pod.ts'
import { requirement } from '../../requirements.ts'
import { boundExtra, signingRequest } from '../signing-request.ts'

function asked(changed: Parameters<typeof signingRequest>[1] = {}): PodCertificateRequest {
  return askedByPod(certificateSigningRequests.parse(signingRequest('csr-1', changed)))
}

function reasonOf(request: PodCertificateRequest): string {
  const parsed = parseClaims(request)
  return 'refused' in parsed ? parsed.refused.reason : 'wait' in parsed ? parsed.wait : 'parsed'
}

const pod = 'authentication.kubernetes.io/pod-uid'
const node = 'authentication.kubernetes.io/node-name'
const account = 'system:serviceaccount:team-a:worker'

test('who asks is what the API server states of a token that is bound to a pod', () => {
  requirement('signer.pods-ask')
  const request = asked({ annotations: { 'countersign.dev/tenant': 'acme', other: 'x' } })
  const { namespace } = request.metadata
  const { key: _, ...spec } = request.spec
  assert.equal(namespace, 'team-a')
  assert.deepEqual(spec, {
    signerName: 'countersign.dev/identity',
    pod: { name: 'worker-0', uid: 'pod-uid' },
    serviceAccount: { name: 'worker', uid: 'account-uid' },
    node: { name: 'node1', uid: 'node-uid' },
    maxExpirationSeconds: 86_400,
    unverifiedUserAnnotations: { 'countersign.dev/tenant': 'acme' },
  })
  assert.equal(reasonOf(request), 'parsed')
})

for (const [title, spec] of [
  ['a person', { username: 'admin', extra: {} }],
  ['a person whose name begins like one', { username: `x${account}` }],
  ['a service account of two more parts', { username: `${account}:more` }],
  ['a node', { username: 'system:node:node1', extra: {} }],
  ['a token that is bound to no pod', { extra: {} }],
  ['a pod of two UIDs', { extra: { ...boundExtra, [pod]: ['pod-uid', 'other'] } }],
  ['a pod without a UID', { extra: { ...boundExtra, [pod]: [''] } }],
  ['a pod on no node', { extra: { ...boundExtra, [node]: [] } }],
  ['a node with the name of a path', { extra: { ...boundExtra, [node]: ['../node1'] } }],
  [
    'a pod with a UID that no record has room for',
    { extra: { ...boundExtra, [pod]: ['a'.repeat(129)] } },
  ],
  ['a service account without a UID', { uid: '' }],
] as const) {
  test(`${title} is no pod`, () => {
    requirement('signer.pods-ask')
    const request = asked({ spec })
    assert.equal(request.stated?.isPod, false)
    assert.equal(reasonOf(request), 'RequesterNotProved')
  })
}

for (const [title, spec, reason] of [
  ['other usages', { usages: ['client auth', 'digital signature'] }, 'UsagesNotGranted'],
  [
    'more usages',
    { usages: ['client auth', 'digital signature', 'server auth', 'cert sign'] },
    'UsagesNotGranted',
  ],
  ['less than an hour', { expirationSeconds: 3599 }, 'LifetimeTooShort'],
  [
    'no request that is PEM',
    { request: Buffer.from('none').toString('base64') },
    'CertificateRequestMalformed',
  ],
  ['a request that is too long', { request: 'A'.repeat(40_000) }, 'CertificateRequestMalformed'],
] as const) {
  test(`a pod that asks with ${title} is refused by what it says`, () => {
    requirement('signer.pods-ask')
    assert.equal(reasonOf(asked({ spec })), reason)
  })
}

test('a request ends by what stands in its status, and an approval is no end', () => {
  const conditions = (...types: string[]): object => ({
    conditions: types.map((type) => ({ type, status: 'True' })),
  })
  const certificate = Buffer.from('a chain').toString('base64')
  const ends = (status: object): string | undefined => asked({ status }).status.terminal?.condition
  assert.equal(ends({}), undefined)
  assert.equal(ends(conditions('Approved')), undefined)
  assert.equal(ends(conditions('Denied')), 'Denied')
  assert.equal(ends(conditions('Approved', 'Failed')), 'Failed')
  assert.equal(ends({ ...conditions('Approved'), certificate }), 'Issued')
  assert.equal(asked({ status: conditions('Approved') }).stated?.isApproved, true)
  assert.equal(asked({ status: { certificate } }).status.certificateChain, 'a chain')
})
