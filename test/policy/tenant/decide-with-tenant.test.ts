import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { CountersignError } from '../../../src/errors.ts'
import { silentLog } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import { createAuthorizer, type Authorizer } from '../../../src/policy/authorizer.ts'
import { createDecisionLog } from '../../../src/policy/decision-log.ts'
import { entrypoints } from '../../../src/policy/engine.ts'
import type { Shadow } from '../../../src/policy/shadow/shadow.ts'
import type { Decided } from '../../../src/policy/shadow/shadow-question.ts'
import { shadowed } from '../../../src/policy/shadow/shadowed-log.ts'
import { createTenantOf } from '../../../src/policy/tenant/decide-with-tenant.ts'
import { openTenantPolicy, type TenantPolicy } from '../../../src/policy/tenant/tenant-policy.ts'
import { requirement } from '../../requirements.ts'
import { loadPolicyBundle } from '../../support/load-policy.ts'
import { callTexts, listTexts, toolResource } from '../call-input.ts'
import { keepLines } from '../event-lines.ts'
import { tenantBundle } from './tenant-bundle.ts'

/**
 * OPA's plan of rules of acme: it denies the tools of `data.tenants.acme.frozen`, `get_weather` unless the argument `city` is one that it
 * serves, which says `"listed": true`, `read` without the argument `path`, which does not, `later` in lists alone (`"listed": "true"`), `odd`
 * by a denial that nobody can read, and those that begin with `slow` by none, though that takes `data.tenants.acme.steps` and more.
 */
const plan = await readFile(
  join(import.meta.dirname, '..', '..', 'vectors', 'tenant', 'lists.json'),
  'utf8',
)

const names = ['get_weather', 'issues_create', 'list', 'read', 'later', 'odd', 'drop'] as const
const granted = Object.fromEntries(names.slice(0, -1).map((name) => [name, {}]))
const github = { tools: granted, prefixes: { slow: {} } }
const engine = await loadPolicyBundle({
  data: { grants: { tenants: { acme: { github }, globex: { github } } } },
})

function opened(steps = 10): Promise<TenantPolicy> {
  const data = { tenants: { acme: { frozen: ['issues_create'], steps } } }
  return openTenantPolicy(tenantBundle({ plan: () => plan, data }), 'acme')
}

/** A platform that permits acme and globex all but `drop`; acme has this bundle. */
function authorizerWith(acme: TenantPolicy | 'none'): Authorizer {
  return createAuthorizer(engine, {
    tenants: {
      tenantOf: createTenantOf(),
      digest: 'of-tenants',
      of(tenant) {
        if (tenant !== 'acme') return undefined
        if (acme !== 'none') return acme
        throw new CountersignError('policy/bundle', 'not there yet')
      },
    },
  })
}

type Filtered = ReturnType<Authorizer['filter']>

function list(
  authorizer: Authorizer,
  tenant: string,
  tools: readonly string[] = names,
): { readonly shown: readonly string[]; readonly filtered: Filtered } {
  const of = { tenant, toolScopes: ['github:*'], door: 'mcp/github' }
  const resources = tools.map((name) => toolResource('github', name))
  const filtered = authorizer.filter(listTexts(resources, of))
  return { shown: tools.filter((_, index) => filtered.value[index] === true), filtered }
}

test('a list shows what ceiling, platform and tenant would all permit, and of no other tenant less', async () => {
  requirement('policy.tenant-lists')
  const authorizer = authorizerWith(await opened())
  const { shown, filtered } = list(authorizer, 'acme')
  assert.deepEqual(shown, ['get_weather', 'list'])
  assert.deepEqual(filtered.result, { allowed: [0, 2], count: 7 })
  assert.equal(filtered.policy?.tenant?.name, 'acme')
  const other = list(authorizer, 'globex')
  assert.deepEqual(other.shown, names.slice(0, -1))
  assert.equal(other.filtered.policy?.tenant, undefined)
})

