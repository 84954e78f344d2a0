import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTenant } from '../../../src/identity/tenant.ts'
import type { ClaimEvidence, Found } from '../../../src/signer/verdict/evidence.ts'
import type { IssuanceInput } from '../../../src/policy/issuance-policy.ts'
import type { Verdict } from '../../../src/signer/verdict/verdict.ts'
import { requirement } from '../../requirements.ts'
import { agreeing, claimsOf, evidenceOf, found, profile, unknown, verdictOf } from '../workload.ts'

const claimed: ClaimEvidence = {
  state: 'claimed',
  kind: 'SandboxClaim',
  name: 'claim-0',
  uid: 'claim-uid',
  owners: ['sandbox-uid', 'claim-uid'],
}
const ofBlue: ClaimEvidence = { ...claimed, tenant: 'blue' }
const unclaimed: ClaimEvidence = { state: 'unclaimed', why: 'no SandboxClaim owns its owner' }
const key = 'countersign.dev/tenant'
const allowed = { 'tenants.countersign.dev/blue': 'allow' }

function judge(
  claim: Found<ClaimEvidence>,
  options: {
    readonly labels?: Readonly<Record<string, string>>
    readonly tenant?: string
    readonly unclaimed?: 'wait' | 'pool'
    /** What policy is asked is put here. */
    readonly asked?: IssuanceInput[]
  } = {},
): Verdict {
  const { labels = {}, tenant } = options
  const granted = {
    serviceAccount: {
      annotations: { 'countersign.dev/models': 'small', 'countersign.dev/tool-scopes': 'wiki:*' },
    },
    namespace: {
      labels: {
        'models.countersign.dev/small': 'allow',
        'tools.countersign.dev/wiki': 'allow',
        ...labels,
      },
    },
  }
  const claims = claimsOf({
    models: 'small',
    toolScopes: 'wiki:*',
    ...(tenant === undefined ? {} : { tenant: parseTenant(tenant) }),
  })
  const evidence = { ...evidenceOf(granted), claim }
  const decide: typeof agreeing.decide = (input) => {
    options.asked?.push(input)
    return agreeing.decide(input)
  }
  return verdictOf(claims, evidence, {
    policy: { ...agreeing, decide },
    profile: { ...profile, ...(options.unclaimed && { unclaimed: options.unclaimed }) },
  })
}

const told = (verdict: Verdict): string =>
  verdict.kind === 'issue'
    ? `issue ${verdict.tenant ?? '-'}`
    : verdict.kind === 'wait'
      ? `wait ${verdict.why}`
      : `deny ${verdict.reason}`

test('who a pod was given to stands in its certificate', () => {
  requirement('signer.claim-proved')
  const verdict = judge(found(claimed), { labels: { [key]: 'blue' } })
  assert.ok(verdict.kind === 'issue')
  assert.deepEqual(verdict.claim, { name: 'claim-0', uid: 'claim-uid' })
  assert.equal(verdict.tenant, 'blue')
  assert.deepEqual(verdict.ceiling.models, ['small'])
  const finding = verdict.findings.find(({ check }) => check === 'claim-followed')
  assert.deepEqual(finding, {
    check: 'claim-followed',
    kind: 'proved',
    field: 'claim',
    value: 'SandboxClaim claim-0 with UID claim-uid',
    by: 'owners of the pod, sandbox-uid ← claim-uid',
  })
})

test('the issuance policy is told whom a pod was given to', () => {
  const asked: IssuanceInput[] = []
  judge(found(claimed), { labels: { [key]: 'blue' }, asked })
  judge(found({ state: 'none' }), { labels: { [key]: 'blue' }, asked })
  const claims = asked.map(({ subject }) => subject.properties.claim)
  assert.deepEqual(claims, [{ name: 'claim-0', uid: 'claim-uid' }, undefined])
})

const contradictions = {
  'a namespace that allows no tenant of claims': [
    {},
    'wait tenant: label countersign.dev/tenant of SandboxClaim "claim-0" is "blue" and label tenants.countersign.dev/blue of namespace "team-a" is not set; label namespace "team-a" with tenants.countersign.dev/blue=allow',
  ],
  'a namespace that allows another': [
    { 'tenants.countersign.dev/green': 'allow' },
    'wait tenant: label countersign.dev/tenant of SandboxClaim "claim-0" is "blue" and label tenants.countersign.dev/blue of namespace "team-a" is not set; label namespace "team-a" with tenants.countersign.dev/blue=allow',
  ],
  'a namespace of another tenant, whatever it allows': [
    { ...allowed, [key]: 'green' },
    'wait tenant: label countersign.dev/tenant of SandboxClaim "claim-0" is "blue" and label countersign.dev/tenant of namespace "team-a" "green"',
  ],
  'a namespace that allows it': [allowed, 'issue blue'],
  'a namespace of that tenant': [{ [key]: 'blue' }, 'issue blue'],
} as const

for (const [where, [labels, want]] of Object.entries(contradictions)) {
  test(`a claim that names a tenant in ${where}: ${want.slice(0, 11)}`, () => {
    requirement('signer.claim-names-allowed-tenant')
    assert.equal(told(judge(found(ofBlue), { labels })), want)
  })
}

test('a label of a claim that is no tenant is no tenant', () => {
  const verdict = judge(found({ ...claimed, tenant: 'Blue!' }), { labels: allowed })
  assert.match(told(verdict), /^wait tenant: label .* cannot be read, so it proves nothing/)
})

test('a pod asks for no other tenant than that of its claim', () => {
  assert.equal(told(judge(found(ofBlue), { labels: allowed, tenant: 'blue' })), 'issue blue')
  const other = judge(found(ofBlue), { labels: allowed, tenant: 'green' })
  assert.equal(told(other), 'deny TenantNotProved')
})

test('a claim that names no tenant has that of its namespace, and none in one without', () => {
  assert.equal(told(judge(found(claimed), { labels: { [key]: 'green' } })), 'issue green')
  assert.equal(told(judge(found(claimed), { labels: allowed })), 'issue -')
})

test('a pod that was not given to anybody waits, and is refused nothing that it asks for', () => {
  requirement('signer.unclaimed-serves-nobody')
  const verdict = judge(found(unclaimed), { labels: { [key]: 'blue' }, tenant: 'green' })
  assert.equal(told(verdict), 'wait claim: pod is unclaimed: no SandboxClaim owns its owner')
  assert.ok(verdict.kind === 'wait')
  assert.equal(verdict.seconds, 300)
})

test('where it may have the identity of its pool, that has no tenant and no ceiling', () => {
  requirement('signer.unclaimed-serves-nobody')
  const verdict = judge(found(unclaimed), {
    labels: { [key]: 'blue' },
    tenant: 'green',
    unclaimed: 'pool',
  })
  assert.equal(told(verdict), 'issue -')
  assert.ok(verdict.kind === 'issue')
  assert.deepEqual(verdict.ceiling, { models: [], toolScopes: [] })
  assert.equal(verdict.claim, undefined)
})

test('what belongs to no pool is as it was', () => {
  const verdict = judge(found({ state: 'none' }), { labels: { [key]: 'blue' } })
  assert.equal(told(verdict), 'issue blue')
})

test('owners that cannot be read are waited for', () => {
  assert.equal(told(judge(unknown)), `wait claim: ${unknown.why}`)
})
