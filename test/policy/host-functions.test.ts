import assert from 'node:assert/strict'
import { test } from 'node:test'
import capabilities from '../../policies/capabilities.json' with { type: 'json' }
import { createHostFunctions } from '../../src/policy/host-functions.ts'
import type { Value } from '../../src/policy/plan/values.ts'
import { requirement } from '../requirements.ts'

const hostFunctions = createHostFunctions()

// Expected values are those of `opa eval`.
const calls: readonly (readonly [string, readonly (Value | undefined)[], unknown])[] = [
  ['strings.any_prefix_match', ['abc', 'ab'], true],
  ['strings.any_prefix_match', ['abc', 'b'], false],
  ['strings.any_prefix_match', ['abc', ['x', 'a']], true],
  [
    'strings.any_prefix_match',
    [
      ['x', 'abc'],
      ['y', 'ab'],
    ],
    true,
  ],
  ['strings.any_prefix_match', [[], ['a']], false],
  ['strings.any_prefix_match', ['abc', []], false],
  ['strings.any_prefix_match', ['abc', ''], true],
  ['strings.any_suffix_match', ['abc', 'bc'], true],
  ['strings.any_suffix_match', ['abc', ['a', 'b']], false],
  ['strings.any_suffix_match', [['ab', 'x'], 'x'], true],
  ['strings.count', ['cheese', 'e'], 3],
  ['strings.count', ['aaaa', 'aa'], 2],
  ['strings.count', ['abc', 'x'], 0],
  ['strings.count', ['a.c', '.'], 1],
  ['strings.count', ['é🙂', ''], 3],
  ['strings.count', ['', ''], 1],
  ['strings.any_prefix_match', [5, ['admin']], undefined],
  ['strings.any_prefix_match', ['abc', ['a', 1]], undefined],
  ['strings.any_prefix_match', [['abc', null], 'a'], undefined],
  ['strings.any_suffix_match', [{ a: 'abc' }, 'c'], undefined],
  ['strings.any_suffix_match', ['abc', undefined], undefined],
  ['strings.count', [5, 'a'], undefined],
  ['strings.count', ['a', ['a']], undefined],
  ['regex.find_n', ['a+', 'baac', -1], ['aa']],
  ['regex.find_n', ['a*', 'baac', 2], ['', 'aa']],
  ['regex.find_n', ['(', 'baac', -1], undefined],
  ['regex.replace', ['foo bar', '(o+)', '<$1>'], 'f<oo> bar'],
  ['regex.template_match', ['urn:foo:{.*}', 'urn:foo:bar', '{', '}'], true],
]

for (const [name, values, expected] of calls) {
  test(`${name}(${JSON.stringify(values).slice(1, -1)}) is ${JSON.stringify(expected) ?? 'undefined'}`, () => {
    assert.deepEqual(hostFunctions[name]?.(...(values as readonly Value[])), expected)
  })
}

test('a function on patterns has steps of its own: a module knows none', () => {
  requirement('policy.patterns-linear')
  const search = (): unknown => hostFunctions['regex.find_n']?.('(?:a.*b)|a', 'a'.repeat(5000), -1)
  assert.throws(search, { name: 'PolicyFault', kind: 'fuel' })
  assert.deepEqual(hostFunctions['regex.find_n']?.('a', 'ab', -1), ['a'])
})

test('every function of the table is in the capabilities', () => {
  const names = new Set(capabilities.builtins.map(({ name }) => name))
  assert.deepEqual(
    Object.keys(hostFunctions).filter((name) => !names.has(name)),
    [],
  )
})

test('the capabilities have no randomness, no network and no word on a signature', () => {
  const refused =
    /^(rand\.|uuid\.|http\.|net\.lookup|opa\.runtime|regex\.globs|io\.jwt\.(?!decode$))/
  assert.deepEqual(
    capabilities.builtins.map(({ name }) => name).filter((name) => refused.test(name)),
    [],
  )
  assert.deepEqual(capabilities.allow_net, [])
})

test('the time of a module is that of the decision, and no other one', () => {
  requirement('policy.time-of-record')
  assert.equal(createHostFunctions(() => 5)['time.now_ns']?.(), 5)
  assert.equal(hostFunctions['time.now_ns']?.(), undefined)
})
