import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { requirement } from '../requirements.ts'
import * as fc from 'fast-check'
import { createEventParser, formatEvent } from '../../src/mcp/events.ts'
import { character } from '../support/character.ts'

function parse(chunks: readonly Buffer[]): readonly (string | undefined)[] {
  const seen: (string | undefined)[] = []
  const parser = createEventParser((data) => seen.push(data?.toString()))
  for (const chunk of chunks) parser.push(chunk)
  return seen
}

const cases: Readonly<Record<string, { text: string; data: readonly (string | undefined)[] }>> = {
  'one line': { text: 'data: a\n\n', data: ['a'] },
  'no space after the colon': { text: 'data:a\n\n', data: ['a'] },
  'two spaces: the second is data': { text: 'data:  a\n\n', data: [' a'] },
  'several lines of data': { text: 'data: a\ndata: b\ndata\n\n', data: ['a\nb\n'] },
  'all three ends of a line': {
    text: 'data: a\r\n\r\ndata: b\r\rdata: c\n\n',
    data: ['a', 'b', 'c'],
  },
  'comments, ids and names': { text: ': hi\nid: 1\nevent: message\ndata: a\n\n', data: ['a'] },
  'a comment that keeps alive': { text: ': hi\n\n', data: [undefined] },
  'a field of another name': { text: 'datax: a\nDATA: b\n\n', data: [undefined] },
  'empty lines alone': { text: '\n\r\n\n', data: [] },
  'data that is empty, as of a stream that can be resumed': {
    text: 'id: 1\ndata:\n\n',
    data: [undefined],
  },
  'an event of another type, and the type is of that event only': {
    text: 'event: endpoint\ndata: a\n\nevent:\ndata: b\n\ndata: c\n\n',
    data: [undefined, 'b', 'c'],
  },
  'a mark before the first field': { text: '\ufeffdata: a\n\n', data: ['a'] },
  'a mark before a later field': { text: ': x\n\ufeffdata: a\n\n', data: [undefined] },
  'a second mark': { text: '\ufeff\ufeffdata: a\n\n', data: [undefined] },
  'ends of lines that are none': {
    text: ': x\u2028data: a\u0085data: b\vdata: c\n\n',
    data: [undefined],
  },
  'an event that has not ended': { text: 'data: a\n', data: [] },
  'letters of more than one octet': { text: 'data: grün ⚙ 🜁\n\n', data: ['grün ⚙ 🜁'] },
}

for (const [title, { text, data }] of Object.entries(cases)) {
  test(`events: ${title}`, () => {
    assert.deepEqual(parse([Buffer.from(text)]), data)
  })
}

test('however a stream is cut into chunks, its events are the same', () => {
  const all = Object.values(cases)
    .map(({ text }) => text)
    .join('\n\n')
  const octets = Buffer.from(all)
  const whole = parse([octets])
  fc.assert(
    fc.property(fc.array(fc.nat(octets.length), { maxLength: 12 }), (cuts) => {
      const at = [0, ...cuts.toSorted((a, b) => a - b), octets.length]
      const chunks = at.slice(1).map((end, index) => octets.subarray(at[index], end))
      assert.deepEqual(parse(chunks), whole)
    }),
  )
})

test('what is written for some data is one event with that data to a reader', () => {
  const text = fc.string({ unit: character }).map((each) => each.replaceAll('\r', ''))
  fc.assert(
    fc.property(text, (data) => {
      const octets = formatEvent(Buffer.from(data))
      const isShown = data.length > 0
      assert.deepEqual(parse([octets]), [isShown ? Buffer.from(data).toString() : undefined])
      assert.ok(
        octets
          .toString()
          .split('\n')
          .slice(0, -2)
          .every((line) => line.startsWith('data: ')),
      )
    }),
  )
})

/** What is kept when everything else has been collected. */
function keptOctets(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

for (const [what, unit, pieceOctets] of [
  ['one line in pieces of one octet', 'x', 1],
  ['lines of data of one octet each', 'data:x\n', 64 * 1024],
] as const) {
  test(`${what} take about as much memory as they have octets`, () => {
    requirement('gateway.hostile-upstream-contained')
    const octets = 512 * 1024
    const stream = Buffer.from(unit.repeat(octets / unit.length))
    const parser = createEventParser(() => {})
    const before = keptOctets()
    for (let at = 0; at < stream.length; at += pieceOctets) {
      parser.push(Buffer.from(stream.subarray(at, at + pieceOctets)))
    }
    const kept = keptOctets() - before
    assert.ok(kept < 8 * octets, `got=${kept}`)
    parser.push(Buffer.from('\n\n'))
  })
}
