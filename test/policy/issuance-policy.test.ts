import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CountersignError } from '../../src/errors.ts'
import { loadPolicyBundle } from '../support/load-policy.ts'
import type { PolicyEngine } from '../../src/policy/engine.ts'
import { createIssuancePolicy } from '../../src/policy/issuance-policy.ts'
import { requirement } from '../requirements.ts'
import { issuanceInput as input } from './issuance-input.ts'

function policyThat(evaluate: PolicyEngine['evaluate']): ReturnType<typeof createIssuancePolicy> {
  return createIssuancePolicy({ revision: 'r1', digest: 'd1', evaluate })
}

test('the default policy allows, and shortens nothing', async () => {
  const engine = await loadPolicyBundle()
  const policy = createIssuancePolicy(engine)
  const { revision, digest } = engine
  const expected = { allow: true, reasons: [], policy: { revision, digest } }
  assert.deepEqual(policy.decide(input), expected)
})

test('a denied namespace is refused, and a role gets its shorter life', async () => {
  requirement('signer.policy-only-narrows')
  const issuance = {
    denied_namespaces: { quarantine: true },
    lifetime_seconds_max: { agent: 1800 },
  }
  const engine = await loadPolicyBundle({ data: { issuance } })
  const policy = createIssuancePolicy(engine)
  const by = { policy: { revision: engine.revision, digest: engine.digest } }
  const allowed = { allow: true, reasons: [], lifetimeSecondsMax: 1800, ...by }
  assert.deepEqual(policy.decide(input), allowed)
  const { properties } = input.subject
  const denied = {
    ...input,
    subject: { ...input.subject, properties: { ...properties, namespace: 'quarantine' } },
  }
  assert.deepEqual(policy.decide(denied), {
    allow: false,
    reasons: [
      {
        code: 'namespace-denied',
        message: 'data.issuance.denied_namespaces names the namespace',
        audience: 'operator',
      },
    ],
    lifetimeSecondsMax: 1800,
    ...by,
  })
})

const odd: Readonly<Record<string, readonly [unknown, string]>> = {
  true: [true, 'issuance decision is of the wrong type, want=object got=boolean'],
  'no allow': [{ reasons: [] }, 'allow is of the wrong type, want=boolean got=undefined'],
  'no reasons': [{ allow: true }, 'reasons are of the wrong type, want=array got=undefined'],
  'another member': [
    { allow: true, reasons: [], ceiling: [] },
    'issuance decision has an unknown member, want=allow|reasons|lifetime_seconds_max got="ceiling"',
  ],
  ...Object.fromEntries(
    [0, -1, 1.5, '3600', null, 1e300].map((lifetime) => [
      `a life of ${JSON.stringify(lifetime)}`,
      [
        { allow: true, reasons: [], lifetime_seconds_max: lifetime },
        'lifetime_seconds_max is of the wrong type, want=positive integer',
      ],
    ]),
  ),
}

for (const [name, [result, message]] of Object.entries(odd)) {
  test(`${name} is no answer, so the signer waits`, () => {
    requirement('policy.cannot-fail-open')
    assert.throws(() => policyThat(() => result).decide(input), { code: 'policy/result', message })
  })
}

test('a failure of the engine is passed on', () => {
  const policy = policyThat(() => {
    throw new CountersignError('policy/abort', 'evaluation ended early')
  })
  assert.throws(() => policy.decide(input), { code: 'policy/abort' })
})