test('what is hidden is refused, whatever its arguments, unless its rule speaks of these', async () => {
  requirement('policy.tenant-lists')
  const authorizer = authorizerWith(await opened())
  const call = (tool: string, given: object): boolean =>
    authorizer.decide(
      callTexts({
        tenant: 'acme',
        server: 'github',
        tool,
        toolScopes: ['github:*'],
        arguments: given,
      }),
    ).value.allow
  for (const tool of ['issues_create', 'odd', 'drop']) {
    for (const given of [{}, { path: 'a', city: 'Oslo' }])
      assert.equal(call(tool, given), false, tool)
  }
  // Listed, and yet denied where the argument is wrong or absent.
  assert.deepEqual(
    [{}, { city: 'Rome' }, { city: 'Oslo' }].map((given) => call('get_weather', given)),
    [false, false, true],
  )
})

test('a list of tools takes no more steps of a tenant than it may in all', async () => {
  requirement('policy.tenant-fails-alone')
  const authorizer = authorizerWith(await opened(5000))
  // One such tool may be asked about; as many as there are here may not.
  const few = list(authorizer, 'acme', ['slow'])
  assert.deepEqual([few.shown, few.filtered.error], [['slow'], undefined])
  for (const length of [10, 200]) {
    const names = Array.from({ length }, (_, index) => `slow${index}`)
    const many = list(authorizer, 'acme', names)
    assert.match(many.filtered.error ?? '', /^policy\/fuel: /)
    assert.deepEqual(many.shown, [])
  }
  // What one list has taken the next one has again.
  assert.deepEqual(list(authorizer, 'acme', ['slow']).shown, ['slow'])
})

test('a tenant whose bundle is not there is shown nothing', () => {
  requirement('policy.tenant-fails-alone')
  const authorizer = authorizerWith('none')
  const { shown, filtered } = list(authorizer, 'acme')
  assert.deepEqual([shown, filtered.error], [[], 'policy/bundle: not there yet'])
  assert.deepEqual(list(authorizer, 'globex').shown, names.slice(0, -1))
})

test('what is kept of lists is not of other bundles of tenants', async () => {
  requirement('policy.tenant-lists')
  assert.equal(authorizerWith(await opened()).digest, `${engine.digest}+of-tenants`)
  assert.equal(createAuthorizer(engine).digest, engine.digest)
})

test('a candidate is asked about the list as the platform’s rules have shown it', async () => {
  requirement('policy.tenant-lists')
  const { file, lines } = keepLines()
  const log = createDecisionLog(file, {
    engine,
    labels: () => ({}),
    now: () => 0,
    log: silentLog,
    metrics: silentMetrics,
  })
  const asked: Decided[] = []
  const shadow: Partial<Shadow> = {
    isAsking: true,
    onDifference: () => {},
    add: (decided) => void asked.push(decided),
  }
  const beside = shadowed(log, shadow as Shadow)
  const head = { path: entrypoints.list, requestedBy: 'x' }
  const { filtered } = list(authorizerWith(await opened()), 'acme')
  beside.record({ ...head, decisionId: 'd-0', evaluated: filtered })
  const failed = list(authorizerWith('none'), 'acme')
  beside.record({ ...head, decisionId: 'd-1', evaluated: failed.filtered })
  await log.flush()
  assert.deepEqual(
    asked.map(({ was }) => was),
    [[true, true, true, true, true, true, false]],
  )
  const [event] = lines.flatMap((line) => line.split('\n'))
  const { bundles, list: told } = JSON.parse(event ?? '') as {
    readonly bundles: object
    readonly list: { readonly shown: number; readonly hidden: readonly string[] }
  }
  assert.ok('tenants/acme' in bundles)
  assert.deepEqual(
    [told.shown, told.hidden],
    [2, ['issues_create', 'read', 'later', 'odd', 'drop'].map((name) => `github:${name}`)],
  )
})
