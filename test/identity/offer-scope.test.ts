import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  coversOffer,
  parsePromptScopes,
  parseResourceScopes,
  type ScopedKind,
} from '../../src/identity/offer-scope.ts'
import { requirement } from '../requirements.ts'

const invalid = { code: 'identity/tool-scope' }

for (const [what, texts] of Object.entries({
  'no scope': [],
  'an empty one': [''],
  'one twice': ['a', 'a'],
  'a star within': ['a*b'],
  'two stars': ['a**'],
  'white space': ['a b'],
  'a control character': ['a\u0000'],
  'more than 32': Array.from({ length: 33 }, (_, index) => `p${index}`),
  'one that is too long': ['a'.repeat(2049)],
})) {
  test(`scopes of prompts or resources with ${what} are refused`, () => {
    assert.throws(() => parsePromptScopes(texts), invalid)
    assert.throws(() => parseResourceScopes(texts), invalid)
  })
}

for (const prefix of ['a*', 'https://a.example*', '//a*', 'repo://a*']) {
  test(`the prefix ${prefix} of resources does not say where it ends`, () => {
    assert.throws(() => parseResourceScopes([prefix]), invalid)
  })
}

const covered: readonly (readonly [string, ScopedKind, string, boolean])[] = [
  ['review', 'prompt', 'review', true],
  ['review', 'prompt', 'review2', false],
  ['rev*', 'prompt', 'review', true],
  ['repo://a/x', 'resource', 'repo://a/x', true],
  ['repo://a/x', 'resource', 'repo://a/x/y', false],
  ['repo://a/*', 'resource', 'repo://a/x', true],
  ['repo://a/*', 'resource', 'repo://ab/x', false],
  ['memo:*', 'resource', 'memo:1', true],
  ['*', 'resource', 'anything://at/all', true],
  ['repo://a/x*', 'resource', 'repo://a/xyz', true],
  ['repo://a/*', 'resource_template', 'repo://a/{id}', true],
  ['repo://a/*', 'resource_template', 'repo://{id}', false],
  ['repo://a/*', 'resource_template', '{+uri}', false],
  ...[
    'repo://a/../b',
    'repo://a/./b',
    'repo://a//b',
    'repo://a/\\b',
    'repo://a/%2e%2e/b',
    'repo://a/%2Fb',
    'repo://a/%5cb',
    'repo://a/%252e',
    'repo://a/%00',
    'repo://a/x;../b',
    'repo://a/x?/../b',
  ].map((uri) => ['repo://a/*', 'resource', uri, false] as const),
]

for (const [scope, kind, name, has] of covered) {
  test(`the scope ${scope} ${has ? 'has' : 'has not'} the ${kind} ${JSON.stringify(name)}`, () => {
    requirement('gateway.scopes-of-a-server')
    const parse = kind === 'prompt' ? parsePromptScopes : parseResourceScopes
    assert.equal(coversOffer(parse([scope]), kind, name), has)
  })
}
