import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatJson, fromJson } from '../../../src/policy/plan/json.ts'
import { Meter } from '../../../src/policy/plan/meter.ts'
import { requirement } from '../../requirements.ts'

const meter = new Meter()
meter.left = Number.POSITIVE_INFINITY

test('no digit of a number is lost, wherever it stands', () => {
  requirement('policy.plan-agrees')
  const numbers = ['12345678901234567890', '-12345678901234567890']
  for (const number of [...numbers, '9007199254740993']) {
    for (const around of [
      '',
      '[]',
      '[1,]',
      '[ ]',
      '{"a":}',
      '{"a": }',
      '{"a":[\n]}',
      '{"4e5": }',
    ]) {
      const [before, after] =
        around === ''
          ? ['', '']
          : [around.slice(0, /[\]}]+$/.exec(around)?.index), around.match(/[\]}]+$/)?.[0] ?? '']
      const text = `${before}${number}${after}`
      assert.ok(formatJson(fromJson(text), meter).includes(number), text)
    }
  }
})

test('a number with an exponent has the value that it says, and one beyond all measure none', () => {
  assert.equal(formatJson(fromJson('{"a":-12e30}'), meter), '{"a":-1.2e+31}')
  assert.equal(formatJson(fromJson('[1E400]'), meter), '[1e400]')
  assert.throws(() => fromJson('[1e99999]'), SyntaxError)
})

test('what looks like a number within a text is text', () => {
  const text = '{"digest":"4e5a12345678901234567890","said":"at: 1e5, [2e6"}'
  assert.equal(formatJson(fromJson(text), meter), text)
})
