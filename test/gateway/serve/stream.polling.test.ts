import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { suite, test } from 'node:test'
import { requirement } from '../../requirements.ts'
import { clientOf, openOne, wanted, type Era } from '../world/eras.ts'
import { openSession } from '../world/session.ts'
import { legacy, type Reply } from '../world/client.ts'
import { answerEvent, event, polling, priming, type PollingServer } from '../world/polling.ts'
import type { World } from '../world/world.ts'

/*
 * A legacy server that ends the stream of a call before its answer, for whoever asks for the rest (MCP 2025-11-25 transports).
 */

const capabilities = { elicitation: { form: {} } }
const note = event('{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"a"}}', 'e2')
const begun = `${priming('e1')}${note}data: {"jsonrpc":"2.0","id":{id},"result":{"content":[`

function openPolling({ answer, stream }: PollingServer): Promise<World> {
  return openOne('legacy', answer, { streams: { files: stream } })
}

interface Asked {
  readonly era: Era
  readonly door: string
  readonly declared?: object
}

/** Clients of this revision know nothing of polling, and a server that is their own speaks it with them. */
const version = '2025-06-18'
const versionAt = { legacy: version, modern: '2025-11-25' } as const

async function callOf({ era, door, declared = {} }: Asked, world: World): Promise<Reply> {
  const agent = await world.agent(wanted)
  const params = { name: door === '/mcp' ? 'files_echo' : 'echo', arguments: {} }
  if (era === 'modern')
    return (await clientOf('modern', agent, door, declared))('tools/call', params)
  const session = await openSession(agent, door, declared, version)
  const { body, headers } = legacy('tools/call', params, { session, version })
  return agent.post(door, body, headers)
}

suite(
  'a call whose server has ended its stream is gone on with, and made once',
  { concurrency: true },
  () => {
    for (const door of ['/mcp', '/mcp/files'])
      for (const [era, declared] of [
        ['legacy', {}],
        ['modern', {}],
        ['modern', capabilities],
      ] as const)
        test(`${era} at ${door}, of a client that ${declared === capabilities ? 'may be asked' : 'is asked nothing'}`, async () => {
          requirement('gateway.rest-of-streams-judged')
          const server = polling([begun, priming('e3'), `: here\n\n${answerEvent}`], {
            version: versionAt[era],
          })
          await using world = await openPolling(server)
          const reply = await callOf({ era, door, declared }, world)
          assert.match(reply.text, /"text":"late"/)
          assert.doesNotMatch(reply.text, /^(id|retry):/m)
          assert.deepEqual([server.askedFrom, server.calls()], [['e2', 'e3'], 1])
        })
  },
)

suite('what comes in the rest of a stream is judged as what came before it', () => {
  const cases: Readonly<Record<string, readonly [said: string, told: RegExp]>> = {
    'an answer to another request': [
      event('{"jsonrpc":"2.0","id":"another","result":{"content":[]}}'),
      /"id":1,"error".*upstream gave no answer/,
    ],
    'an error that asks for input': [
      event('{"jsonrpc":"2.0","id":{id},"error":{"code":-32042,"message":"","data":{}}}'),
      /"id":1,"error"/,
    ],
  }
  for (const era of ['legacy', 'modern'] as const)
    for (const [title, [said, told]] of Object.entries(cases))
      test(`${title}, to a ${era} agent`, async () => {
        requirement('gateway.rest-of-streams-judged')
        const server = polling([priming('e1'), said], { version: versionAt[era] })
        await using world = await openPolling(server)
        const reply = await callOf({ era, door: '/mcp/files' }, world)
        assert.match(reply.text, told)
        assert.equal(server.askedFrom.length, 1)
      })
})

test('a call whose session is gone when its rest is asked for is refused, and not made again', async () => {
  requirement('gateway.rest-of-streams-judged')
  for (const [era, door] of [
    ['legacy', '/mcp'],
    ['modern', '/mcp/files'],
  ] as const) {
    const server = polling([priming('e1')], { version: versionAt[era], rest: 404 })
    await using world = await openPolling(server)
    const reply = await callOf({ era, door }, world)
    assert.match(reply.text, /"id":1,"error"/)
    assert.deepEqual([server.askedFrom, server.calls()], [['e1'], 1])
  }
})

test('a call whose server is lost in the middle of it is gone on with', async () => {
  const end = (response: ServerResponse, text: string): void => {
    response.write(text, () => response.destroy())
  }
  const server = polling([begun, answerEvent], { end })
  await using world = await openPolling(server)
  const reply = await callOf({ era: 'modern', door: '/mcp/files' }, world)
  assert.match(reply.text, /"text":"late"/)
  assert.deepEqual([server.askedFrom, server.calls()], [['e2'], 1])
})
