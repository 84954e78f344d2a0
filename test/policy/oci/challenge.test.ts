import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseChallenges } from '../../../src/policy/oci/challenge.ts'

function read(header: string): readonly (readonly [string, object])[] {
  return parseChallenges(header).map(({ scheme, parameters }) => [
    scheme,
    Object.fromEntries(parameters),
  ])
}

test('challenges are read as registries write them', () => {
  assert.deepEqual(
    read('Bearer realm="https://r.example/token",service="r.example",scope="repository:a/b:pull"'),
    [
      [
        'bearer',
        { realm: 'https://r.example/token', service: 'r.example', scope: 'repository:a/b:pull' },
      ],
    ],
  )
  assert.deepEqual(read('BASIC realm=r, Negotiate, bearer Realm = "a, \\"b\\" =c"'), [
    ['basic', { realm: 'r' }],
    ['bearer', { realm: 'a, "b" =c' }],
  ])
  assert.deepEqual(parseChallenges(undefined), [])
})

test('of what says two things nothing is read, nor of what is too long', () => {
  for (const header of [
    'Bearer realm="a",realm="b"',
    'Bearer realm="a", Realm=b',
    `Bearer realm="${'a'.repeat(4096)}"`,
    'realm="a"',
    '"Bearer"',
    '',
  ]) {
    assert.deepEqual(read(header), [], header.slice(0, 60))
  }
})

test('a challenge is read in linear time', () => {
  for (const text of [
    ' '.repeat(4000),
    '"\\'.repeat(2000),
    'a = '.repeat(1000),
    '= '.repeat(2000),
  ]) {
    parseChallenges(`Bearer ${text}`.slice(0, 4096))
  }
})
