import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, beforeEach, test } from 'node:test'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { list, ok, openGuardStage, usual, type GuardStage } from './stage.ts'

let stage: GuardStage

before(async () => {
  stage = await openGuardStage()
})
after(() => stage[Symbol.asyncDispose]())
beforeEach(() => {
  stage.got.length = 0
  stage.answer = ok
})

const fields = Object.entries(usual)
  .map(([name, value]) => `${name}: ${value}\r\n`)
  .join('')
const asked = `POST /mcp HTTP/1.1\r\nhost: guard\r\n${fields}content-length: ${list.length}\r\n\r\n${list}`

test('octets pass as they are, both ways', async () => {
  const given = '{"a" : 1.50,\n"b":"☃"}'
  stage.answer = (_, response) => response.writeHead(200, { 'x-of-server': 'yes' }).end(given)
  const listed = `{ "jsonrpc":"2.0","id":1,  "method":"tools/list","params":{"cursor":"☃\\u2603"} }`
  const { text, headers } = await stage.send({ body: listed })
  assert.equal(stage.got[0]?.body.toString(), listed)
  assert.equal(text, given)
  assert.equal(headers['x-of-server'], 'yes')
})

test('an event is there when it was said, not when the stream ends', async () => {
  requirement('guard.streams-both-ways')
  let end = (): void => {}
  stage.answer = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.flushHeaders()
    end = () => response.end('data: two\n\n')
    setImmediate(() => response.write('data: one\n\n'))
  }
  const socket = await stage.raw()
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
  socket.write(asked)
  await eventually('the first event', () => text.includes('data: one'))
  assert.equal(text.includes('data: two'), false)
  end()
  await eventually('the end', () => text.includes('data: two') && text.endsWith('0\r\n\r\n'))
  socket.destroy()
})

for (const [what, begun] of [
  ['before it is answered', false],
  ['in the middle of its stream', true],
] as const) {
  test(`a request that is given up outside ${what} is given up inside`, async () => {
    requirement('guard.streams-both-ways')
    let gone = false
    stage.answer = (_, response) => {
      response.once('close', () => (gone = true))
      if (begun)
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
    }
    const socket = await stage.raw()
    const data = once(socket, 'data')
    socket.write(asked)
    await eventually('it is inside', () => stage.got.length === 1)
    if (begun) await data
    else data.catch(() => {})
    socket.destroy()
    await eventually('it is given up inside', () => gone)
  })
}

test('an answer that breaks off inside breaks off outside, and is not taken for whole', async () => {
  requirement('guard.streams-both-ways')
  for (const headers of [{ 'content-length': '100' }, {}]) {
    stage.answer = (_, response) => {
      response.writeHead(200, headers).write('{"half":')
      setTimeout(() => response.destroy(), 20)
    }
    await assert.rejects(stage.send({}), /aborted|ECONNRESET|hang up/)
  }
})

test('GET and DELETE of a session pass with their session and without a body', async () => {
  for (const method of ['GET', 'DELETE']) {
    const headers = { 'mcp-session-id': 'abc', 'last-event-id': '7' }
    assert.equal((await stage.send({ method, body: undefined, headers })).status, 200)
    const got = stage.got.at(-1)
    assert.equal(got?.method, method)
    assert.equal(got?.headers['mcp-session-id'], 'abc')
    assert.equal(got?.headers['last-event-id'], '7')
    assert.equal(got?.headers['content-length'], undefined)
  }
})

test('what is of one connection stays there: hop-by-hop headers of an answer', async () => {
  stage.answer = (_, response) => {
    response.writeHead(200, {
      connection: 'close, x-mine',
      'x-mine': '1',
      'keep-alive': 'timeout=1',
      te: 'x',
      'x-end': '2',
    })
    response.end('{}')
  }
  const { headers } = await stage.send({})
  assert.equal(headers['x-mine'], undefined)
  assert.equal(headers['te'], undefined)
  assert.equal(headers['x-end'], '2')
})

test('a server inside that changes its protocol is not followed', async () => {
  requirement('guard.framed-anew')
  stage.answer = (_, __, request) => {
    request.socket.end(
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nhello',
    )
  }
  const { status } = await stage.send({})
  assert.equal(status, 502)
})

test('a server inside that hangs up has not answered, with the id of the request', async () => {
  stage.answer = (_, __, request) => request.socket.destroy()
  const { status, text } = await stage.send({})
  assert.equal(status, 502)
  assert.match(text, /^\{"jsonrpc":"2\.0","id":1,"error":\{"code":-32603,/)
})

test('another certificate is shown to new connections, and those that stand go on', async () => {
  const socket = await stage.raw()
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
  socket.write(asked)
  await eventually('the first answer', () => text.includes('{}'))
  const first = socket.getPeerCertificate().serialNumber
  await stage.mount(stage.who.renewed)
  await eventually('new handshakes show the new one', async () => {
    const next = await stage.raw()
    const { serialNumber } = next.getPeerCertificate()
    next.destroy()
    return serialNumber !== first
  })
  text = ''
  socket.write(asked)
  await eventually('the next answer', () => text.includes('{}'))
  assert.match(text, /^HTTP\/1\.1 200 /)
  socket.destroy()
})

test('nothing is handed on while others can reach the server inside without the guard', async (t) => {
  requirement('guard.inside-on-loopback-only')
  assert.equal(stage.running.ready(), true)
  const exposed = createServer(() => {}).listen(stage.insidePort, '127.0.0.2')
  t.after(() => exposed.close())
  await once(exposed, 'listening')
  assert.equal(stage.running.ready(), true, 'another loopback address is one')
  exposed.close()
  const open = createServer(() => {}).listen({ port: stage.insidePort, host: '::', ipv6Only: true })
  t.after(() => open.close())
  await once(open, 'listening')
  await eventually('it is not ready', () => !stage.running.ready())
  const { status, text } = await stage.send({})
  assert.equal(status, 503)
  assert.match(text, /bound to other addresses than loopback/)
  assert.deepEqual(stage.got, [])
  open.close()
  await eventually('it is ready again', () => stage.running.ready())
  assert.equal((await stage.send({})).status, 200)
})
