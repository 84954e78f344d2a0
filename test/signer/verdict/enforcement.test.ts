import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CountersignError } from '../../../src/errors.ts'
import type { Role } from '../../../src/identity/role.ts'
import { parseTenant, type Tenant } from '../../../src/identity/tenant.ts'
import { toldOf } from '../../../src/signer/verdict/check.ts'
import { modesOf } from '../../../src/signer/verdict/enforcement.ts'
import type { IssuanceInput } from '../../../src/policy/issuance-policy.ts'
import type { IssueVerdict, Verdict } from '../../../src/signer/verdict/verdict.ts'
import { requirement } from '../../requirements.ts'
import { agreeing, claimsOf, evidenceOf, profile, verdictOf } from '../workload.ts'

interface Asked {
  readonly role?: Role
  readonly tenant?: Tenant
  readonly models?: string
  readonly toolScopes?: string
}

/** Proves role tool-server, tenant blue, model small and the tools of github. */
const evidence = evidenceOf({
  namespace: {
    labels: {
      'countersign.dev/tenant': 'blue',
      'roles.countersign.dev/tool-server': 'allow',
      'models.countersign.dev/small': 'allow',
      'tools.countersign.dev/github': 'allow',
    },
  },
  serviceAccount: {
    labels: { 'countersign.dev/role': 'tool-server' },
    annotations: {
      'countersign.dev/models': 'small',
      'countersign.dev/tool-scopes': 'github:*',
    },
  },
  services: [{ name: 'tools', selector: { app: 'worker' }, externalName: false }],
})

/** What a certificate says beside the name. */
function contentOf(verdict: Verdict): object {
  assert.ok(verdict.kind === 'issue')
  const { role, tenant, ceiling, dnsNames, lifetimeSeconds, projectedPaths } = verdict
  return { role, tenant, ceiling, dnsNames, lifetimeSeconds, projectedPaths }
}

function issuedWith(asked: Asked, changed: Parameters<typeof verdictOf>[2] = {}): IssueVerdict {
  const verdict = verdictOf(claimsOf(asked), evidence, { mode: 'warn', ...changed })
  assert.ok(verdict.kind === 'issue', verdict.kind)
  return verdict
}

const roles = [undefined, 'tool-server', 'agent'] as const
const tenants = [undefined, 'blue', 'green'] as const
const modelLists = [undefined, 'small', 'large', 'small,large']
const scopeLists = [undefined, 'github:issues_*', 'github:*,wiki:*']

function* allAsked(): Generator<{ readonly asked: Asked; readonly provable: Asked }> {
  for (const role of roles) {
    for (const name of tenants) {
      for (const models of modelLists) {
        for (const toolScopes of scopeLists) {
          const tenant = name === undefined ? undefined : parseTenant(name)
          const smaller = models?.includes('small') ? 'small' : undefined
          const narrower = toolScopes?.replace(',wiki:*', '')
          yield {
            asked: {
              ...(role && { role }),
              ...(tenant && { tenant }),
              ...(models && { models }),
              ...(toolScopes && { toolScopes }),
            },
            provable: {
              ...(role === 'tool-server' && { role }),
              ...(tenant && name === 'blue' && { tenant }),
              ...(smaller && { models: smaller }),
              ...(narrower && { toolScopes: narrower }),
            },
          }
        }
      }
    }
  }
}

test('a warned namespace gets the certificate that it would get without the claims that fail, whatever is claimed', () => {
  requirement('signer.warn-issues-the-proved')
  let warned = 0
  for (const { asked, provable } of allAsked()) {
    const enforced = verdictOf(claimsOf(asked), evidence)
    const { wouldDeny, ...verdict } = issuedWith(asked)
    assert.deepEqual(contentOf(verdict), contentOf(verdictOf(claimsOf(provable), evidence)))
    if (enforced.kind === 'issue') {
      assert.equal(wouldDeny, undefined)
      continue
    }
    warned += 1
    assert.ok(enforced.kind === 'deny')
    const { reason, fields } = enforced
    assert.deepEqual(wouldDeny, { reason, fields })
  }
  assert.equal(warned, 108 - 2 * 2 * 2 * 2)
})

test('a tenant and a role that are proved are not shed by claiming others', () => {
  requirement('signer.warn-issues-the-proved')
  const verdict = issuedWith({ role: 'agent', tenant: parseTenant('green') })
  assert.equal(verdict.role, 'tool-server')
  assert.equal(verdict.tenant, 'blue')
  assert.deepEqual(verdict.dnsNames, ['tools.team-a.svc'])
})

test('policy is asked of a warned namespace about what is proved, and no more', () => {
  requirement('signer.warn-issues-the-proved')
  const inputs: IssuanceInput[] = []
  const decide: typeof agreeing.decide = (input) => {
    inputs.push(input)
    return agreeing.decide(input)
  }
  const asked = { tenant: parseTenant('green'), models: 'small,large', toolScopes: 'wiki:*' }
  issuedWith(asked, { policy: { ...agreeing, decide } })
  const [input] = inputs
  assert.equal(inputs.length, 1)
  const { tenant, models, toolScopes } = input?.subject.properties ?? {}
  assert.deepEqual(
    { tenant, models, toolScopes },
    { tenant: 'blue', models: ['small'], toolScopes: [] },
  )
})

