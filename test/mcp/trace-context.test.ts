import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatTraceparent, parseTraceContext } from '../../src/mcp/trace-context.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const spanId = '00f067aa0ba902b7'
const parent = `00-${traceId}-${spanId}-01`

test('a context is read, and written as it came', () => {
  const context = parseTraceContext(parent, 'congo=t61rcWkgMzE')
  assert.deepEqual(context, { traceId, spanId, sampled: true, state: 'congo=t61rcWkgMzE' })
  assert.equal(formatTraceparent(context), parent)
  assert.equal(parseTraceContext(`00-${traceId}-${spanId}-00`, undefined)?.sampled, false)
})

test('of a later version the beginning is read', () => {
  assert.equal(parseTraceContext(`01-${traceId}-${spanId}-03-more`, undefined)?.sampled, true)
})

const unread: readonly (readonly [string, unknown])[] = [
  ['nothing', undefined],
  ['a number', 1],
  ['capitals', parent.toUpperCase()],
  ['the version that there is not', `ff${parent.slice(2)}`],
  ['more than this version has', `${parent}-00`],
  ['an empty trace', `00-${'0'.repeat(32)}-${spanId}-01`],
  ['an empty span', `00-${traceId}-${'0'.repeat(16)}-01`],
  ['too little', parent.slice(0, -1)],
  ['a line end', `${parent}\n`],
  ['too much', `01${parent.slice(2)}-${'x'.repeat(300)}`],
]

for (const [what, text] of unread) {
  test(`no context is read of ${what}`, () => {
    assert.equal(parseTraceContext(text, 'a=b'), undefined)
  })
}

for (const [what, state] of [
  ['a line end', 'a=b\r\nx: y'],
  ['more than everybody passes on', `a=${'x'.repeat(511)}`],
  ['nothing', ''],
  ['no text', 7],
] as const) {
  test(`a state of ${what} is left out`, () => {
    assert.equal(parseTraceContext(parent, state)?.state, undefined)
  })
}
