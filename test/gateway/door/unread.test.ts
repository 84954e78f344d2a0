import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { describe, test, type TestContext } from 'node:test'
import { endUnread } from '../../../src/gateway/door/unread.ts'
import { requirement } from '../../requirements.ts'

const kibibyte = 1024

/** A connection with so many octets waiting, of so many written. */
class FakeSocket extends EventEmitter {
  writableLength = 0
  bytesWritten = 0
  destroyed = false
  destroy(): this {
    this.destroyed = true
    this.emit('close')
    return this
  }
}

interface Stage {
  readonly socket: FakeSocket
  /** Time goes on, second by second, and before each look this happens. */
  readonly pass: (seconds: number, before?: () => void) => void
}

function openStage(t: TestContext): Stage {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const server = new EventEmitter()
  let milliseconds = 0
  endUnread(server, {
    unreadMilliseconds: 30_000,
    checkMilliseconds: 1000,
    now: () => milliseconds,
  })
  const socket = new FakeSocket()
  server.emit('secureConnection', socket)
  return {
    socket,
    pass(seconds, before = () => {}) {
      for (let second = 0; second < seconds; second += 1) {
        before()
        milliseconds += 1000
        t.mock.timers.tick(1000)
      }
    },
  }
}

describe('connections that are not read', () => {
  test('one on which octets wait and nothing is taken ends after its time', (t) => {
    requirement('gateway.unread-answers-bounded')
    const { socket, pass } = openStage(t)
    Object.assign(socket, { writableLength: 100, bytesWritten: 500 })
    pass(30)
    assert.equal(socket.destroyed, false)
    pass(1)
    assert.equal(socket.destroyed, true)
  })

  test('one that takes an octet now and then ends, too', (t) => {
    requirement('gateway.unread-answers-bounded')
    const { socket, pass } = openStage(t)
    Object.assign(socket, { writableLength: 100 * kibibyte, bytesWritten: 100 * kibibyte })
    pass(31, () => (socket.writableLength -= 1))
    assert.equal(socket.destroyed, true)
  })

  test('one that goes on reading is kept, however long it takes', (t) => {
    const { socket, pass } = openStage(t)
    Object.assign(socket, { writableLength: 4096 * kibibyte, bytesWritten: 4096 * kibibyte })
    pass(600, () => (socket.writableLength -= 4 * kibibyte))
    assert.equal(socket.destroyed, false)
  })

  test('one that is written to again and again, and has read it all, is kept', (t) => {
    const { socket, pass } = openStage(t)
    pass(600, () => {
      socket.bytesWritten += 10
      socket.writableLength = socket.writableLength === 0 ? 10 : 0
    })
    assert.equal(socket.destroyed, false)
  })

  test('one on which nothing waits is nobody’s matter', (t) => {
    const { socket, pass } = openStage(t)
    socket.bytesWritten = 1000
    pass(600)
    assert.equal(socket.destroyed, false)
  })
})
