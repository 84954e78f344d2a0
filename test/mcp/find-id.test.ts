import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createIdFinder } from '../../src/mcp/find-id.ts'

function find(text: string, pieceLength = 7): string | undefined {
  const finder = createIdFinder()
  const octets = Buffer.from(text)
  for (let start = 0; start < octets.length; start += pieceLength) {
    finder.push(octets.subarray(start, start + pieceLength))
  }
  return finder.rawId
}

const ids = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 20 }), fc.integer())
const names = fc.oneof(fc.constantFrom('id', 'method', 'params', 'ID'), fc.string({ maxLength: 5 }))
const members = fc.array(fc.tuple(names, fc.jsonValue({ maxDepth: 3 })), { maxLength: 5 })

test('the id of a message is found wherever it stands, and whatever stands around it', () => {
  fc.assert(
    fc.property(
      ids,
      members,
      fc.nat({ max: 5 }),
      fc.constantFrom('', ' ', '\t '),
      fc.integer({ min: 1, max: 9 }),
      (id, around, place, space, pieceLength) => {
        const others = around
          .filter(([name]) => name !== 'id')
          // What lies deeper has members of that name too.
          .map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify({ id: value })}`)
        const own = `"id"${space}:${space}${JSON.stringify(id)}${space}`
        const all = [...others.slice(0, place), own, ...others.slice(place)]
        assert.equal(
          find(`${space}{${all.join(`${space},${space}`)}}`, pieceLength),
          JSON.stringify(id),
        )
      },
    ),
    { numRuns: 500 },
  )
})

for (const text of [
  '{"method":"a","params":{"id":1}}',
  '{"id":null}',
  '{"id":{"id":1}}',
  '{"id":[1]}',
  '["id",1]',
  '"id"',
  `{"id":"${'x'.repeat(300)}"}`,
  '{"id":1x}',
]) {
  test(`what has no id that could be told back has none: ${text.slice(0, 40)}`, () => {
    assert.equal(find(text), undefined)
  })
}

test('the first of two is told, and the octets of a number are kept', () => {
  assert.equal(find('{"id":9007199254740993,"id":2}'), '9007199254740993')
  assert.equal(find('{"id":1.0'), undefined)
})
