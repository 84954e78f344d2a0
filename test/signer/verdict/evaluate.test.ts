import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Claims } from '../../../src/signer/verdict/claims.ts'
import { checks } from '../../../src/signer/verdict/evaluate.ts'
import type { Evidence } from '../../../src/signer/verdict/evidence.ts'
import type { DenyReason } from '../../../src/signer/verdict/verdict.ts'
import {
  absent,
  agreeing,
  claimsOf,
  declared,
  evidenceOf,
  found,
  profile,
  verdictOf,
  unknown,
} from '../workload.ts'
import { signerName } from '../asked.ts'
import { requirement } from '../../requirements.ts'

test('a request that fits the live objects is issued with nothing beyond its name', () => {
  const verdict = verdictOf(claimsOf(), evidenceOf())
  assert.ok(verdict.kind === 'issue')
  const { claims, evidence, findings, spiffeId, evidenceDigest, policy, ...identity } = verdict
  assert.equal(claims.asked.metadata.name, 'req-1')
  assert.equal(evidence.live, true)
  assert.match(evidenceDigest, /^[0-9a-f]{64}$/)
  assert.equal(policy.revision, 'r1')
  assert.equal(spiffeId.uri, 'spiffe://example.org/ns/team-a/sa/worker')
  assert.deepEqual(identity, {
    kind: 'issue',
    namespace: { name: 'team-a', uid: 'namespace-uid' },
    serviceAccount: { name: 'worker', uid: 'account-uid' },
    pod: { name: 'worker-0', uid: 'pod-uid' },
    node: { name: 'node1', uid: 'node-uid' },
    ceiling: { models: [], toolScopes: [] },
    dnsNames: [],
    lifetimeSeconds: 3600,
    projectedPaths: ['credential-bundle.pem'],
    requester: 'not-shown',
  })
  assert.ok(findings.length >= checks.length - 6, 'almost every check leaves a finding')
})

interface Refused {
  readonly title: string
  readonly claims?: Claims
  readonly evidence: Evidence
  readonly reason: DenyReason
  readonly message: RegExp
}

const other = { name: 'other', uid: 'other-uid' }
const podOwner = { apiVersion: 'v1', kind: 'Pod', name: 'worker-0', uid: 'pod-uid' }

