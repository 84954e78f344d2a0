import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseReference, splitPlace } from '../../../src/policy/oci/reference.ts'

const digest = `sha256:${'0a'.repeat(32)}`

test('a reference names a repository, and a tag or a digest of it', () => {
  assert.deepEqual(parseReference('org/policy.x/a__b-c:v1.0_B'), {
    repository: 'org/policy.x/a__b-c',
    kind: 'tag',
    text: 'v1.0_B',
  })
  assert.deepEqual(parseReference(`policy@${digest}`), {
    repository: 'policy',
    kind: 'digest',
    text: digest,
  })
})

test('what is none leads nowhere', () => {
  const none = [
    'policy',
    'policy:',
    'policy@sha256:0a',
    `policy@sha512:${'0a'.repeat(64)}`,
    `policy:v1@${digest}`,
    'Policy:v1',
    'ghcr.io:443/policy:v1',
    'a//b:v1',
    '/a:v1',
    'a/:v1',
    '../a:v1',
    'a/../b:v1',
    'a?b:v1',
    'a%2fb:v1',
    'a:v1?x',
    'a:../b',
    `a:${'v'.repeat(129)}`,
    `${'a'.repeat(256)}:v1`,
    'a:v1\n',
  ]
  for (const text of none) assert.equal(parseReference(text), undefined, text)
})

test('a reference is read in linear time', () => {
  for (const text of [`${'a-'.repeat(50_000)}:`, `${'a/'.repeat(50_000)}:`, 'a'.repeat(100_000)]) {
    assert.equal(parseReference(text), undefined)
  }
})

test('a place is a folder, and a tag or a digest behind its last segment', () => {
  assert.deepEqual(splitPlace('/a/layout:v1'), {
    folder: '/a/layout',
    part: { kind: 'tag', text: 'v1' },
  })
  assert.deepEqual(splitPlace(`/a:b/layout@${digest}`), {
    folder: '/a:b/layout',
    part: { kind: 'digest', text: digest },
  })
  for (const place of ['/a/layout', '/a:v1/bundle.tar.gz', '/a/layout@v1', ':v1']) {
    assert.equal(splitPlace(place), undefined, place)
  }
})
