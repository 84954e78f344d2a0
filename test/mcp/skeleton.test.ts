import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import * as fc from 'fast-check'
import { readableId } from '../../src/mcp/readable-id.ts'
import { requirement } from '../requirements.ts'
import { createSkeleton } from '../../src/mcp/skeleton.ts'

function skeletonOf(octets: Buffer, chunk = octets.length): string | undefined {
  const skeleton = createSkeleton()
  for (let at = 0; at < octets.length; at += Math.max(1, chunk)) {
    skeleton.push(octets.subarray(at, at + Math.max(1, chunk)))
  }
  return skeleton.text()?.toString()
}

const texts: readonly [string, string][] = [
  ['{"id":1,"method":"m"}', '{"id":1,"method":"m"}'],
  [
    '{"method":"m","params":{"id":2,"a":[{"b":"}"}]},"id":"x\\"]"}',
    '{"method":"m","params":0,"id":"x\\"]"}',
  ],
  ['[{"id":1}]', '[0]'],
  ['{"a":[[],{}] , "b" : "{["} ', '{"a":0 , "b" : "{["} '],
]

suite('of a text that passes by the outermost members are kept', () => {
  for (const [text, kept] of texts) {
    test(text, () => {
      for (const chunk of [1, 3, 1000]) assert.equal(skeletonOf(Buffer.from(text), chunk), kept)
    })
  }
})

test('what is kept is no longer than 4096 octets, else nothing is', () => {
  const long = (length: number): Buffer =>
    Buffer.from(`{"method":"m","id":"${'x'.repeat(length)}"}`)
  assert.ok(skeletonOf(long(4000)))
  assert.equal(skeletonOf(long(5000)), undefined)
  const params = Buffer.from(`{"method":"m","params":{"a":"${'x'.repeat(100_000)}"},"id":7}`)
  assert.equal(skeletonOf(params), '{"method":"m","params":0,"id":7}')
})

test('the id of a message is that of its skeleton, however it is cut', () => {
  const value = fc.oneof(fc.jsonValue(), fc.constant('{"id":3}'))
  const id = fc.oneof(fc.integer(), fc.string(), fc.constant(null))
  const message = fc.record(
    { id, method: fc.string(), params: value, jsonrpc: fc.constant('2.0') },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(message, fc.nat(40), (message, chunk) => {
      const octets = Buffer.from(JSON.stringify(message))
      const kept = skeletonOf(octets, chunk)
      if (kept !== undefined) assert.equal(readableId(Buffer.from(kept)), readableId(octets))
    }),
  )
})

test('octets that are no JSON are passed over all the same', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (octets) => {
      skeletonOf(Buffer.from(octets))
    }),
  )
})

test('sixteen mebibytes of brackets pass by in less time than a call may take', () => {
  requirement('gateway.linear-time')
  const piece = Buffer.alloc(64 * 1024, '[]')
  const skeleton = createSkeleton()
  skeleton.push(Buffer.from('{"id":7,"method":"m","params":['))
  const before = process.cpuUsage().user
  for (let each = 0; each < 256; each += 1) skeleton.push(piece)
  // A tenth of this by itself; the rest is for a machine that is busy.
  assert.ok(process.cpuUsage().user - before < 1_500_000)
  skeleton.push(Buffer.from(']}'))
  assert.equal(skeleton.text()?.toString(), '{"id":7,"method":"m","params":0}')
})