test('what is refused on evidence that is not live waits in every mode', () => {
  requirement('signer.warn-issues-the-proved')
  const asked = claimsOf({ models: 'large' })
  for (const mode of ['enforce', 'warn'] as const) {
    const verdict = verdictOf(asked, { ...evidence, live: false }, { mode })
    assert.equal(verdict.kind, 'wait')
  }
})

test('a warned namespace is denied for who asks and with what, and told of nothing that is waived', () => {
  requirement('signer.warn-waives-no-identity')
  const claims = claimsOf({ tenant: parseTenant('green'), models: 'large' })
  const ceiling = { ...evidence, node: evidenceOf({ node: { uid: 'other' } }).node }
  const elsewhere = verdictOf(claims, ceiling, { mode: 'warn' })
  assert.ok(elsewhere.kind === 'deny')
  assert.deepEqual(
    elsewhere.fields.map(({ field }) => field),
    ['nodeUID'],
  )
  const copied = verdictOf(claims, evidence, { mode: 'warn', keyOwner: 'other-pod' })
  assert.ok(copied.kind === 'deny')
  assert.equal(copied.reason, 'KeyAlreadyIssued')
  const small = { ...profile, keyTypes: ['ED25519'] as const }
  const unfit = verdictOf(claims, evidence, { mode: 'warn', profile: small })
  assert.ok(unfit.kind === 'deny')
  assert.equal(unfit.reason, 'UnsupportedKeyType')
})

const refusing = (
  reasons: (requester: string | undefined) => readonly string[],
): typeof agreeing.decide => {
  return (input) => {
    const codes = reasons(input.context.requester)
    return {
      ...agreeing.decide(input),
      allow: codes.length === 0,
      reasons: codes.map((code) => ({ code, message: code, audience: 'operator' as const })),
      lifetimeSecondsMax: 3600,
    }
  }
}

test('a refusal of policy is waived with a warning, and the life that it sets still counts', () => {
  requirement('signer.warn-issues-the-proved')
  const decide = refusing(() => ['over-quota'])
  const longer = { ...profile, lifetimeSecondsMax: 86_400 }
  const verdict = issuedWith({}, { policy: { ...agreeing, decide }, profile: longer })
  assert.equal(verdict.wouldDeny?.reason, 'RefusedByPolicy')
  assert.match(verdict.wouldDeny.fields[0]?.proved ?? '', /over-quota/)
  assert.equal(verdict.lifetimeSeconds, 3600)
})

for (const [requester, kind] of [
  ['shown', 'issue'],
  ['not-shown', 'deny'],
  ['unknown', 'wait'],
] as const) {
  test(`what policy refuses for who made the request is waived by no mode: ${requester}, ${kind}`, () => {
    requirement('signer.warn-waives-no-identity')
    requirement('policy.issuance-logged')
    const noKubelet = (who: string | undefined): readonly string[] =>
      who === 'shown' ? [] : ['not-by-kubelet']
    const alone = refusing(noKubelet)
    const besides = refusing((who) => ['over-quota', ...noKubelet(who)])
    for (const answer of [alone, besides]) {
      const decide: typeof answer = (input, how) => {
        // Nobody records, or asks a candidate about, a kubelet that has asked for nothing.
        const isSaid = input.context.requester === toldOf(requester)
        assert.equal(how?.supposed === true, !isSaid)
        return answer(input, how)
      }
      const policy = { ...agreeing, requester, decide }
      const verdict = verdictOf(claimsOf(), evidence, { mode: 'warn', policy })
      assert.equal(verdict.kind, kind)
    }
  })
}

test('a policy that refuses and sets too short a life, or gives no answer, makes a warned namespace wait', () => {
  requirement('signer.warn-issues-the-proved')
  const decide = refusing(() => ['over-quota'])
  const shorter: typeof decide = (input) => ({ ...decide(input), lifetimeSecondsMax: 60 })
  const broken = (): never => {
    throw new CountersignError('policy/abort', 'gives up')
  }
  for (const answer of [shorter, broken]) {
    const policy = { ...agreeing, decide: answer }
    assert.equal(verdictOf(claimsOf(), evidence, { mode: 'warn', policy }).kind, 'wait')
  }
})

test('a namespace that is not named is enforced, whatever its name', () => {
  requirement('signer.modes-by-configuration')
  const modeOf = modesOf({ 'team-a': 'warn', 'team-b': 'off' })
  assert.equal(modeOf('team-a'), 'warn')
  assert.equal(modeOf('team-b'), 'off')
  for (const name of ['team-c', 'Team-a', '', 'constructor', '__proto__', 'toString']) {
    assert.equal(modeOf(name), 'enforce')
  }
})
