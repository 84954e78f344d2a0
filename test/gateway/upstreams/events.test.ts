import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createEventParser } from '../../../src/gateway/upstreams/events.ts'

interface Seen {
  readonly data: string | undefined
  readonly octets: string
}

function parse(chunks: readonly Buffer[]): readonly Seen[] {
  const seen: Seen[] = []
  const parser = createEventParser(({ data, octets }) =>
    seen.push({ data: data?.toString(), octets: octets.toString() }),
  )
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
  'an event that has not ended': { text: 'data: a\n', data: [] },
  'letters of more than one octet': { text: 'data: grün ⚙ 🜁\n\n', data: ['grün ⚙ 🜁'] },
}

for (const [title, { text, data }] of Object.entries(cases)) {
  test(`events: ${title}`, () => {
    assert.deepEqual(
      parse([Buffer.from(text)]).map((event) => event.data),
      data,
    )
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
      const seen = parse(chunks)
      assert.deepEqual(
        seen.map((event) => event.data),
        whole.map((event) => event.data),
      )
      // Together the blocks are the stream, up to its last end.
      assert.equal(all.startsWith(seen.map((event) => event.octets).join('')), true)
    }),
  )
})
