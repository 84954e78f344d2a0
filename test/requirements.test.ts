import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requirement, requirements } from './requirements.ts'
import { citations } from './support/citations.ts'
import { filesUnder } from './support/source-tree.ts'

const cited = citations()

for (const [id, { claim }] of Object.entries(requirements)) {
  test(`a test proves ${id}: ${claim}`, () => {
    assert.notEqual(cited.get(id), undefined, `want=a test that says requirement('${id}')`)
  })
}

test('tests cite only claims that we make', () => {
  const unknown = [...cited].filter(([id]) => requirements[id] === undefined)
  assert.deepEqual(unknown, [])
})

test('an unknown claim cannot be cited', () => {
  assert.throws(() => requirement('signer.is-perfect'), {
    message: 'no such requirement: signer.is-perfect',
  })
})

test('a claim is one sentence, without a full stop, and has a source', () => {
  for (const [id, { claim, source }] of Object.entries(requirements)) {
    assert.match(id, /^[a-z]+\.[a-z]+(-[a-z]+)+$/)
    assert.match(claim, /^[^A-Z].*[^.]$|^(Denied|RSA) .*[^.]$/, id)
    assert.notEqual(source, '', id)
  }
})

test('every document that a claim has for its source is there', () => {
  const documents = new Set(filesUnder('docs').map(({ path }) => path))
  const missing = Object.entries(requirements).flatMap(([id, { source }]) =>
    [...source.matchAll(/docs\/[A-Z]+\.md/g)]
      .map(([path]) => path)
      .filter((path) => !documents.has(path))
      .map((path) => `${id}: ${path}`),
  )
  assert.deepEqual(missing, [])
})
