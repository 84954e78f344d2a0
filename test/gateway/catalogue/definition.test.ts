import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCatalogue, type Catalogue } from '../../../src/gateway/catalogue/catalogue.ts'
import { digestDefinition } from '../../support/digest-definition.ts'
import { parseDefinition, type Definition } from '../../../src/gateway/catalogue/definition.ts'
import type { Candidate } from '../../../src/gateway/catalogue/pages.ts'
import type { Soon } from '../../../src/gateway/soon.ts'
import { skipValue } from '../../../src/mcp/skip.ts'
import { createTurns } from '../../../src/gateway/turns.ts'
import { passList } from '../../../src/mcp/listed.ts'
import type { ExchangeFailure } from '../../../src/gateway/upstream/exchange.ts'
import { silentLog } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import { requirement } from '../../requirements.ts'
import { boundless } from '../world/room.ts'

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
  ['{"name":"a","x":1}', '{"name":"a","x":1.00000000000000000001}'],
  ['{"name":"a","x":[1]}', '{"name":"a","x":[ 100000000000000000001e-20]}'],
  ['{"name":"a","x":0}', '{"name":"a","x":1e-400}'],
  ['{"name":"a","x":-7}', '{"name":"a","x":-7.00000000000000000001E0}'],
] as const) {
  test(`another definition, another digest: ${one} and ${two}`, () => {
    requirement('gateway.digest-of-decimals')
    assert.notEqual(digestDefinition(one), digestDefinition(two))
  })
}

test('one number is one number, however it is written', () => {
  for (const same of ['1.0', '1e0', '10e-1', '0.1e1', '1.000', '100E-2']) {
    assert.equal(
      digestDefinition(`{"name":"a","x":${same}}`),
      digestDefinition('{"name":"a","x":1}'),
    )
  }
  for (const zero of ['-0', '0.000', '0e5', '-0.0E-3']) {
    assert.equal(
      digestDefinition(`{"name":"a","x":${zero}}`),
      digestDefinition('{"name":"a","x":0}'),
    )
  }
})

const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
const tool = (members: string): string => `{"name":"a",${members}}`

for (const [what, text, why] of [
  ['null', 'null', 'the body is not a JSON object'],
  ['an array', '[]', 'batches are not served'],
  ['nothing', '{}', 'it has no name'],
  ['an empty name', '{"name":""}', 'it has no name'],
  ['a number for a name', '{"name":7}', 'it has no name'],
  ['a long name', `{"name":"${'a'.repeat(129)}"}`, 'its name is too long, want=..128'],
  ['too much of it', tool(`"x":"${'a'.repeat(65_536)}"`), 'it is too large, want=..65536'],
  ['a depth of 33', tool(`"x":${nested(32)}`), 'nesting too deep, want=..32'],
  ['a depth of 20,000', tool(`"x":${nested(20_000)}`), 'nesting too deep, want=..32'],
  [
    'half a surrogate pair',
    tool('"x":"\\ud800"'),
    'half a surrogate pair in the string at octet 16',
  ],
  ['a member twice, deep in it', tool('"x":{"y":[{"z":1,"z":2}]}'), 'a second member "z"'],
  [
    'a second name in another case',
    tool('"Name":"b"'),
    'a member "Name" that resembles a known one',
  ],
  [
    'annotations that are large',
    tool(`"annotations":{"x":"${'a'.repeat(4096)}"}`),
    'its annotations cannot be asked about',
  ],
  [
    'annotations with a number beyond all',
    tool('"annotations":{"x":1e400}'),
    'its annotations cannot be asked about',
  ],
] as const) {
  test(`what has ${what} is no definition`, () => {
    assert.equal(parseDefinition(Buffer.from(text)), why)
  })
}

test('a definition may be as deep, as large and as exact as the bounds say', () => {
  const definition = parseDefinition(Buffer.from(tool(`"x":${nested(31)},"n":9007199254740993`)))
  assert.equal(typeof definition === 'string' ? definition : definition.name, 'a')
})

const bounds = { elementsMax: 10_000 }

function learn(catalogue: Catalogue, text: string): Soon<readonly Definition[]> {
  const octets = Buffer.from(text)
  const list = passList(octets, 0, { ...bounds, room: { left: 1_000_000 } })
  assert.ok(typeof list !== 'number')
  return catalogue.learn(octets, list, ['acme', 'research', 'agent'])
}

function candidateOf(text: string): Candidate {
  const octets = Buffer.from(text)
  const room = { left: 1_000_000 }
  assert.equal(skipValue(octets, 0, room), octets.length)
  return { octets, values: 1_000_000 - room.left }
}

