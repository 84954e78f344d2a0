import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { containsToolScope, parseToolScope } from '../../../src/identity/tool-scope.ts'
import { parseRole, roles } from '../../../src/identity/role.ts'
import { parseTenant } from '../../../src/identity/tenant.ts'
import type { Claims } from '../../../src/signer/verdict/claims.ts'
import type { Evidence } from '../../../src/signer/verdict/evidence.ts'
import type { DenyReason } from '../../../src/signer/verdict/verdict.ts'
import { claimsOf, evidenceOf, profile, unknown, verdictOf } from '../workload.ts'
import type { EvidenceChanges } from '../workload.ts'
import { requirement } from '../../requirements.ts'

test('role and tenant that are not asked for are filled in from the proof', () => {
  const evidence = evidenceOf({
    serviceAccount: { labels: { 'countersign.dev/role': 'agent' } },
    namespace: { labels: { 'countersign.dev/tenant': 'blue', ...allows('agent') } },
  })
  const verdict = verdictOf(claimsOf(), evidence)
  assert.ok(verdict.kind === 'issue')
  assert.equal(verdict.role, 'agent')
  assert.equal(verdict.tenant, 'blue')
  const finding = verdict.findings.find(({ field }) => field === 'role')
  assert.deepEqual(finding, {
    check: 'role-proved',
    kind: 'proved',
    field: 'role',
    value: 'agent',
    by: 'label countersign.dev/role of service account "worker" and label roles.countersign.dev/agent of namespace "team-a"',
  })
})

function allows(role: string): Record<string, string> {
  return { [`roles.countersign.dev/${role}`]: 'allow' }
}

test('models and tool scopes that are not asked for are none, whatever is granted', () => {
  requirement('identity.nothing-asked-nothing-given')
  const verdict = verdictOf(claimsOf(), evidenceOf(widest))
  assert.ok(verdict.kind === 'issue')
  assert.deepEqual(verdict.ceiling, { models: [], toolScopes: [] })
})

const widest: EvidenceChanges = {
  serviceAccount: {
    annotations: {
      'countersign.dev/models': 'small,large',
      'countersign.dev/tool-scopes': 'github:*,wiki:read',
    },
  },
  namespace: {
    labels: {
      'models.countersign.dev/small': 'allow',
      'models.countersign.dev/large': 'allow',
      'tools.countersign.dev/github': 'allow',
      'tools.countersign.dev/wiki': 'allow',
    },
  },
}

test('a ceiling that both proofs hold is granted as it was asked, not as wide as it could be', () => {
  const claims = claimsOf({ models: 'small', toolScopes: 'github:issues_*,wiki:read' })
  const verdict = verdictOf(claims, evidenceOf(widest))
  assert.ok(verdict.kind === 'issue')
  assert.deepEqual(verdict.ceiling.models, ['small'])
  assert.deepEqual(
    verdict.ceiling.toolScopes.map((scope) => scope.text),
    ['github:issues_*', 'wiki:read'],
  )
})

interface Refused {
  readonly title: string
  readonly claims: Claims
  readonly changes: EvidenceChanges
  readonly reason: DenyReason
  readonly message: string
}

