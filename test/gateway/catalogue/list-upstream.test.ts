import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listTools } from '../../../src/gateway/catalogue/list-upstream.ts'
import type { OctetRoom } from '../../../src/shares.ts'
import { requirement } from '../../requirements.ts'
import { fakeUpstream } from '../world/fake-upstream.ts'
import { roomFor } from '../world/room.ts'

const mebibyte = 1024 * 1024
const answerBytesMax = 8 * mebibyte

interface Page {
  readonly tools: string
  readonly next?: string | undefined
}

/** Lists what each cursor leads to; the first page has none. */
async function listed(
  pageOf: (cursor: string | undefined, page: number) => Page | string | undefined,
  {
    timeoutMilliseconds,
    room,
  }: { readonly timeoutMilliseconds?: number; readonly room?: OctetRoom } = {},
): Promise<{ names: number; pages: number; why: string | undefined }> {
  let pages = 0
  const upstream = fakeUpstream(({ text }) => {
    const { id, params } = JSON.parse(text) as { id: number; params: { cursor?: string } }
    const page = pageOf(params.cursor, pages)
    pages += 1
    if (page === undefined || typeof page === 'string') {
      return page === undefined ? undefined : { body: page }
    }
    const next = page.next === undefined ? '' : `,"nextCursor":${JSON.stringify(page.next)}`
    const result = `{"resultType":"complete","tools":[${page.tools}]${next}}`
    return { body: `{"jsonrpc":"2.0","id":${id},"result":${result}}` }
  }, timeoutMilliseconds)
  const asking = { upstream, era: 'modern', answerBytesMax } as const
  const { definitions, failure } = await listTools(
    room === undefined ? asking : { ...asking, room },
  )
  return { names: definitions.length, pages, why: failure?.detail }
}

test('all pages of a list are read, an empty cursor being one like any other', async () => {
  const cursors: Readonly<Record<string, string | undefined>> = { none: '', '': 'last' }
  const result = await listed((cursor = 'none') => ({
    tools: '{"name":"a"},{"name":"b"}',
    next: cursors[cursor],
  }))
  assert.deepEqual(result, { names: 6, pages: 3, why: undefined })
})

for (const [what, next] of Object.entries({
  'does not advance': (): string => 'same',
  'is empty for ever': (): string => '',
  'goes round': (cursor: string | undefined): string => (cursor === 'a' ? 'b' : 'a'),
})) {
  test(`a cursor that ${what} ends the list, and what was read counts`, async () => {
    const result = await listed((cursor) => ({ tools: '{"name":"a"}', next: next(cursor) }))
    assert.equal(result.why, 'cursor does not advance')
    assert.ok(result.names >= 2 && result.pages <= 3, JSON.stringify(result))
  })
}

test('what a server says while a session is opened to list it takes room too', async () => {
  requirement('gateway.catalogues-bounded')
  const room = roomFor(1000)
  const upstream = fakeUpstream(({ text }) => {
    const { id } = JSON.parse(text) as { id: number }
    const result = `{"protocolVersion":"2025-11-25","instructions":"${'a'.repeat(1000)}"}`
    return { body: `{"jsonrpc":"2.0","id":${id},"result":${result}}` }
  })
  const { failure } = await listTools({ upstream, era: 'legacy', answerBytesMax, room })
  assert.equal(failure?.failed, 'no room')
  assert.equal(room.left, 1000)
})

test('small pages of a list take room too, and what was read before there was none counts', async () => {
  requirement('gateway.catalogues-bounded')
  const room = roomFor(5000)
  const page = (_: unknown, index: number): Page => ({
    tools: `{"name":"a${index}","description":"${'a'.repeat(1000)}"}`,
    next: String(index),
  })
  const { names, why } = await listed(page, { room })
  assert.equal(names, 4)
  assert.match(String(why), /^octets of catalogues/)
})

test('a page that fails does not take those before it', async () => {
  const result = await listed((cursor) =>
    cursor === undefined ? { tools: '{"name":"a"}', next: 'b' } : '{"jsonrpc":',
  )
  assert.equal(result.names, 1)
  assert.match(String(result.why), /not JSON/)
})

test('a list that stays silent is given up after the time of one answer', async () => {
  const page = (cursor: string | undefined): Page | undefined =>
    cursor === undefined ? { tools: '{"name":"a"}', next: 'b' } : undefined
  const { names, why } = await listed(page, { timeoutMilliseconds: 20 })
  assert.equal(names, 1)
  assert.ok(why === 'list took too long' || why === 'no answer in time', why)
})

for (const [what, page, why] of [
  [
    'pages without end',
    (_: unknown, index: number) => ({ tools: '', next: String(index) }),
    'list has too many pages, want=..1000',
  ],
  [
    'tools without end',
    (_: unknown, index: number) => ({
      tools: Array.from({ length: 3000 }, () => '{"name":"a"}').join(','),
      next: String(index),
    }),
    'list has too many tools, want=..10000',
  ],
  [
    'octets without end',
    (_: unknown, index: number) => ({
      tools: `{"name":"a","description":"${'a'.repeat(7 * mebibyte)}"}`,
      next: String(index),
    }),
    'list is too large, want=..33554432 octets',
  ],
  [
    'a huge cursor',
    () => ({ tools: '{"name":"a"}', next: 'c'.repeat(mebibyte) }),
    'cursor is too long',
  ],
] as const) {
  test(`a list of ${what} is read within its bounds`, async () => {
    requirement('gateway.lists-bounded-while-read')
    const result = await listed(page)
    assert.equal(result.why, why)
    assert.ok(result.names <= 10_000)
  })
}

test('a list of eight megabytes of nothing is no list', async () => {
  requirement('gateway.lists-bounded-while-read')
  const zeros = `${'0,'.repeat(4 * mebibyte - 100)}0`
  const { names, pages, why } = await listed(() => ({ tools: zeros, next: 'more' }))
  assert.deepEqual([names, pages], [0, 1])
  assert.match(String(why), /^answer is not read: /)
})
