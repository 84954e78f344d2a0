import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCatalogue } from '../../../src/gateway/tools/catalogue.ts'
import { digestDefinition, parseDefinition } from '../../../src/gateway/tools/definition.ts'
import type { ExchangeFailure } from '../../../src/gateway/upstreams/exchange.ts'
import { silentLog } from '../../../src/log.ts'

test('order and white space are no part of a definition', () => {
  const one = '{"name":"a","inputSchema":{"type":"object","x":[1,2.5,true,null]}}'
  const two = ' { "inputSchema" : {"x":[1, 2.5,true , null],"type":"object"} , "name":"\\u0061" }'
  assert.equal(digestDefinition(one), digestDefinition(two))
})

for (const [one, two] of [
  ['{"name":"a","description":"x"}', '{"name":"a","description":"y"}'],
  ['{"name":"a","x":[1,2]}', '{"name":"a","x":[2,1]}'],
  ['{"name":"a","x":9007199254740993}', '{"name":"a","x":9007199254740992}'],
  ['{"name":"a","x":0.1}', '{"name":"a","x":0.10000000000000000001}'],
  ['{"name":"a","x":1}', '{"name":"a","x":"1"}'],
] as const) {
  test(`another definition, another digest: ${one} and ${two}`, () => {
    assert.notEqual(digestDefinition(one), digestDefinition(two))
  })
}

test('what describes no tool is no definition', () => {
  for (const text of ['null', '[]', '{}', '{"name":""}', '{"name":7}']) {
    assert.equal(parseDefinition(Buffer.from(text)), undefined)
  }
})

function catalogueOf(listed: () => readonly string[] | ExchangeFailure): {
  catalogue: ReturnType<typeof createCatalogue>
  lists: () => number
  clock: { now: number }
} {
  const clock = { now: 1_000_000 }
  let lists = 0
  const catalogue = createCatalogue({
    list: () => {
      lists += 1
      const texts = listed()
      return Promise.resolve('failed' in texts ? texts : texts.map((text) => Buffer.from(text)))
    },
    server: 'files',
    now: () => clock.now,
    log: silentLog,
  })
  return { catalogue, lists: () => lists, clock }
}

test('a tool that is not known is looked for once, and not again for a while', async () => {
  const { catalogue, lists, clock } = catalogueOf(() => ['{"name":"a"}'])
  const [one, two] = await Promise.all([catalogue.find('a'), catalogue.find('b')])
  assert.equal(one?.name, 'a')
  assert.equal(two, undefined)
  assert.equal(lists(), 1)
  assert.equal(await catalogue.find('b'), undefined)
  assert.equal(lists(), 1)
  clock.now += 2001
  assert.equal(await catalogue.find('b'), undefined)
  assert.equal(lists(), 2)
})

test('a definition that is old is served, and listed again beside that', async () => {
  let description = 'first'
  const { catalogue, lists, clock } = catalogueOf(() => [
    `{"name":"a","description":"${description}"}`,
  ])
  const first = await catalogue.find('a')
  description = 'second'
  clock.now += 61_000
  assert.equal(await catalogue.find('a'), first)
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(lists(), 2)
  assert.notEqual((await catalogue.find('a'))?.digest, first?.digest)
})

test('an upstream that cannot be listed keeps what was known of it', async () => {
  let failing = false
  const { catalogue, clock } = catalogueOf(() =>
    failing ? { failed: 'unreachable', detail: '' } : ['{"name":"a"}', 'null', '{"name":"b"}'],
  )
  await catalogue.find('a')
  failing = true
  clock.now += 61_000
  assert.equal(await catalogue.find('nothing'), undefined)
  assert.equal((await catalogue.find('b'))?.name, 'b')
})

test('a list that a caller was given teaches the catalogue', async () => {
  const { catalogue } = catalogueOf(() => ['{"name":"a"}'])
  const known = await catalogue.find('a')
  assert.equal(catalogue.learn(Buffer.from('{"name":"a"}')), known)
  const changed = catalogue.learn(Buffer.from('{"name":"a","description":"new"}'))
  assert.notEqual(changed?.digest, known?.digest)
  assert.equal(await catalogue.find('a'), changed)
})