const refusals: readonly Refused[] = [
  {
    title: 'a role that neither side gives',
    claims: claimsOf({ role: parseRole('agent') }),
    changes: {},
    reason: 'RoleNotProved',
    message:
      'role: asked "agent"; proved none: label countersign.dev/role of service account "worker" is not set and label roles.countersign.dev/agent of namespace "team-a" is not set; to change: set label countersign.dev/role of service account "worker" to "agent" and label namespace "team-a" with roles.countersign.dev/agent=allow, or do not ask for it',
  },
  {
    title: 'a role that only the namespace allows',
    claims: claimsOf({ role: parseRole('agent') }),
    changes: { namespace: { labels: allows('agent') } },
    reason: 'RoleNotProved',
    message:
      'role: asked "agent"; proved none: label countersign.dev/role of service account "worker" is not set; to change: set label countersign.dev/role of service account "worker" to "agent", or do not ask for it',
  },
  {
    title: 'a role that only the service account names',
    claims: claimsOf({ role: parseRole('tool-broker') }),
    changes: { serviceAccount: { labels: { 'countersign.dev/role': 'tool-broker' } } },
    reason: 'RoleNotProved',
    message:
      'role: asked "tool-broker"; proved none: label roles.countersign.dev/tool-broker of namespace "team-a" is not set; to change: label namespace "team-a" with roles.countersign.dev/tool-broker=allow, or do not ask for it',
  },
  {
    title: 'a role whose namespace label is not exactly allow',
    claims: claimsOf({ role: parseRole('agent') }),
    changes: {
      serviceAccount: { labels: { 'countersign.dev/role': 'agent' } },
      namespace: { labels: { 'roles.countersign.dev/agent': 'true' } },
    },
    reason: 'RoleNotProved',
    message:
      'role: asked "agent"; proved none: label roles.countersign.dev/agent of namespace "team-a" is "true"; to change: label namespace "team-a" with roles.countersign.dev/agent=allow, or do not ask for it',
  },
  {
    title: 'a role other than the proved one',
    claims: claimsOf({ role: parseRole('tool-server') }),
    changes: {
      serviceAccount: { labels: { 'countersign.dev/role': 'agent' } },
      namespace: { labels: { ...allows('agent'), ...allows('tool-server') } },
    },
    reason: 'RoleNotProved',
    message:
      'role: asked "tool-server"; proved agent: label countersign.dev/role of service account "worker" is "agent"; to change: set label countersign.dev/role of service account "worker" to "tool-server", or do not ask for it',
  },
  {
    title: 'a role whose proof cannot be read',
    claims: claimsOf({ role: parseRole('agent') }),
    changes: {
      serviceAccount: { labels: { 'countersign.dev/role': 'Agent' } },
      namespace: { labels: allows('agent') },
    },
    reason: 'RoleNotProved',
    message:
      'role: asked "agent"; proved none: label countersign.dev/role of service account "worker" cannot be read, so it proves nothing: role is not known, want=model-gateway|tool-broker|inference-worker|agent|tool-server got="Agent"; to change: set label countersign.dev/role of service account "worker" to "agent", or do not ask for it',
  },
  {
    title: 'a tenant other than the proved one',
    claims: claimsOf({ tenant: parseTenant('green') }),
    changes: { namespace: { labels: { 'countersign.dev/tenant': 'blue' } } },
    reason: 'TenantNotProved',
    message:
      'tenant: asked "green"; proved "blue"; to change: set label countersign.dev/tenant of namespace "team-a" to "green", or do not ask for it',
  },
  {
    title: 'a model that only the namespace allows',
    claims: claimsOf({ models: 'small' }),
    changes: { namespace: { labels: { 'models.countersign.dev/small': 'allow' } } },
    reason: 'ModelNotGranted',
    message:
      'models: asked "small"; proved annotation countersign.dev/models of service account "worker" is not set; to change: add "small" to annotation countersign.dev/models of service account "worker"',
  },
  {
    title: 'a model that only the service account lists',
    claims: claimsOf({ models: 'small' }),
    changes: { serviceAccount: { annotations: { 'countersign.dev/models': 'small' } } },
    reason: 'ModelNotGranted',
    message:
      'models: asked "small"; proved label models.countersign.dev/small of namespace "team-a" is not set; to change: label namespace "team-a" with models.countersign.dev/small=allow',
  },
  {
    title: 'a model whose namespace label is not exactly allow',
    claims: claimsOf({ models: 'small' }),
    changes: {
      serviceAccount: { annotations: { 'countersign.dev/models': 'small' } },
      namespace: { labels: { 'models.countersign.dev/small': 'Allow' } },
    },
    reason: 'ModelNotGranted',
    message:
      'models: asked "small"; proved label models.countersign.dev/small of namespace "team-a" is "Allow"; to change: label namespace "team-a" with models.countersign.dev/small=allow',
  },
  {
    title: 'a model beside an annotation that cannot be read as a whole',
    claims: claimsOf({ models: 'small' }),
    changes: {
      serviceAccount: { annotations: { 'countersign.dev/models': 'small,,large' } },
      namespace: { labels: { 'models.countersign.dev/small': 'allow' } },
    },
    reason: 'ModelNotGranted',
    message:
      'models: asked "small"; proved annotation countersign.dev/models of service account "worker" cannot be read, so it proves nothing: list of models has an empty member, got="small,,large"; to change: add "small" to annotation countersign.dev/models of service account "worker"',
  },
  {
    title: 'a tool scope wider than the granted one',
    claims: claimsOf({ toolScopes: 'github:*' }),
    changes: {
      serviceAccount: { annotations: { 'countersign.dev/tool-scopes': 'github:issues_*' } },
      namespace: { labels: { 'tools.countersign.dev/github': 'allow' } },
    },
    reason: 'ToolScopeNotGranted',
    message:
      'toolScopes: asked "github:*"; proved annotation countersign.dev/tool-scopes of service account "worker" does not cover it; to change: add "github:*" to annotation countersign.dev/tool-scopes of service account "worker"',
  },
  {
    title: 'a tool scope of a server that the namespace does not allow',
    claims: claimsOf({ toolScopes: 'wiki:read' }),
    changes: {
      serviceAccount: { annotations: { 'countersign.dev/tool-scopes': 'wiki:*' } },
      namespace: { labels: { 'tools.countersign.dev/github': 'allow' } },
    },
    reason: 'ToolScopeNotGranted',
    message:
      'toolScopes: asked "wiki:read"; proved label tools.countersign.dev/wiki of namespace "team-a" is not set; to change: label namespace "team-a" with tools.countersign.dev/wiki=allow',
  },
]

