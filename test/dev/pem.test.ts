import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { formatPem, parsePem } from '../../dev/pem.ts'

const block = formatPem('CERTIFICATE', Buffer.from('hello'))
const other = formatPem('PRIVATE KEY', Buffer.from('secret'))

const texts: readonly (readonly [string, string, readonly string[]])[] = [
  ['nothing', '', []],
  ['words', 'no block here', []],
  ['one block', block, ['CERTIFICATE hello']],
  ['two blocks', block + other, ['CERTIFICATE hello', 'PRIVATE KEY secret']],
  ['words around blocks', `a\n${block}b\n${other}c`, ['CERTIFICATE hello', 'PRIVATE KEY secret']],
  ['CRLF line ends', block.replaceAll('\n', '\r\n'), ['CERTIFICATE hello']],
  ['no last line end', block.trimEnd(), ['CERTIFICATE hello']],
  ['a begin in the middle of a line', `x${block}`, []],
  ['a begin without an end', '-----BEGIN CERTIFICATE-----\naGVsbG8=\n', []],
  ['an end of another type', block.replace('END CERTIFICATE', 'END OTHER'), []],
  [
    'a broken block before a good one',
    `-----BEGIN A-----\n?\n-----END A-----\n${block}`,
    ['CERTIFICATE hello'],
  ],
  ['a begin inside a block', `-----BEGIN A-----\n${block}`, ['CERTIFICATE hello']],
]

for (const [what, text, expected] of texts) {
  test(`${what} holds ${expected.length} blocks`, () => {
    const blocks = parsePem(text).map(({ type, der }) => `${type} ${der.toString()}`)
    assert.deepEqual(blocks, expected)
  })
}

test('headers are seen and are no part of the block', () => {
  const [found] = parsePem(block.replace('-----\n', '-----\nName: value\nOther: value\n\n'))
  assert.deepEqual([found?.hasHeaders, found?.der.toString()], [true, 'hello'])
  assert.equal(parsePem(block)[0]?.hasHeaders, false)
})

test('a megabyte of begins without an end is read in a moment', () => {
  const start = process.cpuUsage()
  assert.deepEqual(parsePem('-----BEGIN CERTIFICATE-----\n'.repeat(40_000)), [])
  assert.ok(process.cpuUsage(start).user < 1_000_000)
})

test('property: what is formatted is parsed again', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 })), (contents) => {
      const text = contents.map((content) => formatPem('CERTIFICATE', content)).join('')
      assert.deepEqual(
        parsePem(text).map(({ der }) => [...der]),
        contents.map((content) => [...content]),
      )
    }),
  )
})
