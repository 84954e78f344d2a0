import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { describe, test, type TestContext } from 'node:test'
import { ChangeStream } from '../../../src/gateway/serve/change-stream.ts'
import type { Change } from '../../../src/mcp/changes.ts'
import { requirement } from '../../requirements.ts'

const uris = ['test://a', 'test://b']
const filter = { lists: ['tools'], uris } as const
const changeOf = (uri: string): Change => ({ kind: 'resource', uri })

/** A client that reads as a test tells it. */
function openStream(options: { readonly review?: () => Promise<void> | undefined } = {}): {
  readonly stream: ChangeStream
  readonly written: string[]
  readonly socket: { destroyed: boolean }
  readonly reads: (does: boolean) => void
} {
  const written: string[] = []
  const socket = {
    destroyed: false,
    destroy() {
      this.destroyed = true
    },
  }
  const response = Object.assign(new EventEmitter(), {
    req: { socket },
    headersSent: false,
    writableEnded: false,
    writableNeedDrain: false,
    writeHead() {
      this.headersSent = true
    },
    write: (octets: Buffer) => written.push(octets.toString('utf8')),
    end(octets: Buffer) {
      written.push(octets.toString('utf8'))
      this.writableEnded = true
    },
    destroy: () => socket.destroy(),
  })
  const reply = {
    response: response as unknown as ServerResponse,
    rawId: '7',
    hold: undefined,
    decisionId: undefined,
  }
  const stream = new ChangeStream({
    reply,
    keepAliveSeconds: 15,
    secondsMax: 3600,
    unsentSecondsMax: 30,
    review: options.review ?? (() => undefined),
    mayTell: () => true,
  })
  return {
    stream,
    written,
    socket,
    reads(does) {
      response.writableNeedDrain = !does
      if (does) response.emit('drain')
    },
  }
}

describe('a stream of changes whose client does not read', () => {
  test('holds no more than what was asked for, and tells it once', () => {
    requirement('gateway.changes-bounded')
    const { stream, written, reads } = openStream()
    stream.begin(filter, {})
    reads(false)
    for (let at = 0; at < 100_000; at += 1) stream.push(changeOf(uris[at % 2] ?? ''))
    // The one after which it was found that nobody reads.
    assert.equal(written.length, 2)
    reads(true)
    assert.equal(written.length, 4)
    assert.deepEqual(
      written.slice(1).map((text) => /"uri":"([^"]+)"/.exec(text)?.[1]),
      ['test://a', 'test://b', 'test://a'],
    )
    stream.over()
  })

  test('is hung up on after a while', (context: TestContext) => {
    requirement('gateway.changes-bounded')
    context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
    const { stream, socket, reads } = openStream()
    stream.begin(filter, {})
    reads(false)
    stream.push(changeOf('test://a'))
    context.mock.timers.tick(29_000)
    assert.equal(socket.destroyed, false)
    reads(true)
    reads(false)
    stream.push(changeOf('test://a'))
    context.mock.timers.tick(29_000)
    assert.equal(socket.destroyed, false)
    context.mock.timers.tick(1000)
    assert.equal(socket.destroyed, true)
    stream.over()
  })
})

describe('a stream of changes', () => {
  test('says something now and then, and nothing beside what it tells', (context: TestContext) => {
    context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
    const { stream, written } = openStream()
    stream.begin(filter, {})
    context.mock.timers.tick(15_000)
    assert.equal(written.length, 1)
    context.mock.timers.tick(15_000)
    assert.equal(written[1], ':\n\n')
    stream.push(changeOf('test://a'))
    context.mock.timers.tick(15_000)
    assert.equal(written.length, 3)
    stream.over()
    context.mock.timers.tick(60_000)
    assert.equal(written.length, 3)
  })

  test('tells nothing while it is looked at whether it may, and looks also when nothing changes', async (context: TestContext) => {
    requirement('gateway.changes-of-what-may-be-read')
    context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
    const looking = Promise.withResolvers<void>()
    let looks = 0
    const { stream, written } = openStream({
      review() {
        looks += 1
        return looks === 2 ? looking.promise : undefined
      },
    })
    stream.begin(filter, {})
    context.mock.timers.tick(15_000)
    assert.equal(looks, 2)
    stream.push(changeOf('test://a'))
    assert.equal(written.length, 1)
    looking.resolve()
    await looking.promise
    await Promise.resolve()
    assert.equal(written.length, 3)
    assert.match(written[2] ?? '', /tools\/list_changed/)
    stream.over()
  })

  test('that a look has ended tells nothing after its end', async () => {
    requirement('gateway.changes-of-what-may-be-read')
    let looks = 0
    const opened = openStream({
      review() {
        looks += 1
        if (looks > 1) opened.stream.complete()
        return looks < 4 ? Promise.resolve() : undefined
      },
    })
    const { stream, written } = opened
    stream.begin({ lists: [], uris: [] }, {})
    await new Promise(setImmediate)
    assert.ok(stream.isOver)
    assert.equal(written.filter((text) => text.includes('"resultType":"complete"')).length, 1)
  })

  test('that cannot be looked at ends', async () => {
    const { stream, socket } = openStream({ review: () => Promise.reject(new Error('broken')) })
    stream.begin(filter, {})
    await new Promise(setImmediate)
    assert.equal(socket.destroyed, true)
    stream.over()
  })

  test('that is to end before it has begun says first what it would have told of', async () => {
    const { stream, written } = openStream()
    stream.complete()
    stream.begin(filter, {})
    await stream.ended
    assert.match(written[0] ?? '', /subscriptions\/acknowledged/)
    assert.match(written[1] ?? '', /"id":7,"result":\{"resultType":"complete"/)
  })
})
