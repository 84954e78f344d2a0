import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CountersignError } from '../../src/errors.ts'
import type { ApiClient, ApiRequest } from '../../src/kubernetes/api-client.ts'
import { ApiError } from '../../src/kubernetes/api-error.ts'
import { TooLongError } from '../../src/kubernetes/exchange.ts'
import { listPages, PageSize } from '../../src/kubernetes/list-pages.ts'
import { namespaces } from '../../src/kubernetes/workloads.ts'
import { requirement } from '../requirements.ts'

const names = Array.from({ length: 40 }, (_, index) => `n${String(index).padStart(2, '0')}`)

const objectOf = (name: string): object => ({ metadata: { name, uid: name, resourceVersion: '1' } })

/** Serves the names in pages, as an API server does; `judge` sees how many objects a page would have and may throw. */
class PagedServer implements ApiClient {
  readonly server = 'https://paged'
  readonly asked: string[] = []
  readonly #judge: (objects: number, token: string) => void
  #version = 100

  constructor(judge: (objects: number, token: string) => void = () => {}) {
    this.#judge = judge
  }

  async request<T>({ query = {}, onItem }: ApiRequest): Promise<T> {
    await Promise.resolve()
    const limit = Number(query['limit'])
    const token = query['continue'] ?? ''
    this.asked.push(`${token}+${query['limit'] ?? 'whole'}`)
    const from = token === '' ? 0 : Number(token.replace('late-', ''))
    const page = names.slice(from, from + limit)
    this.#judge(page.length, token)
    for (const name of page) onItem?.({ value: objectOf(name), bytes: 1 })
    const next = from + limit < names.length ? { continue: String(from + limit) } : {}
    this.#version += 1
    return { metadata: { resourceVersion: String(this.#version), ...next }, items: [] } as T
  }

  // eslint-disable-next-line require-yield
  async *stream(): AsyncGenerator<never> {
    throw new Error('not asked for')
  }

  close(): void {}
}

async function listed(server: ApiClient, pageSize?: PageSize): Promise<readonly string[]> {
  const options = pageSize === undefined ? {} : { pageSize }
  const { readings } = await listPages(server, namespaces, options)
  return readings.map((reading) => ('object' in reading ? reading.object.metadata.name : '?'))
}

const slow = (): CountersignError =>
  new CountersignError('kubernetes/unreachable', 'no answer', {
    cause: new DOMException('nothing for 60 s', 'TimeoutError'),
  })
const tooLong = (): CountersignError => new TooLongError('GET', 1)

for (const [what, failure] of Object.entries({ 'too long': tooLong, 'too slow': slow })) {
  test(`a page that is ${what} is halved until it passes, and each object comes once`, async () => {
    requirement('kubernetes.hostile-objects')
    const server = new PagedServer((objects) => {
      if (objects > 10) throw failure()
    })
    assert.deepEqual(await listed(server), names)
    assert.deepEqual(server.asked.slice(0, 7), ['+500', '+250', '+125', '+63', '+32', '+16', '+8'])
    assert.ok(server.asked.every((page) => !page.includes('whole')))
  })
}

test('one object that never passes ends the list with what is wrong', async () => {
  const server = new PagedServer(() => {
    throw tooLong()
  })
  await assert.rejects(listed(server), { code: 'kubernetes/answer' })
  assert.equal(server.asked.at(-1), '+1')
  assert.equal(server.asked.length, 10)
})

test('a server that gives up is asked for less by the next list only, after its caller’s pause', async () => {
  let broken = true
  const server = new PagedServer(() => {
    if (broken) throw new ApiError({ message: 'gave up', status: 504 })
  })
  const pageSize = new PageSize()
  await assert.rejects(listed(server, pageSize), { status: 504 })
  assert.deepEqual(server.asked, ['+500'])
  broken = false
  assert.deepEqual(await listed(server, pageSize), names)
  assert.equal(server.asked.at(-1), '+250')
})

test('pages grow again after light ones', async () => {
  let seen = 0
  const server = new PagedServer(() => {
    seen += 1
    if (seen <= 7) throw tooLong()
  })
  await listed(server)
  assert.deepEqual(server.asked.slice(7), ['+4', '4+8', '12+16', '28+32'])
})

const expired = (continueToken?: string): ApiError =>
  new ApiError({ message: 'expired', status: 410, reason: 'Expired', continueToken })

test('a page token that expires is followed by the one given instead, and the watch begins before the first page', async () => {
  let expire = true
  const server = new PagedServer((_objects, token) => {
    if (token !== '8' || !expire) return
    expire = false
    throw expired('late-8')
  })
  const pageSize = new PageSize()
  while (pageSize.objects > 8) pageSize.shrink()
  const { readings, resourceVersion } = await listPages(server, namespaces, { pageSize })
  assert.equal(readings.length, 40)
  assert.deepEqual(server.asked, ['+8', '8+16', 'late-8+16', '24+32'])
  // What changed between the two times is told by the watch, or it is refused.
  assert.equal(resourceVersion, '101')
})

test('a page token that expires without another is for the caller, who lists again in pages', async () => {
  const server = new PagedServer((_objects, token) => {
    if (token !== '') throw expired()
  })
  const pageSize = new PageSize()
  while (pageSize.objects > 8) pageSize.shrink()
  await assert.rejects(listed(server, pageSize), { reason: 'Expired' })
})

test('page tokens that expire one after the other do not go on for ever', async () => {
  let tokens = 0
  const server = new PagedServer((_objects, token) => {
    if (token === '') return
    tokens += 1
    throw expired(`late-${tokens}`)
  })
  const pageSize = new PageSize()
  while (pageSize.objects > 8) pageSize.shrink()
  await assert.rejects(listed(server, pageSize), { reason: 'Expired' })
  assert.equal(tokens, 4)
})