for (const { title, claims, changes, reason, message } of refusals) {
  test(`${title} is denied as ${reason}`, () => {
    requirement('signer.claims-need-evidence')
    const verdict = verdictOf(claims, evidenceOf(changes))
    assert.ok(verdict.kind === 'deny', JSON.stringify(verdict))
    assert.equal(verdict.reason, reason)
    assert.equal(verdict.message, message)
  })
}

test('a label that cannot be read gives no role, and is noted', () => {
  const evidence = evidenceOf({ serviceAccount: { labels: { 'countersign.dev/role': 'root' } } })
  assert.match(roleNote(evidence), /cannot be read, so it proves nothing/)
})

test('a role that one side alone gives is none when nothing is asked, and the note names the label', () => {
  requirement('signer.role-is-an-intersection')
  const named = { serviceAccount: { labels: { 'countersign.dev/role': 'agent' } } }
  assert.equal(
    roleNote(evidenceOf(named)),
    'none: label roles.countersign.dev/agent of namespace "team-a" is not set',
  )
  assert.equal(
    roleNote(evidenceOf({ namespace: { labels: allows('agent') } })),
    'none: label countersign.dev/role of service account "worker" is not set',
  )
})

/** What is noted of the role of a certificate that is issued without one. */
function roleNote(evidence: Evidence): string {
  const verdict = verdictOf(claimsOf(), evidence)
  assert.ok(verdict.kind === 'issue')
  assert.equal(verdict.role, undefined)
  const note = verdict.findings.find((finding) => finding.field === 'role')
  assert.ok(note?.kind === 'noted')
  return note.note
}

test('no combination of labels gives a role that both sides do not give', () => {
  requirement('signer.role-is-an-intersection')
  const some = fc.option(fc.constantFrom(...roles), { nil: undefined })
  fc.assert(
    fc.property(
      some,
      fc.option(fc.constantFrom<string>(...roles, 'Agent', '', 'allow'), { nil: undefined }),
      labelled('roles.countersign.dev/', [...roles]),
      (asked, named, labels) => {
        const account = named === undefined ? {} : { 'countersign.dev/role': named }
        const evidence = evidenceOf({ serviceAccount: { labels: account }, namespace: { labels } })
        const verdict = verdictOf(claimsOf(asked === undefined ? {} : { role: asked }), evidence)
        const proof = roles.find(
          (role) => role === named && labels[`roles.countersign.dev/${role}`] === 'allow',
        )
        assert.equal(verdict.kind, asked === undefined || asked === proof ? 'issue' : 'deny')
        if (verdict.kind === 'issue') assert.equal(verdict.role, proof)
      },
    ),
    { numRuns: 500 },
  )
})

const services = [
  { name: 'workers', selector: { app: 'worker' }, externalName: false },
  { name: 'api', selector: { app: 'worker' }, externalName: false },
  { name: 'others', selector: { app: 'other' }, externalName: false },
  { name: 'stricter', selector: { app: 'worker', tier: 'front' }, externalName: false },
  { name: 'no-selector', selector: undefined, externalName: false },
  { name: 'empty-selector', selector: {}, externalName: false },
  { name: 'external', selector: { app: 'worker' }, externalName: true },
  { name: 'not.a.label', selector: { app: 'worker' }, externalName: false },
]

for (const role of roles) {
  test(`a pod of role ${role} has ${role === 'agent' ? 'no' : 'the'} names of the Services that select it`, () => {
    const verdict = verdictOf(claimsOf(), evidenceOf({ services, ...holding(role) }))
    assert.ok(verdict.kind === 'issue')
    const expected = role === 'agent' ? [] : ['api.team-a.svc', 'workers.team-a.svc']
    assert.deepEqual(verdict.dnsNames, expected)
  })
}

function holding(role: string): EvidenceChanges {
  return {
    serviceAccount: { labels: { 'countersign.dev/role': role } },
    namespace: { labels: allows(role) },
  }
}

const server = holding('tool-server')

test('a pod without a proved role has no DNS names', () => {
  requirement('signer.role-is-an-intersection')
  for (const half of [{}, { serviceAccount: server.serviceAccount ?? {} }]) {
    const verdict = verdictOf(claimsOf(), evidenceOf({ services, ...half }))
    assert.ok(verdict.kind === 'issue')
    assert.deepEqual(verdict.dnsNames, [])
  }
})

