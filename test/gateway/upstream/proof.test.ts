import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'
import { createProof } from '../../../src/gateway/upstream/proof.ts'

const spiffeId = parseSpiffeId('spiffe://test.example/ns/tools/sa/files')
const config = {
  server: 'files',
  url: 'https://files.test/mcp',
  spiffeId,
  eras: ['modern'],
} as const

test('an upstream is a warning until a connection has proved who it is, and again when one has not', () => {
  let now = Date.UTC(2026, 10, 22)
  const proof = createProof(config, () => now)
  const warning = { name: 'upstream files', ok: false, optional: true }
  assert.deepEqual(proof.condition(), {
    ...warning,
    reason: 'https://files.test/mcp: nobody has connected yet',
  })
  proof.tried(undefined)
  assert.deepEqual(proof.condition(), {
    name: 'upstream files',
    ok: true,
    reason: `proved to be ${spiffeId.uri}, last at 2026-11-22T00:00:00.000Z`,
  })
  now += 60_000
  proof.tried(new Error('upstream is somebody else'))
  assert.deepEqual(proof.condition(), {
    ...warning,
    reason: `https://files.test/mcp: upstream is somebody else; last proved to be ${spiffeId.uri}: 2026-11-22T00:00:00.000Z`,
  })
})

test('a name with several addresses that all fail says each', () => {
  const proof = createProof(config, Date.now)
  proof.tried(new AggregateError([new Error('connect ::1'), new Error('connect 127.0.0.1')]))
  assert.match(
    proof.condition().reason,
    /: connect ::1, connect 127\.0\.0\.1; last proved .*: never$/,
  )
})
