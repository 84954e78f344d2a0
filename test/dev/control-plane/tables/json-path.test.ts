import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseJsonPath } from '../../../../dev/control-plane/tables/json-path.ts'

const value = {
  a: { b: 1, 'c.d/e': 2 },
  list: [{ type: 'X', status: 'no' }, { type: 'Ready', status: 'yes' }, 'text'],
}

const paths: readonly (readonly [path: string, found: readonly unknown[]])[] = [
  ['.a.b', [1]],
  ['.a.none', []],
  ['.a.b.c', []],
  ['.a.c\\.d/e', [2]],
  [".a['c.d/e']", [2]],
  ['.list[0].status', ['no']],
  ['.list[-1]', ['text']],
  ['.list[7]', []],
  ['.list[*].status', ['no', 'yes']],
  ['.list[?(@.type=="Ready")].status', ['yes']],
  [".list[?(@.type == 'Ready')].status", ['yes']],
  ['.a[0]', []],
]

for (const [path, found] of paths) {
  test(`${path} finds ${JSON.stringify(found)}`, () => {
    assert.deepEqual(parseJsonPath(path)?.(value), found)
  })
}

test('what is no simple path is none at all', () => {
  for (const text of ['a', '.a..b', '.a[', '.a[?(@.b>1)]', '$.a', '.a[1:2]', '.__proto__x[']) {
    assert.equal(parseJsonPath(text), undefined, text)
  }
})

test('a path finds members of the value only, none that JavaScript adds', () => {
  assert.deepEqual(parseJsonPath('.constructor')?.({}), [])
  assert.deepEqual(parseJsonPath('.length')?.([1]), [])
})
