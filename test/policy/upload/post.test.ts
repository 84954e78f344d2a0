import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { gzipSync } from 'node:zlib'
import {
  createPoster,
  retryAfterOf,
  type Poster,
  type UploadTarget,
} from '../../../src/policy/upload/post.ts'
import { requirement } from '../../requirements.ts'
import { openCollector, refuse, take } from './collector.ts'
import { openFolder } from './folder.ts'

const body = gzipSync('[{"decision_id":"d-1"}]')
const never = new AbortController().signal

function posterOf(url: string, more: Partial<UploadTarget> = {}): Poster {
  return createPoster({ url, resource: 'logs', responseHeaderTimeoutSeconds: 10, ...more })
}

test('a chunk is sent as OPA sends it, below the URL, and any 2xx takes it', async () => {
  await using collector = await openCollector()
  using poster = posterOf(`${collector.url}/v1/`, { resource: 'logs/acme' })
  await poster.post(body, never)
  collector.answer(refuse(200))
  await poster.post(body, never)
  const [first, second] = collector.taken
  assert.ok(first !== undefined && second !== undefined)
  assert.deepEqual([first.method, first.path], ['POST', '/v1/logs/acme'])
  const { headers } = first
  assert.equal(headers['content-type'], 'application/json')
  assert.equal(headers['content-encoding'], 'gzip')
  assert.equal(headers['content-length'], String(body.length))
  assert.equal(headers.authorization, undefined)
})

test('what is no 2xx is told by its status, redirects too, with how long to wait', async () => {
  await using collector = await openCollector()
  using poster = posterOf(collector.url)
  for (const [status, headers, waitMilliseconds] of [
    [500, {}, 0],
    [429, { 'retry-after': '7' }, 7000],
    [503, { 'retry-after': 'soon' }, 0],
    [307, { location: `${collector.url}/elsewhere` }, 0],
  ] as const) {
    collector.answer(refuse(status, headers))
    const message = `receiver answers ${status}, want=2xx`
    const told = { code: 'policy/upload', message, httpCode: status, waitMilliseconds }
    await assert.rejects(poster.post(body, never), told)
  }
  assert.ok(collector.all.every(({ path }) => path === '/logs'))
})

test('seconds and dates say how long to wait, an hour at the most', () => {
  const now = Date.UTC(2026, 10, 30, 12)
  assert.equal(retryAfterOf('Mon, 30 Nov 2026 12:00:30 GMT', now), 30_000)
  assert.equal(retryAfterOf('Mon, 30 Nov 2026 11:00:00 GMT', now), 0)
  assert.equal(retryAfterOf('999999999', now), 3_600_000)
  assert.equal(retryAfterOf('-5', now), 0)
  assert.equal(retryAfterOf(undefined, now), 0)
})

test('the token of the file goes with each chunk, as it is then, and stands in no error', async () => {
  requirement('policy.upload-credentials-stay')
  await using collector = await openCollector()
  await using place = await openFolder()
  const tokenPath = join(place.folder, 'token')
  await writeFile(tokenPath, 'first-secret\n')
  using poster = posterOf(collector.url, { credentials: { bearer: { tokenPath } } })
  await poster.post(body, never)
  await writeFile(tokenPath, 'second-secret\n')
  collector.answer((received, response) => {
    // Some receivers tell what they were told.
    response.writeHead(401).end(JSON.stringify(received.headers))
  })
  const refusal = await poster.post(body, never).catch((error: unknown) => error)
  assert.deepEqual(
    collector.all.map(({ headers }) => headers.authorization),
    ['Bearer first-secret', 'Bearer second-secret'],
  )
  await writeFile(tokenPath, 'third-secret\r\nhost: elsewhere\n')
  const unreadable = await poster.post(body, never).catch((error: unknown) => error)
  collector.answer((_received, response) => {
    response.socket?.end(`HTTP/1.1 200\r\nbroken ${tokenPath} Bearer second-secret\r\n\r\n`)
  })
  await writeFile(tokenPath, 'second-secret')
  const garbled = await poster.post(body, never).catch((error: unknown) => error)
  for (const error of [refusal, unreadable, garbled]) {
    assert.ok(error instanceof Error)
    assert.ok(!inspect(error, { depth: 9 }).includes('-secret'), inspect(error))
  }
})

test('a receiver that says nothing is waited for so long, and no longer', async () => {
  await using collector = await openCollector()
  collector.answer(() => {})
  using poster = posterOf(collector.url, { responseHeaderTimeoutSeconds: 0.05 })
  const message = 'receiver does not answer in time, want=..50 ms'
  await assert.rejects(poster.post(body, never), { message })
  collector.answer(take)
  using patient = posterOf(collector.url)
  await patient.post(body, never)
})

test('what ends meanwhile ends what is sent', async () => {
  await using collector = await openCollector()
  const ending = new AbortController()
  collector.answer(() => ending.abort())
  using poster = posterOf(collector.url)
  const gone = { message: 'nothing is sent any more' }
  await assert.rejects(poster.post(body, ending.signal), gone)
  await assert.rejects(poster.post(body, ending.signal), gone)
  assert.equal(collector.all.length, 1)
})

test('a connection that the receiver has closed meanwhile costs no failure', async () => {
  await using collector = await openCollector()
  using poster = posterOf(collector.url)
  let sockets = 0
  collector.answer((_received, response) => {
    response.writeHead(204).end()
    // Without a word that it will be.
    response.once('finish', () => response.socket?.destroy())
    sockets += 1
  })
  for (let time = 0; time < 5; time += 1) await poster.post(body, never)
  assert.ok(sockets >= 5)
})

test('an answer without end is not listened to', async () => {
  await using collector = await openCollector()
  let unsent = 0
  collector.answer((_received, response) => {
    response.writeHead(204 - 4)
    const more = (): void => {
      if (response.destroyed || unsent > 64 * 1024 * 1024) return
      unsent += 65_536
      response.write(Buffer.alloc(65_536), more)
    }
    more()
  })
  using poster = posterOf(collector.url)
  await poster.post(body, never)
  assert.ok(unsent < 64 * 1024 * 1024)
})
