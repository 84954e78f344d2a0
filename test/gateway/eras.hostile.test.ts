import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requirement } from '../requirements.ts'
import { initializeParams, legacy } from './world/client.ts'
import {
  asked,
  clientOf,
  echoTool,
  legacyOnly,
  modernOnly,
  ok,
  openOne,
  other,
  wanted,
  type Era,
} from './world/eras.ts'
import { sendJson, type Answer } from './world/upstream.ts'

/** What a server of the other era may send, and that its agent is told a fault of it or less, never anything that is no answer. */
const hostile: readonly {
  readonly what: string
  readonly era: Era
  readonly method: string
  readonly text: string
  readonly want: RegExp
}[] = [
  {
    what: 'the id of the agent, which is not that of this session',
    era: 'legacy',
    method: 'tools/call',
    text: '{"jsonrpc":"2.0","id":1,"result":{"content":[]}}',
    want: /upstream gave no answer/,
  },
  {
    what: 'a list of nothing',
    era: 'legacy',
    method: 'tools/list',
    text: '{"jsonrpc":"2.0","id":$ID,"result":{}}',
    want: /"result":\{"resultType":"complete","tools":\[\]/,
  },
  {
    what: 'a list of nothing but its type',
    era: 'modern',
    method: 'tools/list',
    text: '{"jsonrpc":"2.0","id":$ID,"result":{"resultType":"complete","ttlMs":1}}',
    want: /"result":\{"tools":\[\]\}/,
  },
]

for (const { what, era, method, text, want } of hostile) {
  test(`a ${era} tool server that sends a ${other[era]} agent ${what}`, async () => {
    requirement('gateway.eras-meet')
    const own = era === 'modern' ? modernOnly(ok) : legacyOnly(ok).answer
    let listed = 0
    const answer: Answer = (message, response, request) => {
      // The first list is the gateway's own.
      const isOurs =
        message.method === 'tools/list' && (listed += 1) === 1 && method !== 'tools/list'
      if (message.method !== method || isOurs) own(message, response, request)
      else sendJson(response, text.replace('$ID', JSON.stringify(message.id)))
    }
    await using world = await openOne(era, answer)
    const ask = await clientOf(other[era], await world.agent(wanted), '/mcp/files')
    const reply = await ask(method, method === 'tools/list' ? {} : { name: 'echo', arguments: {} })
    assert.equal(reply.json.id, 1, reply.text)
    assert.match(reply.text, want)
  })
}

for (const [what, result] of [
  ['no versions', '{"capabilities":{}}'],
  ['versions of another time', '{"supportedVersions":["2099-01-01"],"capabilities":{}}'],
] as const) {
  test(`a modern tool server that says ${what} opens no session`, async () => {
    const answer: Answer = (message, response) =>
      sendJson(
        response,
        `{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":{"resultType":"complete",${result.slice(1)}}`,
      )
    await using world = await openOne('modern', answer)
    const agent = await world.agent(wanted)
    const { body, headers } = legacy('initialize', initializeParams)
    const opened = await agent.post('/mcp/files', body, headers)
    assert.equal(opened.json.error?.code, -32603, opened.text)
    assert.equal(opened.headers['mcp-session-id'], undefined)
  })
}

test('what a modern tool server says of itself is told as far as it is what it has to be', async () => {
  const answer: Answer = (message, response) =>
    sendJson(
      response,
      `{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":"all","_meta":{"io.modelcontextprotocol/serverInfo":"me"},"instructions":"do"}}`,
    )
  await using world = await openOne('modern', answer)
  const agent = await world.agent(wanted)
  const { body, headers } = legacy('initialize', initializeParams)
  const opened = await agent.post('/mcp/files', body, headers)
  const serverInfo = { name: 'files', version: '' }
  const protocolVersion = '2025-11-25'
  assert.deepEqual(opened.json.result, { protocolVersion, capabilities: {}, serverInfo })
})

test('a tool server without sessions is not told which call is cancelled: it would be that of anybody', async () => {
  requirement('gateway.cancelled-across')
  const begun = Promise.withResolvers<void>()
  const left = Promise.withResolvers<void>()
  let calls = 0
  const answer: Answer = ({ id, method }, response) => {
    const told = (result: string): void =>
      sendJson(response, `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}`)
    if (method === 'initialize') {
      told(
        '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"old one","version":"1"}}',
      )
    } else if (id === undefined) response.writeHead(202).end()
    else if (method === 'tools/list') told(`{"tools":[${echoTool}]}`)
    else if ((calls += 1) === 1) {
      response.once('close', left.resolve)
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(': \n\n')
      begun.resolve()
    } else told('{"content":[]}')
  }
  await using world = await openOne('legacy', answer)
  const [agent, another] = [await world.agent(wanted), await world.agent(wanted)]
  const call = { name: 'echo', arguments: {} }
  const called = (await clientOf('modern', agent, '/mcp/files'))('tools/call', call).catch(() => {})
  await begun.promise
  await agent.client.destroy()
  await Promise.all([called, left.promise])
  const reply = await (await clientOf('modern', another, '/mcp/files'))('tools/call', call)
  assert.equal(reply.status, 200, reply.text)
  // What is sent when a call is given up is sent before its connection is closed, and has had this whole call to arrive.
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.deepEqual(asked(world, 'files', 'notifications/cancelled'), [])
})
