import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { bridgeBounds } from '../../src/agent/stdio-bridge.ts'
import { eventually } from '../support/eventually.ts'
import { requirement } from '../requirements.ts'
import { root } from '../support/source-tree.ts'
import {
  echoes,
  jsonAnswer,
  legacyRequest,
  modernRequest,
  notification,
  openBridgeStage,
  openStream,
  resultText,
} from './bridge-stage.ts'

interface ErrorAnswer {
  readonly id: unknown
  readonly error: { readonly code: number; readonly message: string }
}

const asError = (line: string | undefined): ErrorAnswer => JSON.parse(line ?? '') as ErrorAnswer

const initialize = legacyRequest(0, 'initialize', { protocolVersion: '2025-11-25' })
const initialized = notification('notifications/initialized')
const agreed = resultText(0, { protocolVersion: '2025-11-25', capabilities: {} })

test('a message passes as octets, both ways: no number, no escape and no space is written anew', async () => {
  requirement('agent.bridge-passes-octets')
  const line =
    '{ "jsonrpc":"2.0", "id":9007199254740993, "method":"tools/call",\t"params":{"name":"a","arguments":{"n":9007199254740993,"x":1.0,"y":1e2,"s":"\\u00e9\\/"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}} }'
  const answer =
    '{"result":{"n":1.0,"big":12345678901234567890 },"id" : 9007199254740993,"jsonrpc":"2.0"}'
  const stage = openBridgeStage(() => jsonAnswer(answer))
  stage.say(line)
  assert.deepEqual(await stage.end(), [answer])
  assert.equal(stage.sent[0]?.body, line)
})

test('an answer of several lines becomes one, its line ends spaces', async () => {
  const stage = openBridgeStage(() => jsonAnswer('{"jsonrpc":"2.0",\r\n"id":1,\n"result":{}}\n'))
  stage.say(modernRequest(1, 'tools/list'))
  assert.deepEqual(await stage.end(), ['{"jsonrpc":"2.0",  "id":1, "result":{}} '])
})

test('a line ends at a line feed and nowhere else, and a carriage return before it is of its end', async () => {
  requirement('agent.bridge-passes-octets')
  const separators = ['\u2028', '\u2029', '\u0085']
  const lines = separators.map((text, index) =>
    modernRequest(index, 'tools/call', { name: 'a', arguments: { text } }),
  )
  const stage = openBridgeStage(echoes)
  stage.input.write(`${lines.join('\r\n')}\r\n \r\n\n`)
  assert.equal((await stage.end()).length, lines.length)
  assert.deepEqual(
    stage.sent.map(({ body }) => body),
    lines,
  )
})

test('what the input ends with is a line too', async () => {
  const stage = openBridgeStage(echoes)
  stage.input.write(modernRequest(1, 'tools/list'))
  assert.deepEqual(await stage.end(), [resultText(1, { method: 'tools/list' })])
})

const texts = fc.string({ unit: 'grapheme', maxLength: 12 })

/** The same octets in pieces of these lengths. */
function inPieces(octets: Buffer, lengths: readonly number[]): Buffer[] {
  const pieces: Buffer[] = []
  let start = 0
  for (let index = 0; start < octets.length; index += 1) {
    const length = lengths.length === 0 ? octets.length : (lengths[index % lengths.length] ?? 1)
    pieces.push(octets.subarray(start, start + length))
    start += length
  }
  return pieces
}

const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 8 })

test('however the input comes in pieces, the same messages pass', async () => {
  requirement('agent.bridge-passes-octets')
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(texts, fc.constantFrom('\n', '\r\n')), { maxLength: 6 }),
      cuts,
      async (said, lengths) => {
        const lines = said.map(([text], id) => modernRequest(id, 'tools/call', { name: text }))
        const whole = lines.map((line, index) => `${line}${said[index]?.[1] ?? ''}`).join('')
        const stage = openBridgeStage(echoes)
        for (const piece of inPieces(Buffer.from(whole), lengths)) stage.input.write(piece)
        await stage.end()
        assert.deepEqual(
          stage.sent.map(({ body }) => body),
          lines,
        )
      },
    ),
    { numRuns: 100 },
  )
})

