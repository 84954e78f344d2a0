import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { CountersignError } from '../../src/errors.ts'
import { createApiClient, type ApiClient, type ApiProbe } from '../../src/kubernetes/api-client.ts'
import { ApiError } from '../../src/kubernetes/api-error.ts'
import { eventually } from '../support/eventually.ts'
import { startFakeApiServer, statusAnswer, type FakeApiServer } from '../support/fake-api-server.ts'

let server: FakeApiServer
let client: ApiClient & ApiProbe
const path = '/api/v1/pods'

before(async () => {
  server = await startFakeApiServer()
  client = createApiClient({ kubeconfig: server.kubeconfig, userAgent: 'countersign/test' })
})

after(async () => {
  client.close()
  await server[Symbol.asyncDispose]()
})

async function failureOf(promise: Promise<unknown>): Promise<CountersignError> {
  const error: unknown = await promise.then(
    () => assert.fail('want=a failure got=an answer'),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof CountersignError, String(error))
  return error
}

async function collect(lines: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = []
  for await (const line of lines) all.push(line)
  return all
}

describe('a request', () => {
  test('carries path, query, body, content type, user agent and the client certificate', async () => {
    server.script({ body: { kind: 'Pod' } })
    const answer = await client.request({
      method: 'PATCH',
      path: '/api/v1/namespaces/a/pods/b/status',
      query: { dryRun: 'All' },
      body: { metadata: { uid: 'u' } },
      contentType: 'application/merge-patch+json',
    })
    assert.deepEqual(answer, { kind: 'Pod' })
    const seen = server.requests.at(-1)
    assert.equal(seen?.method, 'PATCH')
    assert.equal(seen.path, '/api/v1/namespaces/a/pods/b/status')
    assert.equal(seen.query.get('dryRun'), 'All')
    assert.deepEqual(seen.body, { metadata: { uid: 'u' } })
    assert.equal(seen.headers['content-type'], 'application/merge-patch+json')
    assert.equal(seen.headers['user-agent'], 'countersign/test')
    assert.equal(seen.headers.accept, 'application/json')
    assert.equal(seen.user, 'tester')
  })

  test('shares its connection with the request after it', async () => {
    server.script({ body: {} }, { body: {} })
    await client.request({ method: 'GET', path })
    await client.request({ method: 'GET', path })
    const [one, two] = server.requests.slice(-2)
    assert.equal(one?.connection, two?.connection)
  })

  test('opens few connections in a burst, and waits for no stream', async () => {
    await using own = await startFakeApiServer()
    const busy = createApiClient({ kubeconfig: own.kubeconfig })
    const leaving = new AbortController()
    const open: AsyncIterator<unknown>[] = []
    try {
      own.otherwise(({ query }) =>
        query.has('watch') ? { lines: [{ type: 'ADDED' }] } : { body: {} },
      )
      for (let stream = 0; stream < 20; stream += 1) {
        const lines = busy.stream({ path, query: { watch: '1' }, signal: leaving.signal })
        open.push(lines[Symbol.asyncIterator]())
        await open.at(-1)?.next()
      }
      await Promise.all(Array.from({ length: 200 }, () => busy.request({ method: 'GET', path })))
      const opened = (ofStreams: boolean): number => {
        const some = own.requests.filter(({ query }) => query.has('watch') === ofStreams)
        return new Set(some.map(({ connection }) => connection)).size
      }
      assert.equal(opened(true), 20)
      assert.equal(opened(false), 16)
    } finally {
      leaving.abort()
      for (const lines of open) await lines.return?.()
      busy.close()
    }
  })

  test('that waits for a connection ends with its time and with its signal, and a Lease waits for none', async () => {
    await using own = await startFakeApiServer()
    own.otherwise(({ path: asked }) =>
      asked.includes('/leases') ? { body: { kind: 'Lease' } } : { hang: true },
    )
    const busy = createApiClient({ kubeconfig: own.kubeconfig })
    const leaving = new AbortController()
    const { signal } = leaving
    const slow = Array.from({ length: 64 }, () => busy.request({ method: 'GET', path, signal }))
    const ended = Promise.allSettled(slow)
    try {
      await eventually('all connections are taken', () => own.requests.length === 16)
      const late = await failureOf(busy.request({ method: 'GET', path, timeoutSeconds: 0.05 }))
      assert.equal(late.message, 'GET /api/v1/pods: no answer: nothing for 0.05 s')
      const lease = '/apis/coordination.k8s.io/v1/namespaces/a/leases/b'
      const body = { metadata: {} }
      assert.deepEqual(await busy.request({ method: 'PATCH', path: lease, body }), {
        kind: 'Lease',
      })
      leaving.abort(new Error('enough'))
      const outcomes = await ended
      assert.ok(outcomes.every((each) => each.status === 'rejected' && /enough/.test(each.reason)))
      const gone = AbortSignal.abort(new Error('before'))
      await assert.rejects(busy.request({ method: 'GET', path, signal: gone }), /before/)
    } finally {
      leaving.abort()
      busy.close()
    }
  })

  test('that is refused says what the Status object says', async () => {
    server.script(
      statusAnswer(422, 'Invalid', {
        message: 'req-1 is invalid',
        details: {
          causes: [{ reason: 'FieldValueForbidden', field: 'spec.signerName', message: 'no' }],
        },
      }),
    )
    const error = await failureOf(client.request({ method: 'PATCH', path, body: {} }))
    assert.ok(error instanceof ApiError)
    assert.equal(error.code, 'kubernetes/api')
    assert.equal(error.message, 'PATCH /api/v1/pods: status 422: "req-1 is invalid"')
    assert.equal(error.status, 422)
    assert.equal(error.reason, 'Invalid')
    assert.deepEqual(error.causes, [
      { reason: 'FieldValueForbidden', field: 'spec.signerName', message: 'no' },
    ])
  })

  test('that is told to come back later says when', async () => {
    server.script({ ...statusAnswer(429, 'TooManyRequests'), headers: { 'retry-after': '7' } })
    const error = await failureOf(client.request({ method: 'GET', path }))
    assert.ok(error instanceof ApiError)
    assert.equal(error.retryAfterSeconds, 7)
  })

  test('that a proxy refuses without a Status object is an ApiError still', async () => {
    server.script({ status: 502, body: '<html>bad gateway</html>' })
    const error = await failureOf(client.request({ method: 'GET', path }))
    assert.ok(error instanceof ApiError)
    assert.equal(error.message, 'GET /api/v1/pods: status 502: "<html>bad gateway</html>"')
    assert.equal(error.reason, '')
    assert.deepEqual(error.causes, [])
  })

  test('that is answered with something else than JSON is no answer that can be used', async () => {
    server.script({ body: 'hello' })
    const error = await failureOf(client.request({ method: 'GET', path }))
    assert.equal(error.code, 'kubernetes/answer')
    assert.equal(error.message, 'GET /api/v1/pods: answer: want=JSON got=other')
  })

  test('whose answer is asked for as it came is no failure, whatever its status', async () => {
    server.script({ status: 503, body: '[-] policy: broken\n', headers: { 'x-page': 'readyz' } })
    const answer = await client.ask({ method: 'GET', path })
    assert.equal(answer.status, 503)
    assert.equal(answer.text, '[-] policy: broken\n')
    assert.equal(answer.headers['x-page'], 'readyz')
  })

  test('acts as somebody else by the headers of impersonation', async () => {
    server.script({ body: {} })
    const as = { user: 'system:node:a', groups: ['system:nodes', 'system:authenticated'] }
    await client.ask({ method: 'GET', path, as })
    const seen = server.requests.at(-1)?.headers
    assert.equal(seen?.['impersonate-user'], 'system:node:a')
    assert.equal(seen?.['impersonate-group'], 'system:nodes, system:authenticated')
  })

  test('reads no more than it was told to', async () => {
    server.script({ body: { long: 'x'.repeat(5000) } })
    const error = await failureOf(client.request({ method: 'GET', path, answerBytesMax: 1000 }))
    assert.equal(error.code, 'kubernetes/answer')
    assert.equal(error.message, 'GET /api/v1/pods: answer length: want=at most 1000 bytes got=more')
  })

  test('that is never answered ends with its time', async () => {
    server.script({ hang: true })
    const error = await failureOf(client.request({ method: 'GET', path, timeoutSeconds: 2 }))
    assert.equal(error.code, 'kubernetes/unreachable')
    assert.equal(error.message, 'GET /api/v1/pods: no answer: nothing for 2 s')
  })

  test('whose answer stops half way ends with its time', async () => {
    server.script({ lines: ['{"metadata": '] })
    const error = await failureOf(client.request({ method: 'GET', path, timeoutSeconds: 2 }))
    assert.equal(error.code, 'kubernetes/unreachable')
  })

  test('whose answer is cut is unreachable, and the next one is answered', async () => {
    server.script({ lines: ['{"metadata": '], cut: true }, { body: { fine: true } })
    const error = await failureOf(client.request({ method: 'GET', path }))
    assert.equal(error.code, 'kubernetes/unreachable')
    assert.deepEqual(await client.request({ method: 'GET', path }), { fine: true })
  })

  test('leaves nothing behind on the signal of the caller, which outlives it', async () => {
    const { signal } = new AbortController()
    server.script({ body: {} }, { status: 404, body: {} })
    await client.request({ method: 'GET', path, signal })
    await failureOf(client.request({ method: 'GET', path, signal }))
    assert.deepEqual(getEventListeners(signal, 'abort'), [])
  })

  test('that the caller gives up rejects with the caller’s reason', async () => {
    server.script({ hang: true })
    const controller = new AbortController()
    const reason = new Error('enough')
    const before = server.requests.length
    const promise = client.request({ method: 'GET', path, signal: controller.signal })
    void server.requested(before + 1).then(() => controller.abort(reason))
    await assert.rejects(promise, reason)
    await assert.rejects(client.request({ method: 'GET', path, signal: controller.signal }), reason)
  })

  const stale = [
    { method: 'GET', sentAgain: true },
    { method: 'PATCH', sentAgain: true },
    { method: 'POST', sentAgain: false },
  ] as const
  for (const { method, sentAgain } of stale) {
    const how = sentAgain ? 'is sent again' : 'is not sent twice'
    test(`a ${method} on a connection that the server just closed ${how}`, async () => {
      server.script({ body: {} })
      await client.request({ method: 'GET', path })
      const before = server.requests.length
      server.script({ cut: true }, { body: { second: true } })
      const outcome = client.request({ method, path, ...(method === 'GET' ? {} : { body: {} }) })
      if (sentAgain) {
        assert.deepEqual(await outcome, { second: true })
        assert.equal(server.requests.length, before + 2)
      } else {
        const error = await failureOf(outcome)
        assert.equal(error.code, 'kubernetes/unreachable')
        assert.equal(server.requests.length, before + 1)
        assert.deepEqual(await client.request({ method: 'GET', path }), { second: true })
      }
    })
  }
})