function catalogueOf(listed: () => readonly string[] | ExchangeFailure): {
  catalogue: ReturnType<typeof createCatalogue>
  lists: () => number
  clock: { now: number }
  warned: object[]
  counted: string[]
} {
  const clock = { now: 1_000_000 }
  let lists = 0
  const warned: object[] = []
  const counted: string[] = []
  const catalogue = createCatalogue({
    list: () => {
      lists += 1
      const texts = listed()
      const failure = 'failed' in texts ? texts : undefined
      const definitions = 'failed' in texts ? [] : texts.map(candidateOf)
      return Promise.resolve({ definitions, failure })
    },
    turns: createTurns(),
    room: boundless,
    server: 'files',
    now: () => clock.now,
    log: { ...silentLog, warn: (fields) => void warned.push(fields) },
    metrics: { ...silentMetrics, count: (name) => void counted.push(name) },
  })
  return { catalogue, lists: () => lists, clock, warned, counted }
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

test('a list that fails is told, so that a tool which is not known is not taken for one that is not there', async () => {
  let down = true
  const { catalogue, clock } = catalogueOf(() =>
    down ? { failed: 'unreachable', detail: 'refused' } : ['{"name":"a"}'],
  )
  assert.equal(await catalogue.find('a'), undefined)
  assert.deepEqual(catalogue.failure, { failed: 'unreachable', detail: 'refused' })
  assert.equal(await catalogue.find('a'), undefined)
  assert.notEqual(catalogue.failure, undefined)
  down = false
  clock.now += 2001
  assert.equal((await catalogue.find('a'))?.name, 'a')
  assert.equal(catalogue.failure, undefined)
})

test('why a list is not whole is logged once, as long as it stays the same', async () => {
  let detail = 'refused'
  const { catalogue, clock, warned } = catalogueOf(() =>
    detail === '' ? [] : { failed: 'unreachable', detail },
  )
  for (const next of ['refused', 'refused', 'reset', '', 'reset']) {
    detail = next
    clock.now += 2001
    await catalogue.find('a')
  }
  const details = warned.map((fields) => (fields as { readonly detail: string }).detail)
  assert.deepEqual(details, ['refused', 'reset', 'reset'])
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
  assert.equal((await learn(catalogue, '[{"name":"a"}]'))[0], known)
  const [changed] = await learn(catalogue, '[{"name":"a","description":"new"}]')
  assert.notEqual(changed?.digest, known?.digest)
  assert.equal(await catalogue.find('a'), changed)
})

test('a list that comes back is current again', async () => {
  const { catalogue } = catalogueOf(() => ({ failed: 'unreachable', detail: 'refused' }))
  const textOf = (what: string): string => `[{"name":"a","description":"${what}"},{"name":"b"}]`
  const first = await learn(catalogue, textOf('one'))
  await learn(catalogue, textOf('other'))
  assert.notEqual(await catalogue.find('a'), first[0])
  assert.equal(await learn(catalogue, textOf('one')), first)
  assert.equal(await catalogue.find('a'), first[0])
})

for (const unfit of [
  '{"name":"c","c":1,"c":2}',
  '{"name":7}',
  '{}',
  '"x"',
  '[[]]',
  '1e9',
  'null',
]) {
  test(`what is no definition spoils no list: ${unfit}`, async () => {
    const { catalogue } = catalogueOf(() => [])
    const listed = await learn(catalogue, `[{"name":"a"},${unfit},{"name":"b"}]`)
    assert.deepEqual(
      listed.map(({ name }) => name),
      ['a', 'b'],
    )
  })
}

test('a definition says where its name stands', () => {
  const text = ' {"x":{"name":1}, "name" : "\\u0061b" ,"annotations":{"title":"é"}}'
  const definition = parseDefinition(Buffer.from(text))
  assert.ok(typeof definition !== 'string')
  const { octets } = definition
  const { start, end } = definition.nameSpan()
  assert.equal(octets.toString('utf8', start, end), '"\\u0061b"')
})

test('of several tools of one name none is one, and the same tool twice is one', async () => {
  const twins = ['{"name":"a"}', '{"name":"b"}', '{"name":"a","description":"other"}']
  const { catalogue, warned } = catalogueOf(() => twins)
  assert.equal(await catalogue.find('a'), undefined)
  assert.equal((await catalogue.find('b'))?.name, 'b')
  assert.deepEqual(warned, [{ server: 'files', detail: 'several tools have one name, got="a"' }])
  const names = async (text: string): Promise<readonly string[]> =>
    (await learn(catalogue, text)).map(({ name }) => name)
  assert.deepEqual(await names(`[${twins.join(',')}]`), ['b'])
  assert.deepEqual(await names('[{"name":"c"},{ "name":"c" },{"name":"b"}]'), ['c', 'b'])
  assert.equal(await catalogue.find('a'), undefined)
})

test('an unfit definition is counted each time that it is read, and logged once', async () => {
  const { catalogue, warned, counted } = catalogueOf(() => [])
  for (let time = 0; time < 3; time += 1) {
    const text = `[{"name":"a","x":"\\ud800"}${' '.repeat(time)}]`
    assert.deepEqual(await learn(catalogue, text), [])
  }
  const detail = 'half a surrogate pair in the string at octet 16'
  assert.deepEqual(warned, [{ server: 'files', detail }])
  assert.deepEqual(
    counted,
    Array.from({ length: 3 }, () => 'countersign_gateway_bad_tools_total'),
  )
})

test('an upstream of unfit definitions does not fill the log', async () => {
  const { catalogue, warned } = catalogueOf(() => [])
  for (let each = 0; each < 100; each += 1) {
    await learn(catalogue, `[{"name":"a","${each}":1,"${each}":2}]`)
  }
  assert.equal(warned.length, 32)
})

test('the names of a whole list are compared within one bound, not those of each tool', async (t) => {
  requirement('gateway.linear-time')
  const { mock } = t.mock.method(String.prototype, 'normalize')
  const catalogue = createCatalogue({
    list: async () => ({ definitions: [], failure: undefined }),
    turns: createTurns(),
    room: boundless,
    server: 'files',
    now: Date.now,
    log: silentLog,
    metrics: silentMetrics,
  })
  const names = Array.from({ length: 40 }, (_, at) => `"${'\ufdfa'.repeat(250)}${at}":0`)
  const tools = Array.from({ length: 30 }, (_, at) => `{"name":"t${at}",${names.join(',')}}`)
  const learned = await learn(catalogue, `[${tools.join(',')}]`)
  assert.equal(learned.length, 6)
  assert.ok(mock.callCount() < 40 * 30, `got=${mock.callCount()}`)
})