const refusals: readonly Refused[] = [
  {
    title: 'a pod that does not exist',
    evidence: { ...evidenceOf(), pod: absent },
    reason: 'PodNotFound',
    message:
      /^podName: asked pod "worker-0" with UID "pod-uid"; proved no such pod; to change: nothing/,
  },
  {
    title: 'a pod that was replaced under its name',
    evidence: evidenceOf({ pod: { uid: 'second-uid' } }),
    reason: 'PodMismatch',
    message:
      /^podUID: asked "pod-uid"; proved pod "worker-0" has UID "second-uid"; to change: let kubelet/,
  },
  {
    title: 'a mirror pod',
    evidence: evidenceOf({ pod: { mirror: true } }),
    reason: 'PodMismatch',
    message: /mirror pod of a static pod/,
  },
  ...['Succeeded', 'Failed'].map((phase) => ({
    title: `a pod of phase ${phase}`,
    evidence: evidenceOf({ pod: { phase } }),
    reason: 'PodEnded' as const,
    message: new RegExp(`proved pod has ended, phase ${phase};`),
  })),
  {
    title: 'a pod that is over, on another node',
    evidence: evidenceOf({ pod: { phase: 'Succeeded', nodeName: 'node2' } }),
    reason: 'NodeMismatch',
    message: /^nodeName: asked "node1"; proved pod is bound to "node2"; .*\. pod: .*pod has ended/,
  },
  {
    title: 'a pod that is being deleted',
    evidence: evidenceOf({ pod: { terminating: true } }),
    reason: 'PodTerminating',
    message: /proved pod is being deleted before it runs;/,
  },
  {
    title: 'a pod on another node',
    evidence: evidenceOf({ pod: { nodeName: 'node2' } }),
    reason: 'NodeMismatch',
    message: /^nodeName: asked "node1"; proved pod is bound to "node2";/,
  },
  {
    title: 'a pod on no node',
    evidence: evidenceOf({ pod: { nodeName: undefined } }),
    reason: 'NodeMismatch',
    message: /proved pod is not bound to a node;/,
  },
  {
    title: 'a node of another UID',
    evidence: evidenceOf({ node: { uid: 'other-uid' } }),
    reason: 'NodeMismatch',
    message: /^nodeUID: asked "node-uid"; proved node "node1" has UID "other-uid";/,
  },
  {
    title: 'a node that does not exist',
    evidence: { ...evidenceOf(), node: absent },
    reason: 'NodeMismatch',
    message: /proved no such node;/,
  },
  {
    title: 'a service account that the pod does not run as',
    claims: claimsOf({ serviceAccount: other }),
    evidence: evidenceOf({ serviceAccount: other }),
    reason: 'ServiceAccountMismatch',
    message: /^serviceAccountName: asked "other"; proved pod runs as "worker";/,
  },
  {
    title: 'a service account of another UID',
    evidence: evidenceOf({ serviceAccount: { uid: 'other-uid' } }),
    reason: 'ServiceAccountMismatch',
    message:
      /^serviceAccountUID: asked "account-uid"; proved service account "worker" has UID "other-uid";/,
  },
  {
    title: 'a service account that does not exist',
    evidence: { ...evidenceOf(), serviceAccount: absent },
    reason: 'ServiceAccountMismatch',
    message: /proved no such service account;/,
  },
  {
    title: 'a namespace that does not exist',
    evidence: { ...evidenceOf(), namespace: absent },
    reason: 'PodNotFound',
    message: /^namespace: asked "team-a"; proved no such namespace;/,
  },
  {
    title: 'a pod without a podCertificate source',
    evidence: evidenceOf({ pod: { certificates: [] } }),
    reason: 'VolumeNotDeclared',
    message: /proved pod declares no podCertificate source;/,
  },
  {
    title: 'a source of another signer',
    evidence: evidenceOf({
      pod: { certificates: [{ ...declared, signerName: 'example.com/other' }] },
    }),
    reason: 'VolumeNotDeclared',
    message: /proved volume "identity" of the pod declares signerName "example.com\/other";/,
  },
  {
    title: 'a source of another key type',
    evidence: evidenceOf({ pod: { certificates: [{ ...declared, keyType: 'RSA3072' }] } }),
    reason: 'VolumeNotDeclared',
    message: /declares keyType "RSA3072";/,
  },
  {
    title: 'a source of another lifetime',
    evidence: evidenceOf({ pod: { certificates: [{ ...declared, maxExpirationSeconds: 3600 }] } }),
    reason: 'VolumeNotDeclared',
    message: /declares maxExpirationSeconds 3600;/,
  },
  {
    title: 'annotations that the source does not declare',
    claims: claimsOf({ annotations: { 'countersign.dev/role': 'agent' } }),
    evidence: evidenceOf(),
    reason: 'VolumeNotDeclared',
    message: /declares other userAnnotations;/,
  },
  {
    title: 'annotations that the source declares otherwise',
    claims: claimsOf({ annotations: { 'countersign.dev/role': 'agent' } }),
    evidence: evidenceOf({
      pod: {
        certificates: [{ ...declared, annotations: { 'countersign.dev/role': 'tool-server' } }],
      },
    }),
    reason: 'VolumeNotDeclared',
    message: /declares other userAnnotations;/,
  },
  {
    title: 'annotations of which the source declares more',
    evidence: evidenceOf({
      pod: { certificates: [{ ...declared, annotations: { 'countersign.dev/role': 'agent' } }] },
    }),
    reason: 'VolumeNotDeclared',
    message: /declares other userAnnotations;/,
  },
  {
    title: 'a key type that the profile does not allow',
    claims: claimsOf({ key: { ...claimsOf().key, keyType: 'ECDSAP521' } }),
    evidence: evidenceOf({ pod: { certificates: [{ ...declared, keyType: 'ECDSAP521' }] } }),
    reason: 'UnsupportedKeyType',
    message:
      /^keyType: asked ECDSAP521; proved allowed are ECDSAP256\|ED25519; to change: set keyType/,
  },
]

