import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  documentRules,
  formatRuleDocs,
  undocumentedIn,
} from '../../../src/policy/author/rule-docs.ts'
import { shippedPolicies } from '../../../src/policy/engine.ts'
import { parsePlan } from '../../../src/policy/plan/plan.ts'

const place = { packagePath: ['acme', 'files'], file: 'acme/files.rego' }
const rules = [
  { ...place, ref: ['deny'] },
  { ...place, ref: ['deny'] },
  { ...place, ref: ['limits', 'a'] },
  { ...place, ref: ['helper'] },
]
const annotations = [
  { ...place, ref: [], scope: 'package', title: 'Files', row: 1 },
  { ...place, ref: ['deny'], scope: 'rule', title: 'One body', row: 9 },
  {
    ...place,
    ref: ['deny'],
    scope: 'document',
    title: 'Denials',
    description: 'What is\n denied.',
    custom: { code: 'no', severity: { no: 'high' }, audience: ['agent', 'operator'], at: 2 },
    row: 4,
  },
  { ...place, ref: ['limits', 'a'], scope: 'rule', title: 'A', entrypoint: true, row: 20 },
]

test('a rule is documented once, by what is said of the whole of it', () => {
  const [files, ...more] = documentRules(rules, annotations)
  assert.deepEqual(more, [])
  assert.deepEqual([files?.name, files?.title], ['acme.files', 'Files'])
  const told = files?.rules.map(({ name, title, row }) => [name, title, row])
  assert.deepEqual(told, [
    ['deny', 'Denials', 4],
    ['helper', undefined, undefined],
    ['limits', 'A', 20],
  ])
})

test('of a rule whose bodies alone are spoken of, each body is documented', () => {
  const bodies = [
    { ...place, ref: ['deny'], scope: 'rule', title: 'Hours', description: 'Of them.', row: 3 },
    { ...place, ref: ['deny'], scope: 'rule', title: 'Cities', row: 9 },
  ]
  const packages = documentRules(rules.slice(0, 2), bodies)
  assert.deepEqual(
    packages[0]?.rules.map(({ name, title, row }) => [name, title, row]),
    [
      ['deny', 'Hours', 3],
      ['deny', 'Cities', 9],
    ],
  )
  assert.deepEqual(undocumentedIn(packages), ['acme.files.deny'])
})

test('a rule of which not all is said is named', () => {
  const packages = documentRules(rules, annotations)
  assert.deepEqual(undocumentedIn(packages), ['acme.files.helper', 'acme.files.limits'])
})

test('packages are chapters, and what an author says beside is told as it is', () => {
  assert.equal(
    formatRuleDocs(documentRules(rules, annotations)),
    `# Rules

## acme.files

**Files.**

### deny

\`acme/files.rego\`

**Denials.** What is denied.

- code: no
- severity: no (high)
- audience: agent, operator
- at: 2

### helper

\`acme/files.rego\`

### limits

\`acme/files.rego\`, an entrypoint

**A.**
`,
  )
})

test('docs/RULES.md has every rule that is shipped', () => {
  const text = readFileSync(join(shippedPolicies, '..', 'docs', 'RULES.md'), 'utf8')
  const json = readFileSync(join(shippedPolicies, 'bundle', 'plan.json'), 'utf8')
  const { funcs } = parsePlan(JSON.parse(json))
  const names = new Set(
    funcs.map(({ path = [] }) => `${path.slice(1, 3).join('.')} ${path[3] ?? ''}`),
  )
  assert.ok(names.size > 80, String(names.size))
  const missing = [...names].filter((each) => {
    const [chapter = '', name = ''] = each.split(' ')
    const own = text.split('\n## ').find((part) => part.startsWith(`${chapter}\n`))
    return own?.includes(`\n### ${name}\n`) !== true
  })
  assert.deepEqual(missing, [])
})

/** The keys of an object, or of what METADATA says, that begins with these words. */
function keysAfter(text: string, head: string, form: RegExp): readonly string[] {
  const [, after = ''] = text.split(head)
  const rows = after.split('\n').slice(1)
  const end = rows.findIndex((row) => !form.test(row))
  return rows.slice(0, end).map((row) => form.exec(row)?.[1] ?? '')
}

test('METADATA says how severe each code is that shipped rules refuse with', () => {
  const said = /^#     ([a-z-]+): (?:high|medium|low)$/
  const message = /^\t"([a-z-]+)": ".+",$/
  for (const [file, tables] of [
    ['countersign/mcp/decision.rego', ['agent_messages', 'operator_messages']],
    ['countersign/issuance/decision.rego', ['messages']],
  ] as const) {
    const text = readFileSync(join(shippedPolicies, file), 'utf8')
    const codes = keysAfter(text, '#   severity:', said)
    assert.ok(codes.length > 1)
    for (const table of tables) {
      assert.deepEqual(keysAfter(text, `\n${table} := {`, message), codes, table)
    }
  }
})
