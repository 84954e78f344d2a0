import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lastsAt, replaces, type Held } from '../../src/renewal/held.ts'
import { requirement } from '../requirements.ts'

/** From 0 to `end`, which lasts for nine tenths of it. */
const held = (rank: number, end: number): Held => ({
  subject: 'x',
  notBefore: new Date(0),
  notAfter: new Date(end),
  credentialBundle: '',
  trustBundle: '',
  source: {
    name: 'csr',
    isFollowed: false,
    anchors: undefined,
    next: () => Promise.reject(new Error('not asked')),
    settle: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  },
  rank,
  renewAt: end / 2,
})

test('a credential lasts until the last tenth of its life', () => {
  assert.deepEqual(
    [0, 899, 900, 1001].map((now) => lastsAt(held(0, 1000), now)),
    [true, true, false, false],
  )
})

const now = 950
const cases = [
  ['one of its own source', held(1, 960), held(1, 2000), true],
  ['one that ends sooner and lasts, of a source before it', held(0, 1900), held(1, 2000), true],
  ['one that lasts, of a source behind it', held(1, 2000), held(0, 1900), false],
  ['one that does not last, of a source before it', held(0, 1000), held(1, 2000), false],
  ['one that lasts where it does not, of a source behind it', held(1, 2000), held(0, 1000), true],
  ['one that ends sooner, where neither lasts', held(0, 990), held(1, 1000), false],
  ['one that ends later, where neither lasts', held(1, 1000), held(0, 990), true],
  ['any, where it has ended', held(1, 960), held(0, 940), true],
  ['any, where there is none', held(1, 960), undefined, true],
] as const

for (const [what, next, before, taken] of cases) {
  test(`${what} ${taken ? 'takes its place' : 'is not taken'}`, () => {
    requirement('renewal.sources-in-order')
    assert.equal(replaces(next, before, now), taken)
  })
}