test('however a stream comes in pieces, and whatever ends its lines, the same messages are written', async () => {
  requirement('agent.bridge-passes-octets')
  await fc.assert(
    fc.asyncProperty(
      fc.array(texts, { maxLength: 5 }),
      fc.constantFrom('\n', '\r', '\r\n'),
      cuts,
      async (said, end, lengths) => {
        const told = said.map((text) => notification('notifications/message', { data: text }))
        const events = [...told, resultText(1)].map(
          (text) => `: quiet${end}data: ${text}${end}${end}`,
        )
        const stream = openStream()
        const stage = openBridgeStage(() => stream.response)
        stage.say(modernRequest(1, 'tools/call', { name: 'a' }))
        for (const piece of inPieces(Buffer.from(events.join('')), lengths)) stream.write(piece)
        assert.deepEqual(await stage.end(), [...told, resultText(1)])
      },
    ),
    { numRuns: 100 },
  )
})

test('a message over two data lines of an event is one message', async () => {
  const stream = openStream()
  const stage = openBridgeStage(() => stream.response)
  stage.say(modernRequest(1, 'tools/list'))
  stream.write('event: message\r\ndata: {"jsonrpc":"2.0",\r\ndata: "id":1,"result":{}}\r\n\r\n')
  assert.deepEqual(await stage.end(), ['{"jsonrpc":"2.0", "id":1,"result":{}}'])
})

test('requests are served at once: one that waits keeps no other from its answer', async () => {
  requirement('agent.bridge-serves-at-once')
  const first = Promise.withResolvers<Response>()
  const stage = openBridgeStage((_sent, index) =>
    index === 0 ? first.promise : jsonAnswer(resultText('b')),
  )
  stage.say(modernRequest('a', 'tools/list'), modernRequest('b', 'tools/list'))
  assert.deepEqual(await stage.lines(1), [resultText('b')])
  first.resolve(jsonAnswer(resultText('a')))
  assert.deepEqual(await stage.end(), [resultText('b'), resultText('a')])
})

test('an event is written when it comes, and the answer ends the exchange whatever the stream does', async () => {
  requirement('agent.bridge-serves-at-once')
  const stream = openStream()
  const stage = openBridgeStage(() => stream.response)
  const progress = notification('notifications/progress', { progressToken: 1, progress: 1 })
  stage.say(modernRequest(1, 'tools/call', { name: 'a' }))
  stream.write(`data: ${progress}\n\n`)
  assert.deepEqual(await stage.lines(1), [progress])
  stream.write(`data: ${resultText(1)}\n\ndata: ${progress}\n\n`)
  await stream.cancelled
  assert.deepEqual(await stage.end(), [progress, resultText(1)])
})

test('modern: a cancellation ends the exchange of its request at once, and nothing is written', async () => {
  requirement('agent.bridge-serves-at-once')
  const stream = openStream()
  const stage = openBridgeStage(() => stream.response)
  stage.say(modernRequest(7, 'tools/call', { name: 'a' }))
  await eventually('the request is on its way', () => stage.sent.length === 1)
  stage.say(notification('notifications/cancelled', { requestId: 7 }))
  await eventually('its exchange ends', () => stage.sent[0]?.signal.aborted === true)
  assert.deepEqual(await stage.end(), [])
  assert.equal(stage.sent.length, 1)
})

test('legacy: a cancellation is sent while its request is open, which then ends', async () => {
  requirement('agent.bridge-serves-at-once')
  const stage = openBridgeStage(({ body }) => {
    if (body === initialize) return jsonAnswer(agreed, { 'mcp-session-id': 's' })
    if (body.includes('tools/call')) return new Promise(() => {})
    return new Response(null, { status: 202 })
  })
  const cancel = notification('notifications/cancelled', { requestId: 7, reason: 'no more' })
  stage.say(initialize, initialized, legacyRequest(7, 'tools/call', { name: 'a' }))
  await eventually('the request is on its way', () => stage.sent.length === 3)
  stage.say(cancel)
  await eventually('its exchange ends', () => stage.sent[2]?.signal.aborted === true)
  assert.equal(stage.sent[3]?.body, cancel)
  assert.equal(stage.sent[3]?.headers['mcp-session-id'], 's')
  assert.deepEqual(await stage.end(), [agreed])
})

