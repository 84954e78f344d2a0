import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseDataSchemas } from '../../src/policy/data-schemas.ts'
import { requirement } from '../requirements.ts'
import { root } from '../support/source-tree.ts'

const schemas = parseDataSchemas(
  readFileSync(join(root, 'policies', 'bundle', 'schemas.json'), 'utf8'),
)

const good: readonly object[] = [
  {},
  { grants: {} },
  { grants: { tenants: {} } },
  {
    grants: {
      tenants: {
        acme: {
          github: {
            tools: { a: {} },
            prefixes: { '': { arguments: { x: [1, 'a', null, true] } } },
          },
        },
      },
      subjects: { 'spiffe://a.example/ns/b/sa/c': { github: {} } },
    },
  },
  { issuance: { denied_namespaces: { a: true }, lifetime_seconds_max: { agent: 3600 } }, log: {} },
  { log: { arguments: 'plain' } },
]

for (const value of good) {
  test(`data is taken: ${JSON.stringify(value)}`, () => {
    schemas.check({ name: 'grants.json', value: value as Record<string, unknown> })
  })
}

const bad: readonly (readonly [object, string])[] = [
  [{ grant: {} }, '/grant: no such member, did you mean "grants"'],
  [{ unheard: {} }, '/unheard: no such member, want=grants|issuance|limits|approvals|history|log'],
  [{ grants: { tenant: {} } }, '/grants/tenant: no such member, did you mean "tenants"'],
  [
    { grants: { tenants: { acme: { github: { tool: {} } } } } },
    '/grants/tenants/acme/github/tool: no such member, did you mean "tools"',
  ],
  [
    { grants: { tenants: { acme: { github: { Tools: {} } } } } },
    '/grants/tenants/acme/github/Tools: no such member, did you mean "tools"',
  ],
  [
    { grants: { tenants: { acme: { github: { tools: { a: { argument: {} } } } } } } },
    '/grants/tenants/acme/github/tools/a/argument: no such member, did you mean "arguments"',
  ],
  [
    { grants: { tenants: { acme: { github: { tools: { a: { arguments: { x: 1 } } } } } } } },
    '/grants/tenants/acme/github/tools/a/arguments/x: want=array got=number',
  ],
  [
    { grants: { tenants: { acme: { github: { tools: { a: { arguments: { x: [{}] } } } } } } } },
    '/grants/tenants/acme/github/tools/a/arguments/x/0: want=string|number|boolean|null got=object',
  ],
  [
    { grants: { tenants: { acme: { github: [] } } } },
    '/grants/tenants/acme/github: want=object got=array',
  ],
  [{ grants: null }, '/grants: want=object got=null'],
  [
    { grants: { tenants: { Acme: {} } } },
    '/grants/tenants/Acme: want=a name that matches /^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$/',
  ],
  [
    { grants: { subjects: { 'agents/researcher': {} } } },
    '/grants/subjects/agents~1researcher: want=a name that matches /^spiffe:\\/\\/[^/]+\\/./',
  ],
  [
    { issuance: { lifetime_seconds_max: { agents: 3600 } } },
    '/issuance/lifetime_seconds_max/agents: want=a name that matches /^(model-gateway|tool-broker|inference-worker|agent|tool-server)$/',
  ],
  [
    { issuance: { lifetime_seconds_max: { agent: 0 } } },
    '/issuance/lifetime_seconds_max/agent: too small: expected number to be >=1',
  ],
  [{ log: { arguments: 'plane' } }, '/log/arguments: want=plain'],
  [
    { a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1 },
    `${['a', 'b', 'c', 'd', 'e'].map((name) => `/${name}: no such member, want=grants|issuance|limits|approvals|history|log`).join('; ')}; and 2 more`,
  ],
]

for (const [value, message] of bad) {
  test(`data is refused: ${message}`, () => {
    requirement('policy.data-checked')
    assert.throws(
      () => schemas.check({ name: 'grants.json', value: value as Record<string, unknown> }),
      { code: 'policy/data', message: `grants.json: ${message}` },
    )
  })
}

for (const text of ['', '[]x', 'null', '{"a":{"type":"nothing"}}']) {
  test(`schemas that are none are refused: ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseDataSchemas(text), { code: 'policy/bundle' })
  })
}

test('it is checked where no code may be generated', () => {
  const program = `
    import { loadPolicyBundle } from './test/support/load-policy.ts'
    await loadPolicyBundle({ data: { log: { arguments: 'plain' } } })
    await loadPolicyBundle({ data: { log: { argument: 'plain' } } }).catch(({ message }) => console.log(message))`
  const words = [
    '--disallow-code-generation-from-strings',
    '--input-type=module',
    '--eval',
    program,
  ]
  assert.equal(
    execFileSync(process.execPath, words, { cwd: root, encoding: 'utf8' }),
    'data: /log/argument: no such member, did you mean "arguments"\n',
  )
})

test('schemas that say a member twice are none', () => {
  requirement('policy.bundle-refused-whole')
  for (const text of [
    '{"grants":{"type":"object"},"grants":{}}',
    '{"a":{"type":"object","type":"array"}}',
  ]) {
    assert.throws(() => parseDataSchemas(text), {
      code: 'policy/bundle',
      message: 'schemas.json holds no JSON Schemas',
    })
  }
})
