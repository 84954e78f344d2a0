import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCatalogues } from '../../../src/gateway/catalogue/catalogues.ts'
import { createListings } from '../../../src/gateway/catalogue/listings.ts'
import type { Listed } from '../../../src/gateway/catalogue/list-upstream.ts'
import { defaultLimits } from '../../../src/gateway/limits.ts'
import { createTurns } from '../../../src/gateway/turns.ts'
import type { Upstream } from '../../../src/gateway/upstream/upstream.ts'
import { silentLog } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import { requirement } from '../../requirements.ts'
import { eventually } from '../../support/eventually.ts'
import { fakeUpstream } from '../world/fake-upstream.ts'

const kibibyte = 1024
const mebibyte = 1024 * 1024

/** Lists one tool of many octets in each of its pages. */
function upstreamOf(
  server: string,
  namespace: string | undefined,
  pages: number,
  description: () => string = () => 'a',
): Upstream {
  const fake = fakeUpstream(({ text }) => {
    const { id, params } = JSON.parse(text) as { id: number; params: { cursor?: string } }
    const page = Number(params.cursor ?? 0)
    const next = page + 1 < pages ? `,"nextCursor":"${page + 1}"` : ''
    const tool = `{"name":"t${page}","description":"${description().repeat(60 * kibibyte)}"}`
    return {
      body: `{"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete","tools":[${tool}]${next}}}`,
    }
  })
  const config = { ...fake.config, server, ...(namespace === undefined ? {} : { namespace }) }
  return { ...fake, config }
}

interface Stage {
  readonly catalogues: ReturnType<typeof createCatalogues>
  readonly upstreams: Map<string, Upstream>
  readonly warned: object[]
  readonly clock: { now: number }
  /** How many of its tools are known, after each was looked for. */
  known(upstream: Upstream, pages: number): Promise<number>
}

function openStage(upstreams: readonly Upstream[]): Stage {
  const current = new Map(upstreams.map((each) => [each.config.server, each]))
  const warned: object[] = []
  const clock = { now: 1_000_000 }
  const catalogues = createCatalogues({
    answerBytesMax: defaultLimits.answerBytesMax,
    turns: createTurns(),
    upstreams: current,
    shares: defaultLimits,
    octetsMax: 4 * mebibyte,
    now: () => clock.now,
    log: { ...silentLog, warn: (fields) => void warned.push(fields) },
    metrics: silentMetrics,
  })
  return {
    catalogues,
    upstreams: current,
    warned,
    clock,
    async known(upstream, pages) {
      const catalogue = catalogues.of(upstream, 'modern')
      const names = Array.from({ length: pages }, (_, page) => `t${page}`)
      await catalogue.find('none')
      const found = await Promise.all(names.map(async (name) => catalogue.find(name)))
      return found.filter((definition) => definition !== undefined).length
    },
  }
}

test('the servers of one namespace together have its share of what is known, and another namespace loses nothing of it', async () => {
  requirement('gateway.catalogues-bounded')
  const other = upstreamOf('other--files', 'other', 3)
  const operators = upstreamOf('files', undefined, 3)
  const many = Array.from({ length: 60 }, (_, at) => upstreamOf(`greedy--${at}`, 'greedy', 2))
  const stage = openStage([other, operators, ...many])
  const { catalogues, warned } = stage
  assert.equal(await stage.known(other, 3), 3)
  let known = 0
  for (const each of many) known += await stage.known(each, 2)
  assert.ok(known > 0 && known * 60 * kibibyte < 1.5 * mebibyte, `got=${known}`)
  assert.ok(catalogues.takenOctets() < 2 * mebibyte, `got=${catalogues.takenOctets()}`)
  assert.equal(await stage.known(other, 3), 3)
  assert.equal(await stage.known(operators, 3), 3)
  const full = warned.filter((fields) => 'full' in fields) as unknown as {
    readonly server: string
  }[]
  const servers = full.map(({ server }) => server)
  assert.ok(servers.length > 0 && servers.every((server) => server.startsWith('greedy')))
  assert.equal(new Set(servers).size, servers.length)
})

