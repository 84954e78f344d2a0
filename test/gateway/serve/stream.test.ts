import assert from 'node:assert/strict'
import { test } from 'node:test'
import { modern } from '../world/client.ts'
import { answerBoth, type Answer } from '../world/upstream.ts'
import { openWorld } from '../world/world.ts'

const answerBytesMax = 256 * 1024

/** Streams so many events of so many octets, and then its answer. */
function streaming(events: number, octets: number): Answer {
  return (message, response, request) => {
    if (message.method !== 'tools/call') return answerBoth()(message, response, request)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const params = { level: 'info', data: 'x'.repeat(octets) }
    const told = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params })
    for (let at = 0; at < events; at += 1) response.write(`data: ${told}\n\n`)
    const result = { resultType: 'complete', content: [] }
    const answer = JSON.stringify({ jsonrpc: '2.0', id: message.id, result })
    response.end(`data: ${answer}\n\n`)
  }
}

const call = modern('tools/call', { name: 'echo', arguments: {} })

test('a stream may be of any length, as long as each of its events is bounded', async () => {
  await using world = await openWorld({
    limits: { answerBytesMax },
    answers: { files: streaming(20, answerBytesMax / 2), web: streaming(1, answerBytesMax * 2) },
  })
  const agent = await world.agent()
  const long = await agent.post('/mcp/files', call.body, call.headers)
  assert.equal(long.text.match(/notifications\/message/g)?.length, 20)
  assert.match(long.text, /"resultType":"complete"/)
  const large = await agent.post('/mcp/web', call.body, call.headers)
  assert.doesNotMatch(large.text, /notifications\/message|"result"/)
  assert.match(large.text, /"id":1,"error"/)
})
