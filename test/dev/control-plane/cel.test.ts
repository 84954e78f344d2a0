import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CelError, compileCel } from '../../../dev/control-plane/cel.ts'

const self = { a: 'x', n: 3, list: ['p', 'q'], inner: { b: 'y' }, empty: '' }

const truths: readonly string[] = [
  'has(self.a)',
  '!has(self.z)',
  'has(self.inner.b)',
  '!has(self.inner.z)',
  'has(self.z) || has(self.a)',
  'has(self.a) && self.a == "x"',
  "self.a == 'x'",
  'self.a != "y"',
  'self.n > 2 && self.n <= 3 && self.n < 4 && self.n >= 3',
  '!(has(self.z) && self.n == 3)',
  'size(self.list) == 2',
  'self.list.size() == 2 && self.empty.size() == 0',
  'self.a in ["x", "y"]',
  '"q" in self.list',
  '"b" in self.inner',
  'self.a.matches("^[xy]$")',
  'self.a.startsWith("x") && self.a.endsWith("x") && self.a.contains("x")',
  'true && !false',
  '"abc" < "abd"',
  'has(self.z) || true',
  '"node:" + self.a == "node:x" && 1 + self.n == 4',
]

for (const rule of truths) {
  test(`${rule} holds`, () => {
    assert.equal(compileCel(rule)(self), true)
    assert.equal(compileCel(`!(${rule})`)(self), false)
  })
}

const uncompilable: readonly string[] = [
  '',
  'self.',
  'self.a ==',
  'has(a)',
  'has(self)',
  'has(self.a',
  'self.list.all(x, x == "p")',
  'self.a * "b"',
  'self.a ? true : false',
  'frob(self.a)',
  'self.a.constructor("x")',
  'self.a == "unterminated',
  'oldSelf.a == self.a',
  'self.a == "x" self.n',
]

for (const rule of uncompilable) {
  test(`${JSON.stringify(rule)} is refused`, () => {
    assert.throws(() => compileCel(rule), CelError)
  })
}

test('a rule that cannot be judged throws instead of holding', () => {
  for (const rule of [
    'self.z == "a"',
    'self.z.b == "a"',
    'self.a > 3',
    'self.n && true',
    'has(self.a.b)',
  ]) {
    assert.throws(() => compileCel(rule)(self), CelError, rule)
  }
})

test('inherited members are not there', () => {
  assert.equal(compileCel('has(self.constructor)')(self), false)
  assert.equal(compileCel('"toString" in self')(self), false)
})
