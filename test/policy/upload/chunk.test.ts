import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { createChunker, type Chunk } from '../../../src/policy/upload/chunk.ts'

function eventsOf({ body }: Chunk): readonly unknown[] {
  return JSON.parse(gunzipSync(body).toString()) as readonly unknown[]
}

function linesOf(count: number, text: (index: number) => string): readonly Buffer[] {
  return Array.from({ length: count }, (_, index) =>
    Buffer.from(JSON.stringify({ decision_id: `d-${index}`, text: text(index) })),
  )
}

/** Packs them all, as if they came from a file of which as much is read as the chunker says. */
async function packAll(lines: readonly Buffer[], limit: number): Promise<readonly Chunk[]> {
  const chunker = createChunker(limit)
  const chunks: Chunk[] = []
  let at = 0
  while (at < lines.length) {
    let end = at
    let octets = 0
    while (end < lines.length && (end === at || octets < chunker.linesOctetsMax)) {
      octets += (lines[end]?.length ?? 0) + 1
      end += 1
    }
    const chunk = await chunker.pack(lines.slice(at, end))
    chunks.push(chunk)
    at += chunk.lines
  }
  return chunks
}

test('lines that pack well are soon as many in a chunk as it may hold, and never more', async () => {
  const lines = linesOf(4000, (index) => `the same words again and again, ${index}`)
  const chunks = await packAll(lines, 2048)
  assert.deepEqual(
    chunks.flatMap(eventsOf),
    lines.map((line) => JSON.parse(line.toString()) as unknown),
  )
  for (const { body } of chunks) assert.ok(body.length <= 2048)
  const later = chunks.slice(8, -1).map(({ body }) => body.length)
  assert.ok(
    later.every((octets) => octets > 1024),
    later.join(),
  )
})

test('lines that change from well packed to badly packed are packed again in fewer', async () => {
  const good = linesOf(500, () => 'a'.repeat(200))
  const bad = linesOf(500, () => randomBytes(150).toString('base64'))
  const chunks = await packAll([...good, ...bad, ...good], 4096)
  assert.equal(chunks.flatMap(eventsOf).length, 1500)
  for (const { body } of chunks) assert.ok(body.length <= 4096)
})

test('however well they pack, what a receiver has to unpack is bounded', async () => {
  const lines = linesOf(40_000, () => 'a'.repeat(200))
  const sizes = (await packAll(lines, 1024)).map(({ body }) => gunzipSync(body).length)
  assert.ok(Math.max(...sizes) <= 64 * 1024 + 2, `${Math.max(...sizes)}`)
})

test('however large a chunk may be, no more is packed in one turn than others can wait for', async () => {
  const lines = linesOf(12_000, () => 'a'.repeat(200))
  const chunker = createChunker(16 * 1024 * 1024)
  const sizes: number[] = []
  for (let time = 0; time < 3; time += 1) {
    sizes.push(gunzipSync((await chunker.pack(lines)).body).length, chunker.linesOctetsMax)
  }
  assert.ok(Math.max(...sizes) <= 1024 * 1024 + 2, sizes.join())
})

test('a line that is larger than a chunk may be is alone, and said to be', async () => {
  const chunker = createChunker(1024)
  const [large = Buffer.alloc(0)] = linesOf(1, () => randomBytes(2000).toString('base64'))
  const chunk = await chunker.pack([large, large])
  assert.deepEqual([chunk.lines, chunk.isTooLarge], [1, true])
  const small = await chunker.pack(linesOf(2, () => 'a'))
  assert.deepEqual([small.lines, small.isTooLarge], [2, false])
})

test('after a chunk that was too large for its receiver they have half of it', async () => {
  const chunker = createChunker(4096)
  const lines = linesOf(100, () => randomBytes(60).toString('base64'))
  const first = await chunker.pack(lines)
  chunker.shrink(first)
  const second = await chunker.pack(lines)
  assert.ok(second.body.length <= first.body.length / 2)
})

test('what its receiver takes again is as large as before after a while, and no larger', async () => {
  const chunker = createChunker(4096)
  const lines = linesOf(100, () => randomBytes(60).toString('base64'))
  const first = await chunker.pack(lines)
  for (let time = 0; time < 8; time += 1) chunker.shrink(await chunker.pack(lines.slice(0, 2)))
  const one = await chunker.pack(lines)
  assert.deepEqual([one.lines, one.isTooLarge], [1, false])
  for (let time = 0; time < 400; time += 1) chunker.grow()
  for (let time = 0; time < 12; time += 1) await chunker.pack(lines)
  const { body, lines: count } = await chunker.pack(lines)
  assert.ok(count > first.lines / 2 && body.length <= 4096, `${count} of ${first.lines}`)
})
