import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CountersignError } from '../../../src/errors.ts'
import { createAuthorizer, type Authorizer } from '../../../src/policy/authorizer.ts'
import { parseLoggedDecision } from '../../../src/policy/author/logged-decision.ts'
import { createDecisionLog } from '../../../src/policy/decision-log.ts'
import { entrypoints } from '../../../src/policy/engine.ts'
import { fromJson } from '../../../src/policy/plan/json.ts'
import { silentLog } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import { createTenantOf } from '../../../src/policy/tenant/decide-with-tenant.ts'
import { openTenantPolicy, type TenantPolicy } from '../../../src/policy/tenant/tenant-policy.ts'
import { requirement } from '../../requirements.ts'
import { loadPolicyBundle } from '../../support/load-policy.ts'
import { callTexts, type CallOptions } from '../call-input.ts'
import { keepLines } from '../event-lines.ts'
import { assembleModule } from '../policy-module.ts'
import { tenantBundle } from './tenant-bundle.ts'

const tools = { issues_create: {}, read: {} }
const engine = await loadPolicyBundle({
  data: { grants: { tenants: { acme: { github: { tools } }, globex: { github: { tools } } } } },
})

/** A platform that permits both tenants everything, with these bundles of theirs. */
function authorizerWith(policies: Readonly<Record<string, TenantPolicy | 'none'>>): {
  readonly authorizer: Authorizer
  readonly asked: string[]
} {
  const asked: string[] = []
  const authorizer = createAuthorizer(engine, {
    tenants: {
      tenantOf: createTenantOf(),
      digest: 'of-tenants',
      of(tenant) {
        asked.push(tenant)
        const policy = policies[tenant]
        if (policy === 'none') throw new CountersignError('policy/bundle', 'not there yet')
        return policy
      },
    },
  })
  return { authorizer, asked }
}

function create(
  tenant: string | undefined,
  options: CallOptions = {},
): ReturnType<typeof callTexts> {
  return callTexts({
    tenant,
    server: 'github',
    tool: 'issues_create',
    toolScopes: ['github:*'],
    arguments: { repository: 'acme/handbook' },
    ...options,
  })
}

/** A decision log whose lines are kept here. */
function openLog(): {
  readonly lines: readonly string[]
  readonly log: ReturnType<typeof createDecisionLog>
} {
  const { file, lines } = keepLines()
  const more = { log: silentLog, metrics: silentMetrics }
  const log = createDecisionLog(file, { engine, labels: () => ({}), now: () => 0, ...more })
  return { lines, log }
}

test('a tenant’s rules deny calls of its own, by its own data, and of no other tenant', async () => {
  requirement('policy.tenant-confined')
  const { authorizer, asked } = authorizerWith({
    acme: await openTenantPolicy(tenantBundle(), 'acme'),
  })
  const denied = authorizer.decide(create('acme'))
  assert.equal(denied.value.allow, false)
  assert.deepEqual(
    denied.value.reasons.map(({ code, audience }) => [code, audience]),
    [
      ['frozen', 'agent'],
      ['frozen', 'operator'],
    ],
  )
  assert.equal(denied.policy?.tenant?.name, 'acme')
  assert.equal(
    authorizer.decide(create('acme', { arguments: { repository: 'x' } })).value.allow,
    true,
  )
  const other = authorizer.decide(create('globex'))
  assert.deepEqual([other.value.allow, other.policy?.tenant], [true, undefined])
  // Who has no tenant is granted nothing here, and what the platform refuses no tenant is asked about.
  assert.equal(authorizer.decide(create(undefined)).value.allow, false)
  assert.equal(authorizer.decide(create('acme', { tool: 'drop' })).value.allow, false)
  assert.deepEqual(asked, ['acme', 'acme', 'globex'])
})

test('a tenant’s denial denies, though it says that it is not enforced', async () => {
  requirement('policy.tried-only-as-said')
  // Of `{"code": …, "message": …}` the same with one member more.
  const insert =
    /\{"type":"ObjectInsertStmt","stmt":\{"key":\{"type":"string_index","value":11\}[^]*?\}\}/
  const plan = (text: string): string => {
    const parsed = JSON.parse(text) as { readonly static: { readonly strings: object[] } }
    const key = parsed.static.strings.push({ value: 'enforced' }) - 1
    assert.match(JSON.stringify(parsed), insert)
    return JSON.stringify(parsed).replace(insert, (found) => {
      const more = found
        .replace('"value":11', `"value":${key}`)
        .replace(/"value":\{[^}]*\},"object"/, '"value":{"type":"bool","value":false},"object"')
      assert.match(more, /"value":\{"type":"bool","value":false\}/)
      return `${found},${more}`
    })
  }
  const policy = await openTenantPolicy(tenantBundle({ plan }), 'acme')
  const { authorizer } = authorizerWith({ acme: policy })
  const { value } = authorizer.decide(create('acme'))
  assert.deepEqual([value.allow, value.reasons[0]?.code], [false, 'frozen'])
})

test('a tenant whose bundle has no answer is refused, and nobody else is', async () => {
  requirement('policy.tenant-fails-alone')
  const endless: TenantPolicy = {
    revision: 'r',
    digest: 'd',
    denials() {
      throw new CountersignError('policy/fuel', 'too many steps')
    },
    shows: () => [],
  }
  for (const broken of ['none', endless] as const) {
    const { authorizer } = authorizerWith({ acme: broken })
    const { value, error, policy } = authorizer.decide(create('acme'))
    assert.equal(policy?.tenant?.name, 'acme')
    assert.deepEqual([value.allow, value.reasons[0]?.code], [false, 'policy-unavailable'])
    assert.match(error ?? '', /^policy\/(bundle|fuel): /)
    assert.equal(authorizer.decide(create('globex')).value.allow, true)
  }
})