test('a tool whose definition finds no room is not known, and its server says so', async () => {
  requirement('gateway.catalogues-bounded')
  const upstream = upstreamOf('greedy--files', 'greedy', 100)
  const stage = openStage([upstream])
  const catalogue = stage.catalogues.of(upstream, 'modern')
  assert.equal(await catalogue.find('t99'), undefined)
  assert.equal(catalogue.failure?.failed, 'no room')
  await stage.catalogues.of(upstream, 'legacy').find('t99')
  stage.clock.now += 10_000
  await catalogue.find('t99')
  assert.equal(stage.warned.filter((fields) => 'full' in fields).length, 1)
})

test('what is read on the way is given back, and so is what an upstream had that is no more', async () => {
  requirement('gateway.catalogues-bounded')
  let letter = 'a'
  const upstream = upstreamOf('other--files', 'other', 3, () => letter)
  const stage = openStage([upstream])
  const { catalogues, upstreams } = stage
  const taken = (): number => catalogues.takenOctets()
  assert.equal(await stage.known(upstream, 3), 3)
  const once = taken()
  assert.ok(once > 180 * kibibyte && once < 190 * kibibyte, `got=${once}`)
  stage.clock.now += 10_000
  assert.equal(await stage.known(upstream, 3), 3)
  assert.equal(taken(), once)
  const next = upstreamOf('other--files', 'other', 3)
  upstreams.set('other--files', next)
  catalogues.forgetGone()
  assert.equal(taken(), 0)
  // A call that is still under way with the one before takes nothing any more.
  letter = 'b'
  stage.clock.now += 10_000
  await catalogues.of(upstream, 'modern').find('none')
  assert.equal(taken(), 0)
  assert.equal(await stage.known(next, 3), 3)
  assert.equal(taken(), once)
})

const nothing: Listed = { definitions: [], failure: undefined }

test('few listings are under way at a time, and namespaces take turns at them', async () => {
  requirement('gateway.catalogues-bounded')
  const times = { turnMilliseconds: 600_000, waitMilliseconds: 600_000 }
  const inTurn = createListings(defaultLimits, times)
  const begun: string[] = []
  const ends: (() => void)[] = []
  const list = (namespace: string, server: string): Promise<Listed> =>
    inTurn([namespace, namespace, `${namespace} ${server}`], () => {
      begun.push(namespace)
      return new Promise((resolve) => ends.push(() => resolve(nothing)))
    })
  const all = Array.from({ length: 20 }, (_, at) => list('greedy', String(at)))
  assert.deepEqual(begun, ['greedy', 'greedy'])
  all.push(list('other', 'files'), list('third', 'files'), list('fourth', 'files'))
  assert.deepEqual(begun, ['greedy', 'greedy', 'other', 'third'])
  ends[0]?.()
  await eventually('the next has its turn', () => begun.length > 4)
  assert.equal(begun[4], 'fourth')
  for (let at = 1; at < 23; at += 1) {
    await eventually('each has its turn', () => ends.length > at)
    ends[at]?.()
  }
  assert.deepEqual(new Set(await Promise.all(all)), new Set([nothing]))
})

test('a listing that takes long leaves its place, and one without a place in time has failed', async () => {
  requirement('gateway.catalogues-bounded')
  const listings = createListings(defaultLimits, {
    turnMilliseconds: 20,
    waitMilliseconds: 600_000,
  })
  const silent = (): Promise<Listed> => new Promise(() => {})
  for (const name of 'abcdef') void listings([name, name, name], silent)
  assert.equal(await listings(['other', 'other', 'files'], async () => nothing), nothing)
  const hasty = createListings(defaultLimits, { turnMilliseconds: 600_000, waitMilliseconds: 20 })
  const ends: (() => void)[] = []
  const slow = (): Promise<Listed> => new Promise((resolve) => ends.push(() => resolve(nothing)))
  for (const name of 'abcd') void hasty([name, name, name], slow)
  const { failure } = await hasty(['other', 'other', 'files'], async () => nothing)
  assert.equal(failure?.failed, 'time-out')
  for (const end of ends) end()
})
