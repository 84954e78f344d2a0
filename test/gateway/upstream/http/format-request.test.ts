import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatRequest } from '../../../../src/gateway/upstream/http/format-request.ts'
import { requirement } from '../../../requirements.ts'

const target = { path: '/mcp', host: 'files:8443' }

test('a request is its head and its body, and says how long that is', () => {
  const body = Buffer.from('{"a":"ä"}')
  const headers = ['a', 'b', 'c', 'ä']
  assert.equal(
    formatRequest(target, { method: 'POST', headers, body })?.toString('latin1'),
    `POST /mcp HTTP/1.1\r\nhost: files:8443\r\nconnection: keep-alive\r\na: b\r\nc: ä\r\ncontent-length: 10\r\n\r\n${body.toString('latin1')}`,
  )
})

for (const [method, end] of [
  ['POST', 'content-length: 0\r\n\r\n'],
  ['DELETE', 'connection: keep-alive\r\n\r\n'],
] as const) {
  test(`a ${method} without a body ends with its head`, () => {
    const octets = formatRequest(target, { method, headers: [], body: null })
    assert.ok(octets?.toString('latin1').endsWith(end))
  })
}

for (const [what, name, value] of [
  ['a value with CR LF', 'a', 'b\r\nc: d'],
  ['a value with CR', 'a', 'b\rc'],
  ['a value with LF', 'a', 'b\nc'],
  ['a value with NUL', 'a', 'b\0'],
  ['a value beyond Latin-1, which would be cut to one octet', 'a', '\u010a'],
  ['a name with a colon', 'a:b', 'c'],
  ['a name with a space', 'a b', 'c'],
  ['an empty name', '', 'c'],
] as const) {
  test(`${what} is not written`, () => {
    requirement('gateway.header-values-cannot-add-headers')
    const request = { method: 'POST', headers: [name, value], body: null } as const
    assert.equal(formatRequest(target, request), undefined)
  })
}
