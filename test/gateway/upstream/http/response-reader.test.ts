import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ResponseReader } from '../../../../src/gateway/upstream/http/response-reader.ts'
import { requirement } from '../../../requirements.ts'

/** Octets as Latin-1 text, and what they are read as. */
interface Vector {
  readonly name: string
  readonly octets: string
  readonly read?: { readonly status: number; readonly body: string }
  /** Octets follow that are nobody's. */
  readonly surplus?: true
  /** The connection ends in order after them. */
  readonly ends?: true
  /** Nothing is wrong, and the answer is not whole. */
  readonly waits?: true
  /** One of these, whichever shows first as octets come. */
  readonly wrong?: string | readonly string[]
}

const vectors = readFileSync(
  new URL('../../../vectors/http/answers.ndjson', import.meta.url),
  'utf8',
)
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Vector)

interface Told {
  status?: number
  body: string
  surplus?: boolean
  wrong?: string
  isOver?: boolean
}

function read(pieces: readonly Buffer[], ends = false): Told {
  const told: Told = { body: '' }
  const reader = new ResponseReader({
    head: ({ status }) => (told.status = status),
    data(octets) {
      assert.notEqual(told.isOver, true)
      assert.ok(octets.length > 0)
      told.body += octets.toString('latin1')
    },
    end(surplus) {
      assert.notEqual(told.isOver, true)
      told.isOver = true
      told.surplus = surplus
    },
  })
  for (const [at, piece] of pieces.entries()) {
    // What comes when an answer is over is the connection's to judge.
    if (told.isOver === true) {
      if (piece.length > 0) told.surplus = true
      continue
    }
    const wrong = reader.push(Buffer.from(piece))
    if (wrong !== undefined) return { ...told, wrong }
    if (at === pieces.length - 1 && ends) assert.equal(reader.close(), true)
  }
  return told
}

function check(vector: Vector, told: Told): void {
  if (vector.wrong !== undefined) {
    assert.ok([vector.wrong].flat().includes(told.wrong ?? ''), `got=${told.wrong}`)
    assert.equal(told.isOver, undefined)
    return
  }
  assert.equal(told.wrong, undefined)
  assert.equal(told.isOver === true, vector.waits !== true)
  if (vector.read === undefined) return
  assert.deepEqual({ status: told.status, body: told.body }, vector.read)
  assert.equal(told.surplus, vector.surplus === true)
}

for (const vector of vectors) {
  const what = vector.wrong === undefined ? 'read' : 'refused'
  test(`an answer is ${what} the same however it is cut: ${vector.name}`, () => {
    requirement('gateway.upstream-answers-framed-one-way')
    const octets = Buffer.from(vector.octets, 'latin1')
    check(vector, read([octets], vector.ends))
    const single = Array.from(octets, (octet) => Buffer.from([octet]))
    check(vector, read(single, vector.ends))
    for (let at = 1; at < octets.length; at += 1) {
      check(vector, read([octets.subarray(0, at), octets.subarray(at)], vector.ends))
    }
  })
}

test('a head is bounded in octets and in lines, in whatever pieces it comes', () => {
  const long = `HTTP/1.1 200 OK\r\na: ${'x'.repeat(20_000)}\r\ncontent-length: 0\r\n\r\n`
  const many = `HTTP/1.1 200 OK\r\n${'a: 1\r\n'.repeat(200)}content-length: 0\r\n\r\n`
  for (const [text, wrong] of [
    [long, 'head is too large, want=..16384 octets'],
    [long.slice(0, 17_000), 'head is too large, want=..16384 octets'],
    [many, 'answer has too many headers, want=..127'],
  ] as const) {
    const octets = Buffer.from(text)
    assert.equal(read([octets]).wrong, wrong)
    const pieces = Array.from({ length: Math.ceil(octets.length / 100) }, (_, at) =>
      octets.subarray(at * 100, at * 100 + 100),
    )
    assert.equal(read(pieces).wrong, wrong)
  }
})

test('however many chunks a read holds, they are one piece', () => {
  const pieces: Buffer[] = []
  const reader = new ResponseReader({
    head() {},
    data: (octets) => void pieces.push(octets),
    end() {},
  })
  const head = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'
  reader.push(Buffer.from(head + '1\r\na\r\n'.repeat(1000)))
  assert.deepEqual(
    pieces.map((each) => each.length),
    [1000],
  )
})

test('a reader that is stopped tells nothing more, wherever that happens', () => {
  for (const stopAt of ['head', 'data'] as const) {
    const told: string[] = []
    const tell = (what: string): void => {
      told.push(what)
      if (what === stopAt) reader.stop()
    }
    const reader: ResponseReader = new ResponseReader({
      head: () => tell('head'),
      data: () => tell('data'),
      end: () => tell('end'),
    })
    for (const body of [
      'content-length: 2\r\n\r\n{}',
      'transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n',
    ]) {
      reader.push(Buffer.from(`HTTP/1.1 200 OK\r\n${body}`))
    }
    assert.equal(told.at(-1), stopAt)
  }
})
