import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CountersignError } from '../../src/errors.ts'
import type { ApiClient } from '../../src/kubernetes/api-client.ts'
import { ApiError } from '../../src/kubernetes/api-error.ts'
import { observeClient } from '../../src/kubernetes/reachability.ts'

const silence = new CountersignError('kubernetes/unreachable', 'GET /x: no answer: ECONNREFUSED')

/** A client whose next request, or stream, ends as the test says. */
function createWorld() {
  const world = { now: Date.UTC(2026, 10, 22), error: undefined as Error | undefined }
  const client: ApiClient = {
    server: 'https://api.test',
    async request<T>(): Promise<T> {
      if (world.error !== undefined) throw world.error
      return {} as T
    },
    async *stream({ onOpen }) {
      if (world.error !== undefined) throw world.error
      onOpen?.()
      yield { value: 'line', bytes: 6 }
    },
    close: () => {},
  }
  const observed = observeClient(client, () => world.now)
  const ask = async (error?: Error): Promise<void> => {
    world.error = error
    await observed.request({ method: 'GET', path: '/x' }).catch(() => {})
  }
  return { world, observed, ask }
}

test('before the first answer it is not reached, and the reason says since when and why', async () => {
  const { observed, ask } = createWorld()
  assert.deepEqual(observed.condition(), {
    name: 'kubernetes',
    ok: false,
    reason: 'https://api.test is asked',
  })
  await ask(silence)
  const { ok, reason } = observed.condition()
  assert.equal(ok, false)
  assert.equal(
    reason,
    'https://api.test gives no answer since 2026-11-22T00:00:00.000Z: GET /x: no answer: ECONNREFUSED',
  )
})

test('a request without an answer is no news, a quarter of a minute of them is', async () => {
  const { world, observed, ask } = createWorld()
  await ask()
  await ask(silence)
  assert.equal(observed.condition().ok, true)
  world.now += 15_001
  await ask(silence)
  assert.equal(observed.condition().ok, false)
  await ask(new ApiError({ message: 'forbidden', status: 403 }))
  assert.equal(observed.condition().ok, true, 'a refusal is an answer')
})

test('a watch that opens is an answer, and one that is silent is none of either', async () => {
  const { world, observed, ask } = createWorld()
  await ask(silence)
  world.error = undefined
  const watch = observed.stream({ path: '/x', signal: new AbortController().signal })
  for await (const line of watch) assert.deepEqual(line, { value: 'line', bytes: 6 })
  assert.equal(observed.condition().ok, true)
  world.error = new CountersignError('kubernetes/silent', 'nothing for 15 s')
  const silent = observed.stream({ path: '/x', signal: new AbortController().signal })
  await assert.rejects(async () => {
    for await (const line of silent) assert.fail(JSON.stringify(line))
  })
  assert.equal(observed.condition().ok, true)
})

test('a credential that is not accepted is said, until one is', async () => {
  const { observed, ask } = createWorld()
  await ask(new ApiError({ message: 'GET /x: status 401', status: 401 }))
  const { ok, reason } = observed.condition()
  assert.equal(ok, false)
  assert.match(
    reason,
    /^our credential is not accepted: GET \/x: status 401\. Look at the kubeconfig/,
  )
  await ask()
  assert.equal(observed.condition().ok, true)
})
