import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { ListScanner, type ScannedItem } from '../../src/kubernetes/list-scanner.ts'
import { requirement } from '../requirements.ts'

interface Scanned {
  readonly envelope: unknown
  readonly items: readonly ScannedItem[]
}

function scan(
  text: string,
  options: { itemBytesMax?: number; cuts?: readonly number[] } = {},
): Scanned {
  const items: ScannedItem[] = []
  const scanner = new ListScanner({
    itemBytesMax: options.itemBytesMax ?? 1000,
    onItem: (item) => items.push(item),
  })
  const octets = Buffer.from(text)
  const cuts = [...new Set((options.cuts ?? []).map((cut) => cut % (octets.length + 1)))]
  let from = 0
  for (const cut of [...cuts.toSorted((a, b) => a - b), octets.length]) {
    scanner.push(octets.subarray(from, cut))
    from = cut
  }
  return { envelope: parsed(scanner.end()), items }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const valuesOf = ({ items }: Scanned): readonly unknown[] =>
  items.map((item) => ('value' in item ? item.value : item))

test('whatever a list holds and wherever it is cut, it comes out as JSON.parse reads it', () => {
  // Text that looks like structure, at the places where a reader that only searches would take it for that.
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom('"items":[', ',"items": [', '\\', '\\"', ']', '},{', '\\u003c<'),
  )
  const json = fc.jsonValue({ maxDepth: 3 })
  const member = fc.oneof(json, fc.dictionary(text, fc.oneof(text, json)))
  fc.assert(
    fc.property(
      fc.array(member, { maxLength: 6 }),
      fc.dictionary(text, fc.oneof(text, json), { maxKeys: 3 }),
      fc.array(fc.nat(), { maxLength: 8 }),
      fc.constantFrom(undefined, 1),
      fc.boolean(),
      (items, around, cuts, space, first) => {
        delete around['items']
        const list = first ? { items, ...around } : { ...around, items }
        const scanned = scan(JSON.stringify(list, undefined, space), { cuts, itemBytesMax: 1e6 })
        assert.deepEqual(valuesOf(scanned), JSON.parse(JSON.stringify(items)))
        assert.deepEqual(scanned.envelope, JSON.parse(JSON.stringify({ ...list, items: [] })))
      },
    ),
    { numRuns: 500 },
  )
})

test('a member that is too long is passed by, and the others come', () => {
  requirement('kubernetes.hostile-objects')
  const long = { metadata: { name: 'long' }, args: '"\\]}'.repeat(5000) }
  const list = { metadata: { resourceVersion: '7' }, items: [{ a: 1 }, long, { b: 2 }] }
  const text = JSON.stringify(list)
  const cuts = Array.from({ length: 200 }, (_, index) => index * 97)
  const { envelope, items } = scan(text, { cuts })
  assert.deepEqual(envelope, { metadata: { resourceVersion: '7' }, items: [] })
  assert.equal(items.length, 3)
  const [first, second, third] = items
  assert.deepEqual(
    [first, third],
    [
      { value: { a: 1 }, bytes: 7 },
      { value: { b: 2 }, bytes: 7 },
    ],
  )
  assert.ok(second !== undefined && 'unreadable' in second)
  assert.equal(second.bytes, JSON.stringify(long).length)
  assert.match(second.unreadable, /^\{"metadata":\{"name":"long"\}/)
  assert.ok(second.unreadable.length <= 4096)
})

test('a member that is no JSON is said to be none, and the others come', () => {
  assert.deepEqual(scan('{"items":[{"a":nope},{"b":2}]}').items, [
    { unreadable: '{"a":nope}', bytes: 10 },
    { value: { b: 2 }, bytes: 7 },
  ])
})

test('a list without items is what it is', () => {
  for (const text of [
    '{"items":null,"a":1}',
    '{"items":[]}',
    '{}',
    '{"a":{"items":[1,2]}}',
    '[1]',
  ]) {
    assert.deepEqual(scan(text), { envelope: JSON.parse(text), items: [] })
  }
  assert.deepEqual(scan('hello').envelope, undefined)
})

test('what stands around the objects is bounded', () => {
  const text = JSON.stringify({ metadata: { a: 'x'.repeat(1024 * 1024) }, items: [] })
  assert.throws(() => scan(text), {
    code: 'kubernetes/answer',
    message: 'list: what stands around its objects: want=at most 1048576 bytes got=more',
  })
})