for (const { title, claims = claimsOf(), evidence, reason, message } of refusals) {
  test(`${title} is denied as ${reason}`, () => {
    requirement('signer.pod-bound')
    requirement('signer.volume-declared')
    const verdict = verdictOf(claims, evidence)
    assert.ok(verdict.kind === 'deny', JSON.stringify(verdict))
    assert.equal(verdict.reason, reason)
    assert.match(verdict.message, message)
  })

  test(`${title} is denied where the namespace is only warned, too`, () => {
    requirement('signer.warn-waives-no-identity')
    assert.deepEqual(
      verdictOf(claims, evidence, { mode: 'warn' }),
      verdictOf(claims, evidence, { mode: 'enforce' }),
    )
  })

  test(`${title} waits while the evidence is not live`, () => {
    requirement('signer.denied-only-proven')
    requirement('signer.absence-is-asked-live')
    const verdict = verdictOf(claims, { ...evidence, live: false })
    assert.equal(verdict.kind, 'wait')
  })
}

for (const object of ['pod', 'namespace', 'serviceAccount', 'node'] as const) {
  test(`a ${object} that could not be read waits and says why`, () => {
    const verdict = verdictOf(claimsOf(), { ...evidenceOf(), [object]: unknown })
    assert.ok(verdict.kind === 'wait')
    assert.match(verdict.why, /: pods: API server answered 503$/)
  })
}

test('a proven violation is denied although something else could not be read', () => {
  const evidence = { ...evidenceOf({ pod: { terminating: true } }), namespace: unknown }
  assert.equal(verdictOf(claimsOf(), evidence).kind, 'deny')
})

test('an absent service account does not hide that the namespace could not be read', () => {
  const evidence = { ...evidenceOf({ live: false }), serviceAccount: absent, namespace: unknown }
  assert.equal(verdictOf(claimsOf(), evidence).kind, 'wait')
})

for (const [title, owners] of Object.entries({
  'no owner reference': [],
  'an owner reference to another pod': [{ ...podOwner, uid: 'other' }],
  'an owner reference to another kind': [{ ...podOwner, kind: 'Job' }],
})) {
  test(`${title} is noted and not refused`, () => {
    const verdict = verdictOf(claimsOf({ owners }), evidenceOf())
    assert.ok(verdict.kind === 'issue')
    const note = verdict.findings.find((finding) => finding.field === 'owner')
    assert.deepEqual(note, {
      kind: 'noted',
      check: 'pod-runs',
      field: 'owner',
      note: 'request has no owner reference to its pod',
    })
  })
}

test('the lifetime is the smaller of what is asked and what the profile allows', () => {
  const long = { profile: { ...profile, lifetimeSecondsMax: 7200 } }
  for (const [asked, given] of [
    [86_400, 7200],
    [7200, 7200],
    [3600, 3600],
  ] as const) {
    const verdict = verdictOf(claimsOf({ maxExpirationSeconds: asked }), evidenceOf(), long)
    assert.ok(verdict.kind === 'issue')
    assert.equal(verdict.lifetimeSeconds, given)
  }
})

test('a lifetime below an hour waits, because the API server would not take the certificate', () => {
  const verdict = verdictOf(claimsOf({ maxExpirationSeconds: 3599 }), evidenceOf())
  assert.ok(verdict.kind === 'wait')
  assert.equal(verdict.why, 'maxExpirationSeconds: want=3600.. got=3599')
  assert.ok(verdict.findings.length > 0, 'what the other checks say is not lost')
})

test('paths of every source that fits are recorded, because a request does not name its volume', () => {
  const second = { ...declared, volume: 'second', paths: ['key.pem', 'chain.pem'] }
  const foreign = { ...declared, signerName: 'example.com/other', paths: ['foreign.pem'] }
  const evidence = evidenceOf({ pod: { certificates: [foreign, second, declared] } })
  const verdict = verdictOf(claimsOf(), evidence)
  assert.ok(verdict.kind === 'issue')
  assert.deepEqual(verdict.projectedPaths, ['chain.pem', 'credential-bundle.pem', 'key.pem'])
})

test('a source that declares the very lifetime and annotations fits', () => {
  const annotations = { 'countersign.dev/tenant': 'blue' }
  const evidence = evidenceOf({
    pod: { certificates: [{ ...declared, maxExpirationSeconds: 86_400, annotations }] },
  })
  assert.equal(verdictOf(claimsOf({ annotations }), evidence).kind, 'issue')
})

