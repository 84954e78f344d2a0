import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readBody } from '../../src/toolserver/read-body.ts'
import { requirement } from '../requirements.ts'
import { memoryDuring, oneByOne } from '../support/one-by-one.ts'

const mebibyte = 1024 * 1024

async function* eachOf(pieces: Iterable<Buffer>): AsyncGenerator<Buffer> {
  yield* pieces
}

function requestOf(
  pieces: Iterable<Buffer>,
  headers: Readonly<Record<string, string>> = {},
): Parameters<typeof readBody>[0] {
  return Object.assign(eachOf(pieces), { headers })
}

test('a body in chunks of one octet takes the memory of its octets', async () => {
  requirement('toolserver.bodies-bounded')
  let body: Buffer | undefined
  const mebibytes = await memoryDuring(async () => {
    body = await readBody(requestOf(oneByOne(mebibyte / 2)), 4 * mebibyte)
  })
  assert.equal(body?.length, mebibyte / 2)
  assert.ok(mebibytes < 60, `got=${mebibytes}`)
})

test('a body that is too large is none, whether it says so before or not', async () => {
  requirement('toolserver.bodies-bounded')
  const pieces = (): Buffer[] => ['ab', 'cd'].map((text) => Buffer.from(text))
  assert.equal(await readBody(requestOf(pieces()), 3), undefined)
  assert.equal(String(await readBody(requestOf(pieces()), 4)), 'abcd')
  let isRead = false
  const unread = (function* () {
    isRead = true
    yield* pieces()
  })()
  assert.equal(await readBody(requestOf(unread, { 'content-length': '4' }), 3), undefined)
  assert.equal(isRead, false)
})
