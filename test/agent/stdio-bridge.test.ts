import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { runStdioBridge } from '../../src/agent/stdio-bridge.ts'

interface Sent {
  readonly body: string
  readonly headers: Record<string, string>
}

const json = { 'content-type': 'application/json' }

/** Runs the bridge over these lines against these answers. */
async function bridge(
  lines: readonly string[],
  answers: readonly (Response | Error)[],
): Promise<{ readonly sent: readonly Sent[]; readonly written: readonly string[] }> {
  const sent: Sent[] = []
  const written: string[] = []
  await runStdioBridge({
    input: Readable.from(lines.map((line) => `${line}\n`)),
    write: (line) => written.push(line),
    url: 'https://gateway.test/mcp',
    fetch: (_url, init) => {
      sent.push({
        body: init?.body as string,
        headers: Object.fromEntries(new Headers(init?.headers)),
      })
      const answer = answers[sent.length - 1]
      if (answer === undefined) throw new Error('more requests than answers')
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer)
    },
  })
  return { sent, written }
}

function modern(id: number, method: string, params: object = {}): string {
  const meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' }
  return JSON.stringify({ jsonrpc: '2.0', id, method, params: { ...params, _meta: meta } })
}

function result(id: number, value: object = {}): string {
  return JSON.stringify({ jsonrpc: '2.0', id, result: value })
}

test('a modern request gets the headers that mirror its body, and its octets are not changed', async () => {
  const line = modern(1, 'tools/call', { name: 'github_issues_list', arguments: { n: 1.0 } })
  const { sent, written } = await bridge([line], [new Response(result(1), { headers: json })])
  assert.equal(sent[0]?.body, line)
  assert.equal(sent[0]?.headers['mcp-protocol-version'], '2026-07-28')
  assert.equal(sent[0]?.headers['mcp-method'], 'tools/call')
  assert.equal(sent[0]?.headers['mcp-name'], 'github_issues_list')
  assert.deepEqual(written, [result(1)])
})

test('a name that is not plain visible ASCII travels in the Base64 sentinel', async () => {
  for (const [name, header] of [
    ['grüße', `=?base64?${Buffer.from('grüße').toString('base64')}?=`],
    [' padded', `=?base64?${Buffer.from(' padded').toString('base64')}?=`],
    ['=?base64?eA==?=', `=?base64?${Buffer.from('=?base64?eA==?=').toString('base64')}?=`],
    ['a b', 'a b'],
  ] as const) {
    const answer = new Response(result(1), { headers: json })
    const { sent } = await bridge([modern(1, 'tools/call', { name })], [answer])
    assert.equal(sent[0]?.headers['mcp-name'], header)
  }
})

test('a legacy session is carried by version and session id after initialize, and by neither before', async () => {
  const initialize = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: {} })
  const list = JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'tools/list' })
  const { sent } = await bridge(
    [initialize, list],
    [
      new Response(result(1, { protocolVersion: '2025-11-25' }), {
        headers: { ...json, 'mcp-session-id': 'abc' },
      }),
      new Response(result(2), { headers: json }),
    ],
  )
  assert.equal(sent[0]?.headers['mcp-protocol-version'], undefined)
  assert.equal(sent[0]?.headers['mcp-session-id'], undefined)
  assert.equal(sent[1]?.headers['mcp-protocol-version'], '2025-11-25')
  assert.equal(sent[1]?.headers['mcp-session-id'], 'abc')
})

test('the events of a stream are written one message a line', async () => {
  const body = `: hello\n\nevent: message\ndata: ${result(1)}\r\n\r\ndata: {"jsonrpc":"2.0",\ndata: "method":"x"}\n\n`
  const answer = new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  const { written } = await bridge([modern(1, 'tools/list')], [answer])
  assert.deepEqual(written, [result(1), '{"jsonrpc":"2.0","method":"x"}'])
})

test('a notification that is accepted is answered with nothing', async () => {
  const line = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' })
  const { written } = await bridge([line, ''], [new Response(null, { status: 202 })])
  assert.deepEqual(written, [])
})

test('what is no JSON-RPC answer, or no answer at all, becomes an error with the id of its request', async () => {
  const { written } = await bridge(
    [modern(1, 'tools/list'), modern(2, 'tools/list'), 'not JSON'],
    [new Response('busy', { status: 503 }), new Error('connect refused'), new Error('again')],
  )
  const errors = written.map(
    (line) => JSON.parse(line) as { id: number; error: { message: string } },
  )
  assert.deepEqual(
    errors.map(({ id, error }) => [id, error.message]),
    [
      [1, 'HTTP 503: busy'],
      [2, 'connect refused'],
    ],
  )
})