describe('a stream', () => {
  test('gives one value a line, and says which line is no JSON', async () => {
    server.script({ lines: [{ a: 1 }, '{"b"', ': 2}\n\n', 'oops\n', { c: 3 }], end: true })
    const signal = new AbortController().signal
    let opened = 0
    const stream = client.stream({
      path,
      signal,
      query: { watch: '1' },
      onOpen: () => (opened += 1),
    })
    assert.deepEqual(await collect(stream), [
      { value: { a: 1 }, bytes: 7 },
      { value: { b: 2 }, bytes: 8 },
      { malformed: 'oops' },
      { value: { c: 3 }, bytes: 7 },
    ])
    assert.equal(opened, 1)
    assert.equal(server.requests.at(-1)?.query.get('watch'), '1')
  })

  test('that is silent for too long fails', async () => {
    server.script({ lines: [{ a: 1 }] })
    const signal = new AbortController().signal
    // Long enough for the stream's own handshake on a busy machine.
    const error = await failureOf(collect(client.stream({ path, signal, idleSeconds: 2 })))
    assert.equal(error.code, 'kubernetes/silent')
    assert.equal(error.message, 'WATCH /api/v1/pods: nothing for 2 s')
  })

  test('that is not accepted in time is unreachable', async () => {
    server.script({ hang: true })
    const signal = new AbortController().signal
    // The script is used up only by a request that comes: the handshake needs its time.
    const error = await failureOf(collect(client.stream({ path, signal, idleSeconds: 2 })))
    assert.equal(error.code, 'kubernetes/unreachable')
  })

  test('that is refused is an ApiError', async () => {
    server.script(statusAnswer(410, 'Expired'))
    const error = await failureOf(
      collect(client.stream({ path, signal: new AbortController().signal })),
    )
    assert.ok(error instanceof ApiError)
    assert.equal(error.status, 410)
  })

  test('that is cut fails after the lines that came', async () => {
    server.script({ lines: [{ a: 1 }], cut: true })
    const lines: unknown[] = []
    const error = await failureOf(
      (async () => {
        const signal = new AbortController().signal
        for await (const line of client.stream({ path, signal })) lines.push(line)
      })(),
    )
    assert.equal(error.code, 'kubernetes/unreachable')
    assert.deepEqual(lines, [{ value: { a: 1 }, bytes: 7 }])
  })

  test('that the caller gives up closes its connection', async () => {
    server.script({ lines: [{ a: 1 }] })
    const controller = new AbortController()
    const reason = new Error('enough')
    const reading = (async () => {
      for await (const line of client.stream({ path, signal: controller.signal })) {
        assert.deepEqual(line, { value: { a: 1 }, bytes: 7 })
        controller.abort(reason)
      }
    })()
    await assert.rejects(reading, reason)
    while (server.streams.at(-1)?.closed !== true) await new Promise((go) => setTimeout(go, 5))
  })

  test('that the caller leaves closes its connection', async () => {
    server.script({ lines: [{ a: 1 }] })
    const signal = new AbortController().signal
    for await (const line of client.stream({ path, signal })) {
      assert.deepEqual(line, { value: { a: 1 }, bytes: 7 })
      break
    }
    while (server.streams.at(-1)?.closed !== true) await new Promise((go) => setTimeout(go, 5))
  })
})
