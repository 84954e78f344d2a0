import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseInside } from '../../src/guard/inside.ts'

test('the server inside is at a port and a path of 127.0.0.1', () => {
  assert.deepEqual(parseInside('http://127.0.0.1:8000/mcp'), { port: 8000, path: '/mcp' })
  assert.deepEqual(parseInside('http://127.0.0.1:65535/'), { port: 65_535, path: '/' })
})

for (const url of [
  'http://localhost:8000/mcp',
  'http://127.0.0.2:8000/mcp',
  'http://127.1:8000/mcp',
  'http://[::1]:8000/mcp',
  'http://0.0.0.0:8000/mcp',
  'http://10.0.0.7:8000/mcp',
  'http://127.0.0.1.attacker.example:8000/mcp',
  'http://user@127.0.0.1:8000/mcp',
  'http://127.0.0.1:8000@10.0.0.7/mcp',
  'https://127.0.0.1:8000/mcp',
  'http://127.0.0.1:8000',
  'http://127.0.0.1/mcp',
  'http://127.0.0.1:0/mcp',
  'http://127.0.0.1:65536/mcp',
  'http://127.0.0.1:08000/mcp',
  'http://127.0.0.1:8000/mcp#part',
  'http://127.0.0.1:8000/m cp',
  'http://127.0.0.1:8000/mcp\r\nx: y',
  'http://127.0.0.1:8000/mcp\n',
  '',
]) {
  test(`${JSON.stringify(url)} is no server inside`, () => {
    assert.throws(() => parseInside(url), { code: 'guard/inside' })
  })
}
