import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  allowsModel,
  allowsTool,
  emptyCeiling,
  modelsMax,
  parseModels,
  parseToolScopes,
  toolScopesMax,
} from '../../src/identity/ceiling.ts'
import { CountersignError } from '../../src/errors.ts'

test('the members of a list come sorted by octets', () => {
  assert.deepEqual(parseModels('llama-3,claude,gpt_4'), ['claude', 'gpt_4', 'llama-3'])
  const scopes = parseToolScopes('github:b,github:B,files:*').map((scope) => scope.text)
  assert.deepEqual(scopes, ['files:*', 'github:B', 'github:b'])
})

const refused = [
  ['an empty list', '', 'list of models has an empty member, got=""'],
  ['an empty member', 'a,,b', 'list of models has an empty member, got="a,,b"'],
  ['a comma at the end', 'a,', 'list of models has an empty member, got="a,"'],
  ['a duplicate', 'b,a,b', 'list of models has a duplicate, got="b"'],
  ['white space', 'a, b', 'model is not a lower-case label value of 1..63 characters, got=" b"'],
  ['upper case', 'A', 'model is not a lower-case label value of 1..63 characters, got="A"'],
  [
    'a registry name',
    'org/m',
    'model is not a lower-case label value of 1..63 characters, got="org/m"',
  ],
] as const
for (const [title, text, message] of refused) {
  test(`a list of models with ${title} is refused`, () => {
    assert.throws(() => parseModels(text), { message })
  })
}

test('a list has as many members as the certificate has room for, and no more', () => {
  const list = (count: number, one: (index: number) => string): string =>
    Array.from({ length: count }, (_, index) => one(index)).join(',')
  const model = (index: number): string => `m${index}`
  assert.equal(parseModels(list(modelsMax, model)).length, 16)
  assert.throws(() => parseModels(list(modelsMax + 1, model)), {
    code: 'identity/ceiling',
    message: 'list of models has too many members, want=..16 got=17',
  })
  const scope = (index: number): string => `s:t${index}`
  assert.equal(parseToolScopes(list(toolScopesMax, scope)).length, 32)
  assert.throws(() => parseToolScopes(list(toolScopesMax + 1, scope)), {
    message: 'list of tool scopes has too many members, want=..32 got=33',
  })
  assert.throws(() => parseToolScopes('a'.repeat(6177)), {
    message: 'list of tool scopes is too long, want=..6176 got=6177',
  })
})

test('a ceiling allows what its scopes and models name, and an empty one allows nothing', () => {
  const ceiling = {
    models: parseModels('claude'),
    toolScopes: parseToolScopes('git:read_*,files:get'),
  }
  assert.equal(allowsTool(ceiling, 'git', 'read_log'), true)
  assert.equal(allowsTool(ceiling, 'git', 'write'), false)
  assert.equal(allowsTool(ceiling, 'files', 'get'), true)
  assert.equal(allowsTool(ceiling, 'files', 'get_all'), false)
  assert.equal(allowsModel(ceiling, 'claude'), true)
  assert.equal(allowsModel(ceiling, 'claude-2'), false)
  assert.equal(allowsTool(emptyCeiling, 'git', 'read_log'), false)
  assert.equal(allowsModel(emptyCeiling, 'claude'), false)
})

test('any text is a list of scopes or refused by a code of this room', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', ':', '*', ',', '-', ' ') }), (text) => {
      try {
        const joined = parseToolScopes(text).map((scope) => scope.text)
        assert.deepEqual(joined, text.split(',').toSorted())
      } catch (error) {
        assert.ok(error instanceof CountersignError)
        assert.match(error.code, /^identity\//)
      }
    }),
  )
})
