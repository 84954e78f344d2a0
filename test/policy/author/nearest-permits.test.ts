import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseLoggedDecision } from '../../../src/policy/author/logged-decision.ts'
import { nearestPermits, type NearestPermits } from '../../../src/policy/author/nearest-permits.ts'
import { fromJson } from '../../../src/policy/plan/json.ts'
import { loadPolicyBundle } from '../../support/load-policy.ts'
import { requirement } from '../../requirements.ts'
import { shippedFiles } from '../archive.ts'
import type { CallOptions } from '../call-input.ts'
import { issuanceInput } from '../issuance-input.ts'
import { issuanceLines, linesOf } from './logged-events.ts'

const plan: unknown = JSON.parse(String((await shippedFiles())['plan.json']))

const empty = {
  approvals: {},
  grants: { subjects: {}, tenants: {} },
  issuance: { denied_namespaces: {}, lifetime_seconds_max: {} },
  limits: {},
  log: {},
}

const grants = {
  tenants: {
    acme: {
      files: {
        tools: { list: { arguments: { path: ['a', 'b'], depth: [1] } } },
        prefixes: { find_: { arguments: { path: ['a'] } } },
      },
    },
  },
  subjects: {},
}

/** What is near a call that these grants refuse, in a log that shows arguments unless its rules are others. */
async function near(
  call: CallOptions,
  {
    log = { arguments: 'plain' },
    approvals = {},
    hidden = [],
  }: {
    readonly log?: object
    readonly approvals?: object
    readonly hidden?: readonly string[]
  } = {},
): Promise<NearestPermits> {
  const engine = await loadPolicyBundle({ data: { grants, log } })
  const [line = ''] = linesOf(engine, [call])
  const decision = parseLoggedDecision(fromJson(line))
  assert.ok(typeof decision === 'object')
  const dataText = JSON.stringify({ ...empty, grants, approvals })
  const all = [...decision.hidden, ...hidden]
  return nearestPermits({ ...decision, hidden: all }, { plan, dataText })
}

const scope = (tool: string): string =>
  `the tool scope "files:${tool}" in the certificate (annotation countersign.dev/tool-scopes)`
const tenantGrant = 'a grant of "files:write" to "acme" (data.grants.tenants)'
const subjectGrant =
  'a grant of "files:write" to "spiffe://example.test/ns/research/sa/reader" (data.grants.subjects)'
const found = 'it is granted with these arguments'

const ways: Readonly<Record<string, readonly [CallOptions, NearestPermits['ways']]>> = {
  'a tool that nobody is granted': [{ tool: 'write' }, [[tenantGrant], [subjectGrant]]],
  'a tool beyond the ceiling, and not granted': [
    { tool: 'write', toolScopes: [] },
    [
      [scope('write'), tenantGrant],
      [scope('write'), subjectGrant],
    ],
  ],
  'a role that may not call, too': [
    { tool: 'write', toolScopes: [], role: 'inference-worker' },
    [
      [
        'the role agent in the certificate (label countersign.dev/role)',
        scope('write'),
        tenantGrant,
      ],
      [
        'the role agent in the certificate (label countersign.dev/role)',
        scope('write'),
        subjectGrant,
      ],
    ],
  ],
  'an argument with another value': [
    { tool: 'list', arguments: { path: 'c', depth: 1 } },
    [
      ['the argument "path" as "a" or "b", by the grant of "acme" (data.grants.tenants)'],
      [
        'a grant of "files:list" to "spiffe://example.test/ns/research/sa/reader" (data.grants.subjects)',
      ],
    ],
  ],
}

for (const [what, [call, wanted]] of Object.entries(ways)) {
  test(`of ${what} each way to a permit is told, and no more than it takes`, async () => {
    requirement('policy.nearest-is-tried')
    const { ways: got, isWhole } = await near(call)
    assert.deepEqual(got, wanted)
    assert.equal(isWhole, true)
  })
}

test('an agent is told of its own call alone, and nothing of what is granted', async () => {
  requirement('policy.nearest-for-operators')
  const named = await near({ tool: 'list', arguments: { path: 'c', depth: 2 } })
  assert.deepEqual(named.agent, [
    `${found.replace('it is granted', 'it is not granted')} (argument-not-allowed)`,
    'another value of the argument "path" and "depth"',
  ])
  const absent = await near({ tool: 'list', arguments: { depth: 1 } })
  assert.deepEqual(absent.agent, ['it is not granted with these arguments (argument-not-allowed)'])
  assert.match(absent.ways.flat().join(), /the argument "path" as/)
  const prefix = await near({ tool: 'find_all', arguments: { path: 'x' } })
  for (const { agent, operator } of [named, absent, prefix]) {
    assert.doesNotMatch(agent.join(), /"a"|acme|spiffe|data\.grants/)
    assert.match(operator.join(), /data\.grants/)
  }
})

test('what the event does not show is not guessed', async () => {
  requirement('policy.nearest-is-tried')
  const call = { tool: 'list', arguments: { path: 'c' } }
  await assert.rejects(near(call, { log: {} }), { name: 'HiddenRead' })
  const write = { tool: 'write', arguments: { path: 'c' } }
  const { ways: got, isWhole } = await near(write, { log: {} })
  assert.deepEqual([got, isWhole], [[[tenantGrant], [subjectGrant]], true])
  // Read only once it is permitted.
  const role = { of: { seconds: 60, approvers: [], where: { role: ['agent'] } } }
  const more = {
    approvals: role,
    hidden: ['/input/context/arguments', '/input/subject/properties/role'],
  }
  await assert.rejects(near(write, more), { name: 'HiddenRead' })
  const namespace = { of: { seconds: 60, approvers: [], where: { namespace: ['research'] } } }
  const late = { approvals: namespace, hidden: ['/input/subject/properties/namespace'] }
  assert.deepEqual(await near(write, late).then((each) => [each.ways, each.isWhole]), [[], false])
})

test('names that mean something to JavaScript are names', async () => {
  const { ways: got } = await near({ tool: '__proto__' })
  assert.ok(got.every((way) => way.every((text) => text.includes('"files:__proto__"'))))
  assert.equal(({} as { arguments?: unknown }).arguments, undefined)
})

test('of a certificate that is denied for its namespace operators are told where that is said', async () => {
  requirement('policy.nearest-is-tried')
  const denied_namespaces = { research: true, other: true }
  const data = { issuance: { ...empty.issuance, denied_namespaces } }
  const [line = ''] = issuanceLines(await loadPolicyBundle({ data }), [issuanceInput])
  const decision = parseLoggedDecision(fromJson(line))
  assert.ok(typeof decision === 'object')
  const dataText = JSON.stringify({ ...empty, ...data })
  assert.deepEqual(nearestPermits(decision, { plan, dataText }), {
    agent: [],
    operator: ['data.issuance.denied_namespaces names the namespace (namespace-denied)'],
    ways: [['the namespace "research" not in data.issuance.denied_namespaces']],
    isWhole: true,
  })
})