const refused: Readonly<Record<string, readonly [Parameters<typeof tenantBundle>[0], RegExp]>> = {
  'data of another tenant': [
    { data: { tenants: { acme: {}, globex: {} } } },
    /^data is outside of the roots of the manifest, got="tenants\/globex"$/,
  ],
  'data of the platform': [
    { data: { grants: { tenants: {} } } },
    /^data is outside of the roots of the manifest, got="grants"$/,
  ],
  'roots of another tenant': [
    { manifest: { roots: ['tenants/globex'] }, data: {} },
    /^roots of the manifest are not those of the tenant, want=tenants\/acme got="tenants\/globex"$/,
  ],
  'all roots': [
    { manifest: { roots: [''] } },
    /^roots of the manifest are not those of the tenant/,
  ],
  'a root more': [
    { manifest: { roots: ['tenants/acme', 'grants'] } },
    /^roots of the manifest are not those of the tenant/,
  ],
  'a name that another one begins with': [
    { manifest: { roots: ['tenants/acme-2'] }, data: {} },
    /^roots of the manifest are not those of the tenant/,
  ],
  'rules of another tenant': [
    {
      plan: (text) =>
        text.replace('"path":["g0","tenants","acme"', '"path":["g0","tenants","globex"'),
    },
    /^rules are outside of the root of the tenant, want=tenants\/acme got="tenants\/globex\/deny"$/,
  ],
  'rules of the platform': [
    {
      plan: (text) =>
        text.replace(
          '"path":["g0","tenants","acme","deny"',
          '"path":["g0","countersign","mcp","allow"',
        ),
    },
    /^rules are outside of the root of the tenant, want=tenants\/acme got="countersign\/mcp\/allow"$/,
  ],
  'a module that says something else': [
    {
      wasm: assembleModule({
        entrypoints: ['tenants/acme/deny'],
        probe: '[{"result":[]}]',
        behaviour: { answer: '[{"result":["x"]}]' },
      }),
    },
    /^plan.json and policy.wasm do not answer alike/,
  ],
}

for (const [what, [options, message]] of Object.entries(refused)) {
  test(`a tenant’s bundle with ${what} is refused`, async () => {
    requirement('policy.tenant-confined')
    await assert.rejects(openTenantPolicy(tenantBundle(options), 'acme'), {
      code: 'policy/bundle',
      message,
    })
  })
}

test('the module of a tested bundle is not run again', async () => {
  requirement('policy.tenant-fails-alone')
  const wasm = assembleModule({
    entrypoints: ['tenants/acme/deny'],
    behaviour: { loop: true, early: true },
  })
  const policy = await openTenantPolicy(tenantBundle({ wasm }), 'acme', { tested: true })
  assert.equal(policy.revision, 'r1')
})

test('the record names the tenant that was asked and its revision, where digests are the same', async () => {
  requirement('policy.tenant-confined')
  const policies: Record<string, TenantPolicy | 'none'> = { acme: 'none', globex: 'none' }
  const { authorizer } = authorizerWith(policies)
  const { lines, log } = openLog()
  const record = (tenant: string): void => {
    const evaluated = authorizer.decide(create(tenant))
    log.record({ decisionId: 'd', path: entrypoints.decision, requestedBy: 'x', evaluated })
  }
  for (const tenant of ['acme', 'globex']) record(tenant)
  for (const revision of ['r1', 'r2']) {
    policies['acme'] = await openTenantPolicy(tenantBundle({ manifest: { revision } }), 'acme')
    record('acme')
  }
  await log.flush()
  const named = lines.map((line) => {
    const { bundles } = JSON.parse(line) as { bundles: Record<string, { revision: string }> }
    return Object.entries(bundles).flatMap(([name, { revision }]) =>
      name.startsWith('tenants/') ? [`${name} ${revision}`] : [],
    )
  })
  assert.deepEqual(named.flat(), [
    'tenants/acme none',
    'tenants/globex none',
    'tenants/acme r1',
    'tenants/acme r2',
  ])
})

test('the record names the bundle of the tenant, and its denials are not taken for the platform’s', async () => {
  requirement('policy.tenant-confined')
  const { authorizer } = authorizerWith({ acme: await openTenantPolicy(tenantBundle(), 'acme') })
  const { lines, log } = openLog()
  const calls = [create('acme'), create('acme', { arguments: {} }), create('globex')]
  for (const call of calls) {
    const evaluated = authorizer.decide(call)
    log.record({ decisionId: 'd', path: entrypoints.decision, requestedBy: 'x', evaluated })
  }
  await log.flush()
  const events = lines.map((line) => JSON.parse(line) as { bundles: Record<string, unknown> })
  assert.deepEqual(
    events.map(({ bundles }) => bundles['tenants/acme']),
    [{ revision: 'r1' }, { revision: 'r1' }, undefined],
  )
  const [denied, allowed] = lines.map((line) => parseLoggedDecision(fromJson(line)))
  assert.equal(denied, 'tenant')
  assert.ok(typeof allowed === 'object')
})
