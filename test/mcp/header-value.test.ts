import assert from 'node:assert/strict'
import { validateHeaderValue } from 'node:http'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { decodeHeaderValue, encodeHeaderValue } from '../../src/mcp/header-value.ts'
import { stripped } from '../../src/mcp/headers.ts'

test('every text comes through a header as it was, blanks around it and markers in it too', () => {
  const markers = fc.constantFrom('=?base64?', '?=', ' ', '\t', '\n', 'é', '')
  const any = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.array(markers).map((each) => each.join('')),
  )
  fc.assert(
    fc.property(any, (text) => {
      const value = encodeHeaderValue(text)
      validateHeaderValue('mcp-name', value)
      assert.equal(decodeHeaderValue(stripped(value)), text)
    }),
  )
})

test('plain text stays plain', () => {
  for (const text of ['files_read', 'a b', 'file:///a?b=c'])
    assert.equal(encodeHeaderValue(text), text)
})
