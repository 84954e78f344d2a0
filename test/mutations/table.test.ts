import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requirements } from '../requirements.ts'
import { citations } from '../support/citations.ts'
import { readSourceFile } from '../support/source-tree.ts'
import { mutations } from './table.ts'

test('each defence that is taken away stands where the table says, once', () => {
  for (const { claim, file, edits } of mutations) {
    assert.ok(requirements[claim], `no such claim: ${claim}`)
    const { text } = readSourceFile(file)
    for (const [from] of edits) assert.equal(text.split(from).length - 1, 1, `${file}: ${from}`)
  }
})

test('no defence is taken away twice', () => {
  const titles = mutations.map(({ claim, without }) => `${claim}, without ${without}`)
  assert.equal(new Set(titles).size, titles.length)
})

test('every claim about what stands between callers and tools has a defence that is taken away', () => {
  const ours = /^(gateway|token|toolserver|agent|policy|attack|expired)\./
  const tried = new Set(mutations.map(({ claim }) => claim))
  const untried = Object.keys(requirements).filter((id) => ours.test(id) && !tried.has(id))
  assert.deepEqual(untried, [], 'want=a row in test/mutations')
})

test('the tests of a defence are there, and cite what they prove', () => {
  const cited = citations()
  const silent = mutations.flatMap(({ claim, tests = [] }) =>
    tests
      .filter((path) => cited.get(claim)?.includes(path) !== true)
      .map((path) => `${path}: ${claim}`),
  )
  assert.deepEqual(silent, [], 'want=a test there that says requirement(…)')
})
