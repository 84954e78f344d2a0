import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requirements } from '../requirements.ts'
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
