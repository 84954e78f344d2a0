import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { jsonFault } from '../../src/policy/json-fault.ts'

const faults: readonly (readonly [text: string, fault: string])[] = [
  ['', 'line 1 column 1, want=a value'],
  ['{"a": 1,\n "b": }\n', 'line 2 column 7, want=a value'],
  ['{"a": 1\n "b": 2}', 'line 2 column 2, want=, or }'],
  ['{"a": 1,}', 'line 1 column 9, want=a name in double quotes'],
  ['{a: 1}', 'line 1 column 2, want=a name in double quotes or }'],
  ['{"a" 1}', 'line 1 column 6, want=:'],
  ['[1,\n2,\n]', 'line 3 column 1, want=a value'],
  ['[1 2]', 'line 1 column 4, want=, or ]'],
  ['[}', 'line 1 column 2, want=a value or ]'],
  ['{"a": [1, 2', 'line 1 column 12, want=, or ]'],
  ['{} {}', 'line 1 column 4, want=the end'],
  ['grants:\n  a: 1', 'line 1 column 1, want=a value'],
  ['{"a": 01}', 'line 1 column 7, want=a value'],
  ['["a\nb"]', 'line 1 column 2, want=a value or ]'],
]
for (const [text, fault] of faults) {
  test(`of ${JSON.stringify(text)} the place is told: ${fault}`, () => {
    assert.equal(jsonFault(text), fault)
  })
}

test('there is a fault where JSON.parse finds one, and nowhere else', () => {
  const cut = fc.tuple(fc.json(), fc.nat(), fc.constantFrom('', ',', '}', '"', '0', ' ', '\\', '-'))
  fc.assert(
    fc.property(cut, ([json, at, more]) => {
      const place = at % (json.length + 1)
      const text = json.slice(0, place) + more + json.slice(place + 1)
      assert.equal(jsonFault(json), undefined)
      assert.equal(jsonFault(text) === undefined, isJson(text), text)
    }),
    { numRuns: 2000 },
  )
})

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