test('what is not open is not cancelled: nobody is told', async () => {
  const stage = openBridgeStage(echoes)
  stage.say(modernRequest(1, 'tools/list'))
  await stage.lines(1)
  stage.say(notification('notifications/cancelled', { requestId: 1 }))
  await stage.end()
  assert.equal(stage.sent.length, 1)
})

test('a line that is too long is answered with its id, wherever that stands, and the next one is served', async () => {
  requirement('agent.bridge-bounded')
  const stage = openBridgeStage(echoes, { bounds: { lineOctetsMax: 200 } })
  const args = { id: 'not this', list: [{ id: 3 }], text: `"}]{[,:\\ ${'x'.repeat(400)}` }
  const long = JSON.stringify({
    method: 't',
    params: { arguments: args },
    jsonrpc: '2.0',
    id: 'é"',
  })
  stage.say(long, modernRequest(5, 'ping'))
  const written = await stage.end()
  const { id, error } = asError(written[0])
  assert.equal(id, 'é"')
  const octets = Buffer.byteLength(long)
  assert.equal(error.message, `the message is too long: want≤200 octets got=${octets}`)
  assert.equal(error.code, -32600)
  assert.equal(written[1], resultText(5, { method: 'ping' }))
  assert.equal(stage.sent.length, 1)
})

test('a line of just the length that is taken is taken, whatever ends it, and none of one octet more', async () => {
  requirement('agent.bridge-bounded')
  const line = modernRequest(1, 'ping')
  const stage = openBridgeStage(echoes, { bounds: { lineOctetsMax: line.length } })
  stage.input.write(`${line}\r\n${line}\n${line} \n${line} `)
  await stage.end()
  assert.equal(stage.sent.length, 2)
  assert.equal(stage.written.filter((each) => each.includes('too long')).length, 2)
})

for (const [line, code, message] of [
  [
    Buffer.from('{"jsonrpc":"2.0","id":1,"method":"\xff"}', 'latin1'),
    -32700,
    'the line is not UTF-8',
  ],
  ['{"jsonrpc":"2.0",', -32700, 'the line is not JSON'],
  [
    '[{"jsonrpc":"2.0","id":1,"method":"ping"}]',
    -32600,
    'the line is not one JSON-RPC 2.0 message',
  ],
  ['{"id":1,"method":"ping"}', -32600, 'the line is not one JSON-RPC 2.0 message'],
] as const) {
  test(`a line that is no message is answered without an id, and goes nowhere: ${line.toString()}`, async () => {
    const stage = openBridgeStage(echoes)
    stage.input.write(line)
    const [answer] = await stage.end()
    assert.deepEqual(asError(answer), { jsonrpc: '2.0', id: null, error: { code, message } })
    assert.equal(stage.sent.length, 0)
  })
}

test('so many requests are open at once, so many wait for their turn, and the next is told so', async () => {
  requirement('agent.bridge-bounded')
  const held: ((response: Response) => void)[] = []
  const stage = openBridgeStage(() => new Promise((resolve) => held.push(resolve)), {
    bounds: { requestsMax: 2, waitingMax: 1 },
  })
  stage.say(...[1, 2, 3, 4].map((id) => modernRequest(id, 'ping')))
  const [refused] = await stage.lines(1)
  assert.equal(asError(refused).id, 4)
  assert.match(asError(refused).error.message, /want≤2 open and 1 \(\d+ octets\) waiting/)
  assert.equal(stage.sent.length, 2)
  held[0]?.(jsonAnswer(resultText(1)))
  await eventually('the third has its turn', () => stage.sent.length === 3)
  held[1]?.(jsonAnswer(resultText(2)))
  held[2]?.(jsonAnswer(resultText(3)))
  assert.equal((await stage.end()).length, 4)
})