test('all broken fields are told in one refusal, the first check naming the reason', () => {
  const evidence = { ...evidenceOf({ pod: { nodeName: 'node2' } }), serviceAccount: absent }
  const verdict = verdictOf(claimsOf({ models: 'm1' }), evidence)
  assert.ok(verdict.kind === 'deny')
  assert.deepEqual(
    verdict.fields.map((field) => field.field),
    ['nodeName', 'serviceAccountName'],
  )
  assert.equal(verdict.reason, 'NodeMismatch')
})

test('checks have names of their own', () => {
  assert.equal(new Set(checks.map((check) => check.name)).size, checks.length)
})

test('the request says its own signer, which the pod has to declare', () => {
  const claims = claimsOf()
  const { asked } = claims
  const verdict = verdictOf(
    { ...claims, asked: { ...asked, spec: { ...asked.spec, signerName: `${signerName}-2` } } },
    { ...evidenceOf(), services: found([]) },
  )
  assert.ok(verdict.kind === 'deny')
  assert.equal(verdict.reason, 'VolumeNotDeclared')
})

test('a key that another pod holds is refused beside whatever else is, and policy is not asked', () => {
  requirement('signer.key-of-one-pod')
  const decide = (): never => assert.fail('policy was asked')
  const changed = { keyOwner: 'other-pod', policy: { ...agreeing, decide } }
  const verdict = verdictOf(claimsOf(), evidenceOf({ pod: { nodeName: 'node2' } }), changed)
  assert.ok(verdict.kind === 'deny')
  assert.deepEqual(
    verdict.fields.map(({ field }) => field),
    ['nodeName', 'publicKey'],
  )
  assert.equal(verdictOf(claimsOf(), { ...evidenceOf(), node: unknown }, changed).kind, 'deny')
  const own = { ...changed, keyOwner: 'pod-uid', policy: agreeing }
  assert.equal(verdictOf(claimsOf(), evidenceOf(), own).kind, 'issue')
})

test('while an earlier request for its key is not answered a request waits, unless it is refused anyway', () => {
  requirement('signer.key-of-one-pod')
  const changed = { keyAsked: 'team-b/req-1' }
  const waits = verdictOf(claimsOf(), evidenceOf(), changed)
  assert.ok(waits.kind === 'wait')
  assert.equal(
    waits.why,
    'publicKey: request "team-b/req-1" was made before for this key and is not answered yet',
  )
  const copied = verdictOf(claimsOf(), evidenceOf(), { ...changed, keyOwner: 'other-pod' })
  assert.equal(copied.kind, 'deny')
})

test('a pod that drains keeps its identity at refresh, and one that never ran gets none', () => {
  requirement('signer.draining-keeps-identity')
  const draining = verdictOf(
    claimsOf(),
    evidenceOf({ pod: { phase: 'Running', terminating: true } }),
  )
  assert.ok(draining.kind === 'issue')
  const finding = draining.findings.find(({ field }) => field === 'pod')
  assert.ok(finding?.kind === 'proved')
  assert.equal(finding.value, 'Running, being deleted')
  for (const [phase, reason] of [
    ['Pending', 'PodTerminating'],
    ['Unknown', 'PodTerminating'],
    ['Succeeded', 'PodEnded'],
    ['Failed', 'PodEnded'],
  ] as const) {
    const verdict = verdictOf(claimsOf(), evidenceOf({ pod: { phase, terminating: true } }))
    assert.ok(verdict.kind === 'deny')
    assert.equal(verdict.reason, reason)
  }
})

for (const [requester, kind] of [
  ['not-shown', 'deny'],
  ['unknown', 'wait'],
] as const) {
  test(`what policy refuses where it is ${requester} that a kubelet asks: ${kind}`, () => {
    requirement('signer.denied-only-proven')
    const told: unknown[] = []
    const decide: typeof agreeing.decide = (input) => {
      told.push(input.context.requester)
      return { ...agreeing.decide(input), allow: false }
    }
    const verdict = verdictOf(claimsOf(), evidenceOf(), {
      policy: { ...agreeing, decide, requester },
    })
    assert.equal(verdict.kind, kind)
    assert.deepEqual(told, ['not-shown'])
  })
}
