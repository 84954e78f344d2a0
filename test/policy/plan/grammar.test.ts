import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createBuiltins } from '../../../src/policy/plan/builtins/builtins.ts'
import { compilePlan } from '../../../src/policy/plan/compile.ts'
import { checkSource } from '../../../src/policy/plan/grammar.ts'
import { parsePlan } from '../../../src/policy/plan/plan.ts'
import { requirement } from '../../requirements.ts'

const root = join(import.meta.dirname, '..', '..', '..')
const plans = [
  'policies/bundle/plan.json',
  'test/vectors/rego/constructs.plan.json',
  'test/vectors/rego/bomb.plan.json',
]

function textOf(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

const kept = { subject: 'subject', what: ['resource', 'action'] } as const
const keptMembers: readonly string[] = [kept.subject, ...kept.what]

function sourceOf(plan: unknown): string {
  return compilePlan(parsePlan(plan), { builtins: createBuiltins, ...kept }).source
}

const evil = '"];globalThis.pwned=1;//`${globalThis.pwned=1}\n\u2028*/'

/** Every text of a plan that is not a builtin's name or a number. */
function poisoned(plan: unknown): unknown {
  const { static: tables } = plan as { static: { builtin_funcs: { name: string }[] } }
  const builtins = new Set(tables.builtin_funcs.map(({ name }) => name))
  return JSON.parse(JSON.stringify(plan), function (this: unknown, name, value: unknown) {
    const isText = ['value', 'func', 'name'].includes(name) || Array.isArray(this)
    if (typeof value !== 'string' || !isText || builtins.has(value)) return value
    return /^-?\d[\d.eE+-]*$/.test(value) || keptMembers.includes(value) ? value : evil + value
  })
}

for (const path of plans) {
  test(`the program of ${path} is the same whatever its texts are`, () => {
    requirement('policy.plan-is-no-text')
    const plan = JSON.parse(textOf(path)) as unknown
    assert.equal(sourceOf(poisoned(plan)), sourceOf(plan))
    assert.equal('pwned' in globalThis, false)
  })
}

const junk: readonly unknown[] = ['0;x', -1, 1.5, null, '1', {}, [1], 1e99, '__proto__', true]

test('whatever stands in the place of a number, no program holds it', () => {
  requirement('policy.plan-is-no-text')
  const plan = JSON.parse(textOf('test/vectors/rego/bomb.plan.json')) as object
  let refused = 0
  let tried = 0
  const tryAll = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    for (const [name, member] of Object.entries(value)) {
      if (typeof member === 'number' && !/row|col|file/.test(name) && (tried += 1) % 41 === 0) {
        const record = value as Record<string, unknown>
        for (const bad of junk) {
          record[name] = bad
          try {
            assert.doesNotThrow(() => checkSource(sourceOf(plan)))
          } catch {
            refused += 1
          }
        }
        record[name] = member
      }
      tryAll(member)
    }
  }
  tryAll(plan)
  assert.ok(refused > 100, `got=${refused}`)
})

const odd: Readonly<Record<string, string>> = {
  'a word that is not ours': "'use strict'\nconst process=1",
  'a global': "'use strict'\nreturn globalThis",
  'a text': "'use strict'\nconst a='x'",
  'a template': "'use strict'\nreturn `x`",
  'a comment': "'use strict'\n/*x*/",
  'an escape': "'use strict'\nconst \\u0061=1",
  'a letter of another script': "'use strict'\nconst é=1",
  'no strictness': 'return null',
}

for (const [name, source] of Object.entries(odd)) {
  test(`a program with ${name} is never run`, () => {
    requirement('policy.plan-is-no-text')
    assert.throws(() => checkSource(source), { name: 'UnsupportedPlan' })
  })
}