test('with a cluster domain each Service has its long name too', () => {
  const verdict = verdictOf(claimsOf(), evidenceOf({ ...server, services: services.slice(0, 1) }), {
    profile: { ...profile, clusterDomain: 'cluster.local' },
  })
  assert.ok(verdict.kind === 'issue')
  assert.deepEqual(verdict.dnsNames, ['workers.team-a.svc', 'workers.team-a.svc.cluster.local'])
})

test('more Services than a certificate has room for are left out, and noted', () => {
  const many = Array.from({ length: 17 }, (_, index) => ({
    name: `s${String(index).padStart(2, '0')}`,
    selector: { app: 'worker' },
    externalName: false,
  }))
  const verdict = verdictOf(claimsOf(), evidenceOf({ ...server, services: many }))
  assert.ok(verdict.kind === 'issue')
  assert.equal(verdict.dnsNames.length, 16)
  assert.ok(
    verdict.findings.some(
      (finding) =>
        finding.kind === 'noted' && finding.note === 'more Services than fit, want=..16 got=17',
    ),
  )
})

test('Services that could not be read make a serving pod wait, and an agent not', () => {
  const serving = { ...evidenceOf(server), services: unknown }
  assert.equal(verdictOf(claimsOf(), serving).kind, 'wait')
  assert.equal(verdictOf(claimsOf(), { ...evidenceOf(), services: unknown }).kind, 'issue')
})

const models = ['m1', 'm2', 'm3']
const scopes = ['a:*', 'a:x_*', 'a:x_1', 'b:*', 'b:y']
const values = ['allow', 'Allow', 'true', '', undefined]

/** Some annotation value: a sublist, sometimes one that cannot be read. */
const annotation = (members: string[]): fc.Arbitrary<string | undefined> =>
  fc.oneof(
    fc.subarray(members).map((some) => some.join(',')),
    fc.constantFrom(undefined, ',', ' ', `${members[0]},`, '*'),
  )

const labelled = (prefix: string, names: string[]): fc.Arbitrary<Record<string, string>> =>
  fc.tuple(...names.map(() => fc.constantFrom(...values))).map((chosen) =>
    Object.fromEntries(
      names.flatMap((name, index) => {
        const value = chosen[index]
        return value === undefined ? [] : [[`${prefix}${name}`, value]]
      }),
    ),
  )

test('no combination of evidence lets a ceiling exceed what both proofs hold', () => {
  requirement('signer.ceiling-is-an-intersection')
  fc.assert(
    fc.property(
      fc.record({
        askedModels: fc.subarray(models),
        askedScopes: fc.subarray(scopes),
        modelsAnnotation: annotation(models),
        scopesAnnotation: annotation(scopes),
        modelLabels: labelled('models.countersign.dev/', models),
        serverLabels: labelled('tools.countersign.dev/', ['a', 'b']),
      }),
      (given) => {
        const annotations = Object.fromEntries(
          [
            ['countersign.dev/models', given.modelsAnnotation],
            ['countersign.dev/tool-scopes', given.scopesAnnotation],
          ].filter((entry): entry is [string, string] => entry[1] !== undefined),
        )
        const labels = { ...given.modelLabels, ...given.serverLabels }
        const claims = claimsOf({
          ...(given.askedModels.length === 0 ? {} : { models: given.askedModels.join(',') }),
          ...(given.askedScopes.length === 0 ? {} : { toolScopes: given.askedScopes.join(',') }),
        })
        const evidence = evidenceOf({ serviceAccount: { annotations }, namespace: { labels } })
        const verdict = verdictOf(claims, evidence)
        const listed = (given.modelsAnnotation ?? '').split(',')
        const held = given.askedModels.every(
          (model) =>
            listed.includes(model) && labels[`models.countersign.dev/${model}`] === 'allow',
        )
        if (verdict.kind === 'issue') {
          assert.ok(held, 'a model was granted that one proof does not hold')
          assert.deepEqual(verdict.ceiling.models, given.askedModels)
          for (const scope of verdict.ceiling.toolScopes) {
            assert.equal(labels[`tools.countersign.dev/${scope.server}`], 'allow')
            const wider = (given.scopesAnnotation ?? '').split(',').map(parseToolScope)
            assert.ok(wider.some((candidate) => containsToolScope(candidate, scope)))
          }
          assert.equal(verdict.ceiling.toolScopes.length, given.askedScopes.length)
        } else {
          assert.equal(verdict.kind, 'deny')
        }
      },
    ),
    { numRuns: 500 },
  )
})
