import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  closeLegacySession,
  isSessionId,
  openLegacySession,
} from '../../../src/gateway/upstream/legacy-session.ts'
import { requirement } from '../../requirements.ts'
import { fakeUpstream } from '../world/fake-upstream.ts'

for (const [what, id] of Object.entries({
  'of 10 KiB': 'x'.repeat(10_240),
  'not ASCII': 'é',
  blank: ' ',
  empty: '',
})) {
  test(`an upstream's session id that is ${what} is none`, () => {
    assert.equal(isSessionId(id), false)
  })
}

test('of sessions that end together two at a time are told to their server, and none is forgotten', async () => {
  requirement('gateway.endings-bounded')
  const upstream = fakeUpstream(() => ({ status: 204 }))
  const ids = Array.from({ length: 300 }, (_, at) => `s${at}`)
  for (const id of ids) {
    closeLegacySession({ upstream }, { id, version: '2025-11-25', spiffeId: 'spiffe://x.test/a' })
  }
  assert.equal(upstream.received.length, 2)
  await upstream.endings.whenEmpty()
  assert.deepEqual(
    upstream.received.map(({ method }) => method),
    ids.map(() => 'DELETE'),
  )
})

test('a session whose caller goes before it is open is ended at its server', async () => {
  requirement('gateway.endings-bounded')
  const gone = new AbortController()
  const result = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'a' } }
  const upstream = fakeUpstream(({ text, method }) => {
    if (method === 'DELETE') return { status: 204 }
    if (text.includes('notifications/initialized')) {
      gone.abort()
      return undefined
    }
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, result })
    return { headers: { 'mcp-session-id': 's1' }, body }
  })
  const opened = await openLegacySession({
    upstream,
    version: '2025-11-25',
    hello: { capabilities: {}, clientInfo: { name: 'gateway', version: '1' } },
    answerBytesMax: 65_536,
    signal: gone.signal,
  })
  assert.equal('failed' in opened && opened.failed, 'cancelled')
  await upstream.endings.whenEmpty()
  const { method, headers } = upstream.received.at(-1) ?? {}
  assert.equal(method, 'DELETE')
  assert.ok(headers?.includes('s1'))
})

for (const [title, body] of [
  ['is too large', 'x'.repeat(2000)],
  ['is none', '{}'],
  [
    'is of a version that is not served',
    '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"1"}}',
  ],
] as const) {
  test(`a session whose answer ${title} is ended at its server: nobody else knows its id`, async () => {
    requirement('gateway.no-session-left')
    const upstream = fakeUpstream(({ method }) =>
      method === 'DELETE' ? { status: 204 } : { headers: { 'mcp-session-id': 's1' }, body },
    )
    const opened = await openLegacySession({
      upstream,
      version: '2025-11-25',
      hello: { capabilities: {}, clientInfo: { name: 'gateway', version: '1' } },
      answerBytesMax: 1000,
    })
    assert.equal('failed' in opened && opened.failed, 'bad answer')
    await upstream.endings.whenEmpty()
    const { method, headers } = upstream.received.at(-1) ?? {}
    assert.deepEqual([method, headers?.includes('s1')], ['DELETE', true])
  })
}
