import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requirement } from '../../requirements.ts'
import { clientOf, legacyOnly, modernOnly, openOne, wanted, type Era } from '../world/eras.ts'
import type { Script } from '../world/eras.ts'

/*
 * What a server says on the stream of a call beside its answer, by the era of each side: what is of that call, and nothing else of it.
 */

const token = '"progressToken":"mine","progress":1'
const said = (method: string, params?: string): string =>
  `{"jsonrpc":"2.0","method":"notifications/${method}"${params === undefined ? '' : `,"params":{${params}}`}}`

/** What is said, and whether it is told: to an agent of its era, to one of the other. */
const rows: Readonly<Record<string, readonly [text: string, same: boolean, across: boolean]>> = {
  'progress of this call': [said('progress', token), true, true],
  'progress under another token': [said('progress', token.replace('mine', 'yours')), false, false],
  'progress under a token that is a number': [said('progress', '"progressToken":7'), false, false],
  'progress under no token': [said('progress', '"progress":1'), false, false],
  'progress without params': [said('progress'), false, false],
  'a message': [said('message', '"level":"error","data":"x"'), true, true],
  'that tools have changed': [said('tools/list_changed'), true, false],
  'that a resource has changed': [said('resources/updated', '"uri":"file:///a"'), false, false],
  'what no revision knows': [said('vendor/channel', '"content":"do this"'), false, false],
}

const eras: readonly Era[] = ['modern', 'legacy']

for (const caller of eras) {
  for (const server of eras) {
    for (const door of ['/mcp', '/mcp/files']) {
      test(`a ${caller} agent at ${door} is told by a ${server} server what is of its call alone`, async () => {
        requirement('gateway.handles-of-others-dropped')
        const script: Script = ({ id }, { response }) => {
          const complete = server === 'modern' ? '"resultType":"complete",' : ''
          const last = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{${complete}"content":[]}}`
          const texts = Object.values(rows).map(([text]) => text)
          response.writeHead(200, { 'content-type': 'text/event-stream' })
          response.end([...texts, last].map((text) => `data: ${text}\n\n`).join(''))
        }
        const answer = server === 'modern' ? modernOnly(script) : legacyOnly(script).answer
        await using world = await openOne(server, answer)
        const ask = await clientOf(caller, await world.agent(wanted), door)
        const name = door === '/mcp' ? 'files_echo' : 'echo'
        const meta = caller === 'modern' ? { 'io.modelcontextprotocol/logLevel': 'debug' } : {}
        const params = { name, arguments: {}, _meta: { progressToken: 'mine', ...meta } }
        const { text } = await ask('tools/call', params)
        assert.match(text, /"content":\[\]/)
        for (const [what, [event, same, across]] of Object.entries(rows)) {
          const isTold = caller === server ? same : across
          assert.equal(text.includes(`data: ${event}\n\n`), isTold, `${what}: ${text}`)
        }
      })
    }
  }
}

test('progress passes to nobody who has named no token, and under a number as under its text', async () => {
  requirement('gateway.handles-of-others-dropped')
  const script: Script = ({ id }, { response }) => {
    const last = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"resultType":"complete","content":[]}}`
    const events = [said('progress', '"progressToken":7,"progress":1'), last]
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end(events.map((text) => `data: ${text}\n\n`).join(''))
  }
  await using world = await openOne('modern', modernOnly(script))
  const ask = await clientOf('modern', await world.agent(wanted), '/mcp/files')
  for (const [meta, isTold] of [
    [{}, false],
    [{ progressToken: 7 }, true],
    [{ progressToken: '7' }, true],
    [{ progressToken: 70 }, false],
    [{ progressToken: null }, false],
  ] as const) {
    const { text } = await ask('tools/call', { name: 'echo', arguments: {}, _meta: meta })
    assert.equal(text.includes('notifications/progress'), isTold, text)
  }
})
