import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { lintPolicy } from '../../../../src/policy/author/lint/lint.ts'
import type { RegoModule } from '../../../../src/policy/author/lint/rego-module.ts'
import type { Warning } from '../../../../src/policy/author/lint/warning.ts'
import { typeSchemaOf } from '../../../../src/policy/author/tool-schema.ts'
import { requirement } from '../../../requirements.ts'

// Sources, and what `opa parse` makes of them: `npm run test:policies` holds the second to the first.
const vectors = join(import.meta.dirname, '..', '..', '..', 'vectors', 'rego')

const modules = JSON.parse(readFileSync(join(vectors, 'lint.modules.json'), 'utf8')) as Readonly<
  Record<string, RegoModule>
>

/** What the server of the vectors says of its tool. */
const tool = typeSchemaOf({
  type: 'object',
  properties: {
    unit: { enum: ['celsius', 'fahrenheit'] },
    days: { type: 'integer' },
    place: {
      anyOf: [
        { type: 'object', properties: { kind: { const: 'city' }, name: { type: 'string' } } },
        { type: 'object', properties: { kind: { const: 'sea' }, name: { type: 'string' } } },
      ],
    },
  },
})

function lint(file: string, facts?: ReadonlySet<string>): readonly Warning[] {
  const module = modules[file] ?? assert.fail(file)
  const schemaNamed = (name: string): unknown =>
    name === 'tools/weather/get_weather' ? tool : undefined
  return lintPolicy([{ file, module }], schemaNamed, facts)
}

/** The rows of a source whose comment is a code, with it. */
function marked(file: string): readonly string[] {
  const lines = readFileSync(join(vectors, 'lint', file), 'utf8').split('\n')
  return lines.flatMap((line, at) => {
    const code = /\S.* # ([a-z]+(?:-[a-z]+)+)$/.exec(line)?.[1]
    return code === undefined ? [] : [`${at + 1} ${code}`]
  })
}

for (const file of ['absent.rego', 'allow.rego', 'tools.rego']) {
  test(`the rows of ${file} by which a call passes that lacks an argument are told, and no other`, () => {
    requirement('policy.absence-is-told')
    const told = lint(file).map(({ row, code }) => `${row} ${code}`)
    assert.deepEqual(told, marked(file))
  })
}

test('rows that never hold, and values that are never there, are told, and no other', () => {
  const told = lint('never.rego').filter(({ code }) => code !== 'absent-argument')
  assert.deepEqual(
    told.map(({ row, code }) => `${row} ${code}`),
    marked('never.rego'),
  )
})

test('patterns that are none are told, in calls within calls, too', () => {
  const found = lint('patterns.rego').filter(({ code }) => code === 'broken-pattern')
  assert.deepEqual(
    found.map(({ row, code }) => `${row} ${code}`),
    marked('patterns.rego'),
  )
})

test('facts that are not declared are told where they are kept and where they are read, and no other', () => {
  const told = lint('history.rego', new Set(['secret-read']))
  assert.deepEqual(
    told.map(({ row, code }) => `${row} ${code}`),
    marked('history.rego'),
  )
  assert.deepEqual(
    told.map(({ message, hint }) => [message, hint]),
    [
      [
        'wants kept what data.history does not declare, so each such permit is refused, got=secret-raed',
        'did you mean secret-read',
      ],
      [
        'reads what data.history does not declare, which is undefined, got=calls',
        'it declares secret-read',
      ],
    ],
  )
})

test('nothing is told of facts where the sources declare none', () => {
  assert.deepEqual(lint('history.rego'), [])
})

test('a warning says what passes, and the form that fails closed', () => {
  requirement('policy.absence-is-told')
  const [amount] = lint('absent.rego')
  assert.deepEqual(amount, {
    code: 'absent-argument',
    file: 'absent.rego',
    row: 4,
    rule: 'deny',
    message: 'is undefined for a call without the argument amount, and so does not deny it',
    hint: 'say what is allowed in a rule of its own, and deny with "not" before that rule',
  })
})

test('a warning of a value names those that are there', () => {
  const unknown = lint('never.rego').find(({ code }) => code === 'unknown-value')
  assert.equal(
    unknown?.message,
    'input.context.arguments.unit is never "kelvin": its schema lists other values',
  )
  assert.equal(unknown.hint, 'it is one of "celsius" "fahrenheit"')
})
