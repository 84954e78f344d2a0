import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openConnection } from '../../src/pkcs11/connection.ts'
import { calls } from '../../src/pkcs11/message.ts'
import { message } from './fake-token.ts'

test('a call is waited for from its turn on: those before it take their time', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const folder = await mkdtemp(join(tmpdir(), 'countersign-connection-'))
  const server = createServer()
  server.listen(join(folder, 'p11'))
  await once(server, 'listening')
  using connection = openConnection(join(folder, 'p11'), 10)
  const [first, second, third] = [1, 2, 3].map((slot) => {
    return connection.call(calls.getTokenInfo, [Buffer.alloc(8, slot)])
  })
  const lost = assert.rejects(async () => third, { message: 'token does not answer, want=..10s' })
  const [socket] = (await once(server, 'connection')) as [Socket]
  t.after(async () => {
    socket.destroy()
    server.close()
    await rm(folder, { recursive: true })
  })
  socket.write(Buffer.of(0))
  for (const [at, answered] of [first, second].entries()) {
    t.mock.timers.tick(6000)
    const { number, response } = calls.getTokenInfo
    socket.write(message(at + 1, Buffer.alloc(0), number, response))
    await answered
  }
  t.mock.timers.tick(10_000)
  await lost
})
