import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { containsToolScope, coversTool, parseToolScope } from '../../src/identity/tool-scope.ts'
import { requirement } from '../requirements.ts'

const vectors = readFileSync(
  new URL('../vectors/identity/tool-scopes.txt', import.meta.url),
  'utf8',
)
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => line.split('\t'))

for (const [verdict, json, message] of vectors) {
  test(`the tool scope ${json} is ${verdict}`, () => {
    const text = JSON.parse(json ?? '') as string
    if (verdict === 'valid') {
      assert.equal(parseToolScope(text).text, text)
      return
    }
    assert.throws(() => parseToolScope(text), { code: 'identity/tool-scope', message })
  })
}

test('a tool scope has room for a server of 63 and a tool of 128 characters', () => {
  const server = 's'.repeat(63)
  assert.equal(parseToolScope(`${server}:${'t'.repeat(128)}`).tool.length, 128)
  assert.equal(parseToolScope(`${server}:${'t'.repeat(127)}*`).tool.length, 127)
  assert.throws(() => parseToolScope(`${server}:${'t'.repeat(129)}`), {
    message: 'tool scope is too long, want=..192 got=193',
  })
  assert.throws(() => parseToolScope(`s:${'t'.repeat(128)}*`), /^CountersignError: tool of a tool/)
})

const containment: readonly (readonly [wider: string, narrower: string, contains: boolean])[] = [
  ['g:a', 'g:a', true],
  ['g:a', 'g:b', false],
  ['g:a', 'h:a', false],
  ['g:a', 'g:a*', false],
  ['g:a*', 'g:a', true],
  ['g:a*', 'g:ab', true],
  ['g:a*', 'g:ab*', true],
  ['g:ab*', 'g:a*', false],
  ['g:ab*', 'g:a', false],
  ['g:*', 'g:*', true],
  ['g:*', 'g:a', true],
  ['g:*', 'h:a', false],
  ['g:A*', 'g:a', false],
]
for (const [wider, narrower, contains] of containment) {
  test(`${wider} ${contains ? 'contains' : 'does not contain'} ${narrower}`, () => {
    assert.equal(containsToolScope(parseToolScope(wider), parseToolScope(narrower)), contains)
  })
}

test('a name outside the grammar of tools is in no scope', () => {
  const all = parseToolScope('g:*')
  for (const tool of ['', 'a*', 'a b', 'a/b', 'a\n', 'é', 'a'.repeat(129)]) {
    assert.equal(coversTool(all, 'g', tool), false, JSON.stringify(tool))
  }
  assert.equal(coversTool(all, 'g', 'a'.repeat(128)), true)
  assert.equal(coversTool(all, 'h', 'a'), false)
})

// A small alphabet makes collisions, and so the interesting cases, likely.
const server = fc.constantFrom('g', 'h')
const name = fc.string({ unit: fc.constantFrom('a', 'b', '_'), minLength: 1, maxLength: 4 })
const scope = fc
  .tuple(server, fc.oneof(name, fc.constant('')), fc.boolean())
  .map(([on, tool, star]) => parseToolScope(`${on}:${tool}${star || tool === '' ? '*' : ''}`))

test('containment of scopes is reflexive', () => {
  fc.assert(fc.property(scope, (one) => containsToolScope(one, one)))
})

test('containment of scopes is antisymmetric', () => {
  fc.assert(
    fc.property(scope, scope, (one, other) => {
      const both = containsToolScope(one, other) && containsToolScope(other, one)
      assert.equal(both, one.text === other.text)
    }),
    { numRuns: 1000 },
  )
})

test('containment of scopes is transitive', () => {
  fc.assert(
    fc.property(scope, scope, scope, (one, two, three) => {
      if (!containsToolScope(one, two) || !containsToolScope(two, three)) return
      assert.ok(containsToolScope(one, three))
    }),
    { numRuns: 2000 },
  )
})

test('a scope contains another exactly when it covers every tool the other covers', () => {
  requirement('identity.scope-containment-exact')
  // All names of up to five characters: longer than every scope drawn, so a difference has a witness.
  const names = ['a', 'b', '_']
  for (let index = 0; names.length < 363; index++) {
    for (const letter of ['a', 'b', '_']) names.push(`${names[index]}${letter}`)
  }
  const tools = ['g', 'h'].flatMap((on) => names.map((tool) => ({ on, tool })))
  fc.assert(
    fc.property(scope, scope, (wider, narrower) => {
      const covered = tools
        .filter(({ on, tool }) => coversTool(narrower, on, tool))
        .every(({ on, tool }) => coversTool(wider, on, tool))
      assert.equal(containsToolScope(wider, narrower), covered)
    }),
    { numRuns: 500 },
  )
})
