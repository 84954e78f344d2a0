import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createProgress } from '../../../../src/cli/command/policy/progress.ts'

test('each percent is told once, over the one before, and taken away', () => {
  const said: string[] = []
  const progress = createProgress('a\u009B.log', 1000, (text) => void said.push(text))
  for (const octets of [5, 10, 19, 20, 1000]) progress.at(octets)
  progress.clear()
  progress.clear()
  const name = String.raw`"a\u009b.log"`
  const line = `${name} 100 %`
  assert.deepEqual(said, [
    `\r${name} 1 %`,
    `\r${name} 2 %`,
    `\r${line}`,
    `\r${' '.repeat(line.length)}\r`,
  ])
})

test('of what has no size nothing is told', () => {
  const progress = createProgress('a.log', undefined, () => assert.fail())
  progress.at(1_000_000)
  progress.clear()
})
