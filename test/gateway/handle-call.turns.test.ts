import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { requirement } from '../requirements.ts'
import { modern } from './world/client.ts'
import { openWorld } from './world/world.ts'

const callers = 6

/** Counts turns of the loop. */
function countTurns(): Disposable & { readonly now: () => number } {
  let turns = 0
  let next = setImmediate(count)
  function count(): void {
    turns += 1
    next = setImmediate(count)
  }
  return { now: () => turns, [Symbol.dispose]: () => clearImmediate(next) }
}

test('calls with long bodies that are there at once are judged one in a turn of the loop', async () => {
  requirement('gateway.bodies-take-turns')
  const judged: number[] = []
  using turns = countTurns()
  await using world = await openWorld({
    authorizer: (real) => ({
      ...real,
      decide(texts) {
        judged.push(turns.now())
        return real.decide(texts)
      },
    }),
  })
  // What is listed first is waited for by all.
  const first = modern('tools/call', { name: 'echo', arguments: {} })
  await (await world.agent()).post('/mcp/files', first.body, first.headers)
  judged.length = 0
  const { body, headers } = modern('tools/call', {
    name: 'echo',
    arguments: { a: 'x'.repeat(40_000) },
  })
  const head = {
    host: 'gateway.test',
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'content-length': String(body.length),
    ...headers,
  }
  const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}\r\n`)
  const sockets = await Promise.all(Array.from({ length: callers }, () => world.rawConnection()))
  // Each is written whole before any is read: they are there at once.
  for (const socket of sockets)
    socket.write(`POST /mcp/files HTTP/1.1\r\n${lines.join('')}\r\n${body}`)
  await Promise.all(sockets.map((socket) => once(socket, 'data')))
  for (const socket of sockets) socket.destroy()
  const most = Math.max(...judged.map((turn) => judged.filter((each) => each === turn).length))
  // That turn in which they were found to be there may end with the one in which the next is read.
  assert.ok(most <= 2, `judged in turns ${judged.join()}`)
})