test('what waits for its turn can be cancelled, and is never sent', async () => {
  const first = Promise.withResolvers<Response>()
  const stage = openBridgeStage(() => first.promise, { bounds: { requestsMax: 1 } })
  stage.say(modernRequest(1, 'ping'), modernRequest(2, 'ping'))
  stage.say(notification('notifications/cancelled', { requestId: 2 }))
  await eventually('the first is sent', () => stage.sent.length === 1)
  first.resolve(jsonAnswer(resultText(1)))
  assert.deepEqual(await stage.end(), [resultText(1)])
  assert.equal(stage.sent.length, 1)
})

test('the end of the input is not the end of what is open, but of a stream that has no end', async () => {
  const call = Promise.withResolvers<Response>()
  const listen = openStream()
  const stage = openBridgeStage(({ body }) =>
    body.includes('listen') ? listen.response : call.promise,
  )
  stage.say(modernRequest(1, 'tools/call', { name: 'a' }), modernRequest(2, 'subscriptions/listen'))
  await eventually('both are on their way', () => stage.sent.length === 2)
  stage.input.end()
  await eventually('the stream ends', () => stage.sent[1]?.signal.aborted === true)
  call.resolve(jsonAnswer(resultText(1)))
  await stage.ended
  assert.deepEqual(stage.written, [resultText(1)])
})

test('told to end, it answers what is open and ends', async () => {
  const told = new AbortController()
  const stage = openBridgeStage(() => new Promise(() => {}), { signal: told.signal })
  stage.say(modernRequest(1, 'ping'))
  await eventually('it is on its way', () => stage.sent.length === 1)
  told.abort()
  await stage.ended
  assert.deepEqual(asError(stage.written[0]), {
    jsonrpc: '2.0',
    id: 1,
    error: { code: -32603, message: 'the bridge was told to end before the answer' },
  })
})

test('where nobody reads its output any more, it ends', async () => {
  const stage = openBridgeStage(echoes, { write: () => Promise.reject(new Error('EPIPE')) })
  stage.say(modernRequest(1, 'ping'))
  await stage.ended
})

test('whatever a client writes, each of its requests has one answer, and the bridge ends with it', async () => {
  requirement('agent.bridge-answers-all')
  const said = fc.oneof(
    fc.string({ maxLength: 20 }),
    fc.constantFrom(
      '{',
      '[]',
      'null',
      '"',
      initialize,
      initialized,
      resultText(9),
      notification('notifications/cancelled', { requestId: 5 }),
      '{"jsonrpc":"2.0","id":null,"method":"a"}',
      '{"jsonrpc":"2.0","id":{},"method":"a"}',
      '{"jsonrpc":"2.0","id":1,"id":2,"method":"a"}',
    ),
    fc.constant('request'),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(said, { maxLength: 12 }), async (lines) => {
      const numbered = lines.map((line, index) =>
        line === 'request' ? legacyRequest(100 + index, 'tools/call') : line,
      )
      const asked = numbered.flatMap((_, index) => (lines[index] === 'request' ? 100 + index : []))
      const stage = openBridgeStage(echoes)
      stage.say(...numbered)
      const written = (await stage.end()).map((line) => JSON.parse(line) as { id: unknown })
      const answered = written.map(({ id }) => Number(id)).filter((id) => id >= 100)
      assert.deepEqual(
        answered.toSorted((a, b) => a - b),
        asked,
      )
    }),
    { numRuns: 200 },
  )
})

test('what the document says of the bounds is what they are', async () => {
  const text = await readFile(join(root, 'docs', 'QUICKSTART-AGENT.md'), 'utf8')
  const { lineOctetsMax, answerOctetsMax, requestsMax, noticesMax } = bridgeBounds
  const mebibyte = 1024 * 1024
  for (const words of [
    `may be ${lineOctetsMax / mebibyte} MiB long`,
    `may have ${answerOctetsMax / mebibyte} MiB`,
    `${requestsMax} requests are open at once, and ${noticesMax} notifications`,
    `${bridgeBounds.waitingMax.toLocaleString('en')} more, of ${bridgeBounds.waitingOctetsMax / mebibyte} MiB together`,
  ]) {
    assert.ok(text.replaceAll(/\s+/g, ' ').includes(words), words)
  }
})
