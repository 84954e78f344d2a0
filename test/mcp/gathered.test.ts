import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { Gathered } from '../../src/mcp/gathered.ts'

test('what was gathered is what came, in whatever pieces', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 9000 }), { maxLength: 12 }), (pieces) => {
      const gathered = new Gathered()
      for (const piece of pieces) gathered.push(Buffer.from(piece))
      assert.deepEqual(gathered.whole(), Buffer.concat(pieces))
    }),
    { seed: 8, numRuns: 200 },
  )
})

test('what is taken is gone', () => {
  const gathered = new Gathered()
  const only = Buffer.from('only')
  assert.equal(gathered.take(only), only)
  gathered.push(Buffer.from('a'))
  assert.equal(gathered.take(Buffer.from('b')).toString(), 'ab')
  assert.equal(gathered.take(only), only)
})

test('one piece is given as it came', () => {
  const gathered = new Gathered()
  const piece = Buffer.from('whole')
  gathered.push(piece)
  assert.equal(gathered.whole().buffer, piece.buffer)
})

test('pieces of one octet take no memory of their own', () => {
  const gathered = new Gathered()
  const octets = 100_000
  for (let each = 0; each < octets; each += 1) gathered.push(Buffer.from('x'))
  const whole = gathered.whole()
  assert.equal(whole.length, octets)
  assert.ok(whole.buffer.byteLength <= 4 * octets, `got=${whole.buffer.byteLength}`)
})

test('room is made once where it is known how much comes, and never for more than may come', () => {
  const known = new Gathered({ octets: 30_000 })
  const bounded = new Gathered({ octetsMax: 30_000 })
  for (const gathered of [known, bounded]) gathered.push(Buffer.from('a'))
  const second = Buffer.alloc(20_000)
  assert.equal(known.capacityWith(second), 30_000)
  assert.equal(bounded.capacityWith(second), 30_000)
  known.push(second)
  assert.equal(known.whole().buffer.byteLength, 30_000)
  assert.equal(known.capacityWith(Buffer.alloc(9999)), 30_000)
})

test('what it takes with a piece is said before', () => {
  const gathered = new Gathered()
  fc.assert(
    fc.property(fc.array(fc.nat(9000)), (lengths) => {
      gathered.clear()
      for (const length of lengths) {
        const piece = Buffer.allocUnsafeSlow(length)
        const said = gathered.capacityWith(piece)
        gathered.push(piece)
        assert.equal(gathered.whole().buffer.byteLength, said)
      }
    }),
  )
})
