import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { Child } from '../../src/guard/child.ts'
import { Talk } from '../../src/guard/talk.ts'
import { parseMessage } from '../../src/mcp/message.ts'
import { isProblem } from '../../src/mcp/problem.ts'
import type { LongLine } from '../../src/mcp/read-lines.ts'
import { list, usual } from './stage.ts'

type Lines = (written: readonly string[]) => readonly (Buffer | LongLine | string)[]

/** Asks for a list in a session whose process says these lines when it has got it, and then ends. */
async function answerOf(lines: Lines): Promise<Response & { over: number }> {
  const written: string[] = []
  const got = Promise.withResolvers<void>()
  const child: Child = {
    lines: (async function* () {
      await got.promise
      for (const line of lines(written)) yield typeof line === 'string' ? Buffer.from(line) : line
    })(),
    isAlive: () => true,
    ended: new Promise(() => {}),
    write(line) {
      written.push(line.toString())
      got.resolve()
      return true
    },
    say: () => {},
    async [Symbol.asyncDispose]() {},
  }
  let over = 0
  const talk = new Talk({ child, sessionId: 's', now: () => 0, over: () => (over += 1) })
  const message = parseMessage(Buffer.from(list), Object.entries(usual).flat())
  assert.ok(!isProblem(message))
  const caller = { via: 'direct', spiffeId: 'spiffe://a/b', models: [], toolScopes: [] } as const
  const server = createServer((_, response) => {
    talk.post(message, { ...caller, allowsModel: () => false }, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const text = await response.text()
  server.close()
  return Object.assign(new Response(text, response), { over })
}

test('an answer that is too long is none, and its request is told so', async () => {
  const answer = await answerOf(() => [{ octets: 17_000_000, rawId: '1' }])
  const error = { code: -32603, message: 'the answer is too long' }
  assert.deepEqual(await answer.json(), { jsonrpc: '2.0', id: 1, error })
})

test('what answers nothing that is open goes nowhere: no id, another id, none at all', async () => {
  const answer = await answerOf(() => [
    { octets: 17_000_000, rawId: undefined },
    '{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"a"}}',
    '{"jsonrpc":"2.0","id":2,"result":{"of":"another"}}',
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":2,"progress":1}}',
    '{"jsonrpc":"2.0","id":1,"result":{}}',
  ])
  assert.equal(await answer.text(), '{"jsonrpc":"2.0","id":1,"result":{}}')
})

test('a process that ends in the middle of a stream is told of there', async () => {
  const said = '{"jsonrpc":"2.0","method":"notifications/message","params":{}}'
  const answer = await answerOf(() => [said])
  const error =
    '{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"the server inside has ended"}}'
  assert.equal(await answer.text(), `data: ${said}\n\ndata: ${error}\n\n`)
  assert.equal(answer.over, 1)
})

test('a server whose questions nobody answers goes on asking, and is told of the oldest', async () => {
  const asked = Array.from({ length: 258 }, (_, n) => {
    return `{"jsonrpc":"2.0","id":"q${n}","method":"roots/list"}`
  })
  let told: readonly string[] = []
  const answer = await answerOf((written) => {
    told = written
    return [...asked, '{"jsonrpc":"2.0","id":1,"result":{}}']
  })
  const said = await answer.text()
  assert.equal(said.match(/roots\/list/g)?.length, 258)
  const error = '"error":{"code":-32603,"message":"nobody has answered"}'
  const expected = ['q0', 'q1'].map((id) => `{"jsonrpc":"2.0","id":"${id}",${error}}`)
  assert.deepEqual(told.slice(1), expected)
})
