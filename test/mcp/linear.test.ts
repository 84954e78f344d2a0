import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parseHeaders } from '../../src/mcp/headers.ts'
import { parseMessage } from '../../src/mcp/message.ts'
import { compareParamHeaders, parseParamHeaders } from '../../src/mcp/param-headers.ts'
import { scan, scanAnswer, scanTool } from '../../src/mcp/scan.ts'
import { elementsOf, membersOf } from '../../src/mcp/spans.ts'
import { headerList } from './vectors.ts'
import { requirement } from '../requirements.ts'

const limits = { depthMax: 64, membersMax: 1_000_000 }
/** Two marks that normalization has to sort, again and again (Unicode Standard Annex #15). */
const marks = (units: number): string => `a${'\u0300\u0316'.repeat(units / 2)}`

const many = (count: number, of: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => of(index)).join(',')
const inParams = (members: string): string => `{"params":{${members}}}`
const inArguments = (members: string): string => inParams(`"arguments":{${members}}`)
const inTools = (elements: string): string => `{"result":{"tools":[${elements}]}}`

/** Texts of about so many units, each made to cost more than its length where a reader looks twice. */
const texts: Readonly<Record<string, (units: number) => string>> = {
  'one name of marks': (units) => inParams(`"${marks(units)}":0`),
  'one argument of marks': (units) => inArguments(`"${marks(units)}":0`),
  'names of marks': (units) => inParams(many(units / 256, (at) => `"${marks(240)}${at}":0`)),
  'arguments of marks': (units) => inArguments(many(units / 256, (at) => `"${marks(240)}${at}":0`)),
  'names with one beginning': (units) =>
    inParams(many(units / 2000, (at) => `"${'n'.repeat(2000)}${at}":0`)),
  'many names': (units) => inArguments(many(units / 8, (at) => `"n${at}":0`)),
  'many elements': (units) => inArguments(`"a":[${many(units / 2, () => '0')}]`),
  'many empty objects': (units) => inArguments(`"a":[${many(units / 3, () => '{}')}]`),
  'a long number': (units) => inArguments(`"a":${'7'.repeat(units)}`),
  'a long fraction': (units) => inArguments(`"a":0.${'0'.repeat(units)}1e${'0'.repeat(units)}`),
  'a long string of escapes': (units) => inArguments(`"a":"${'\\u0041'.repeat(units / 6)}"`),
  'a long string that does not end': (units) => `{"params":"${'\\\\'.repeat(units / 2)}`,
  'white space': (units) => `{${' \t'.repeat(units / 2)}"params":{}}${' '.repeat(units)}`,
  nesting: (units) => inArguments(`"a":${'['.repeat(units)}`),
  'a list of nothings': (units) => inTools(many(units / 2, () => '0')),
  'a list of one deep tool': (units) => inTools('['.repeat(units / 2) + ']'.repeat(units / 2)),
}

/** Seconds of this process's own time, the least of three. */
function cost(work: () => unknown): number {
  const once = (): number => {
    const start = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(start)
    return user + system
  }
  return Math.min(once(), once(), once()) / 1e6
}

const growth = 8

/** What is linear takes eight times as long, what is quadratic sixty-four times; the rest is what caches, collector and clock add. */
function assertLinear(small: () => unknown, large: () => unknown): void {
  small()
  const [less, more] = [cost(small), cost(large)]
  assert.ok(more <= less * growth * 3 + 0.05, `${less} s for 1, ${more} s for ${growth}`)
}

suite('the time that a text takes grows as its length does', () => {
  for (const [what, text] of Object.entries(texts)) {
    const [small, large] = [Buffer.from(text(10_000)), Buffer.from(text(10_000 * growth))]
    test(`a request of ${what}`, () => {
      requirement('attack.exhaustion-by-one')
      requirement('gateway.linear-time')
      assertLinear(
        () => scan(small, limits),
        () => scan(large, limits),
      )
    })
    test(`an answer of ${what}`, () => {
      requirement('gateway.linear-time')
      assertLinear(
        () => scanAnswer(small, limits, 'tools'),
        () => scanAnswer(large, limits, 'tools'),
      )
    })
  }
})

test('no member name is normalized that is longer than 256 units, and a body costs what it weighs', (t) => {
  requirement('gateway.linear-time')
  const { mock } = t.mock.method(String.prototype, 'normalize')
  for (const what of ['one name of marks', 'names of marks', 'arguments of marks'] as const) {
    const octets = Buffer.from(texts[what]?.(50_000) ?? '')
    mock.resetCalls()
    scan(octets, limits)
    const lengths = mock.calls.map((call) => String(call.this).length)
    const total = lengths.reduce((sum, length) => sum + length, 0)
    assert.ok(total <= 4 * octets.length, `${what}: ${total} for ${octets.length}`)
    // Decomposing gives a letter and its marks; none of these becomes more than four.
    assert.ok(
      lengths.every((length) => length <= 1024),
      what,
    )
  }
})

suite('a member name beyond ASCII that is too long to be compared', () => {
  const places: readonly [string, (name: string) => Buffer][] = [
    ['a message', (name) => Buffer.from(`{${name}:0}`)],
    ['params', (name) => Buffer.from(inParams(`${name}:0`))],
    ['_meta', (name) => Buffer.from(inParams(`"_meta":{${name}:0}`))],
    ['arguments', (name) => Buffer.from(inArguments(`${name}:0`))],
    ['arguments, deep', (name) => Buffer.from(inArguments(`"a":[{"b":{${name}:0}}]`))],
  ]
  for (const [where, body] of places) {
    test(`is refused in ${where}`, () => {
      requirement('gateway.linear-time')
      const scanned = scan(body(JSON.stringify('é'.repeat(257))), limits)
      assert.ok('rule' in scanned)
      assert.equal(
        scanned.message,
        `a member "${'é'.repeat(20)}…" too long to be compared with others`,
      )
      assert.ok(!('rule' in scan(body(JSON.stringify('é'.repeat(256))), limits)))
      assert.ok(!('rule' in scan(body(JSON.stringify('e'.repeat(5000))), limits)))
    })
  }

  test('is refused in a result and in a tool, and left alone where nothing compares it', () => {
    requirement('gateway.linear-time')
    const long = JSON.stringify('é'.repeat(257))
    assert.ok('rule' in scanAnswer(Buffer.from(`{"result":{${long}:0}}`), limits, undefined))
    assert.ok('rule' in scanTool(Buffer.from(`{${long}:0}`), limits))
    assert.ok(!('rule' in scan(Buffer.from(inParams(`"task":{${long}:0}`)), limits)))
  })
})

test('so many names beyond ASCII are compared in one message, and no more', () => {
  requirement('gateway.linear-time')
  const body = (count: number): Buffer =>
    Buffer.from(inArguments(many(count, (at) => `"${'é'.repeat(60)}${1000 + at}":0`)))
  assert.ok(!('rule' in scan(body(1024), limits)))
  const scanned = scan(body(1025), limits)
  assert.ok('rule' in scanned)
  assert.equal(scanned.message, 'too many names beyond ASCII to be compared with others')
})

suite('a list is counted while it is read', () => {
  const list = (count: number): Buffer => Buffer.from(inTools(many(count, () => '0')))
  test('one element over the bound is no list', () => {
    requirement('gateway.linear-time')
    const bound = { ...limits, listedMax: 5 }
    assert.ok(!('rule' in scanAnswer(list(5), bound, 'tools')))
    const scanned = scanAnswer(list(6), bound, 'tools')
    assert.deepEqual(scanned, {
      rule: 'members',
      message: 'too many elements in the list, want=..5',
    })
  })

  test('eight megabytes of nothings are refused at the ten thousandth and first', () => {
    requirement('gateway.linear-time')
    const octets = list(4_000_000)
    const before = process.memoryUsage().heapUsed
    const scanned = scanAnswer(octets, { depthMax: 256, membersMax: 1_000_000 }, 'tools')
    assert.deepEqual(scanned, {
      rule: 'members',
      message: 'too many elements in the list, want=..10000',
    })
    assert.ok(process.memoryUsage().heapUsed - before < 4_000_000)
  })

  test('what one tool of a list holds is counted too', () => {
    requirement('gateway.linear-time')
    const octets = Buffer.from(inTools(`{"a":[${many(20, () => '{}')}]}`))
    const scanned = scanAnswer(octets, { depthMax: 64, membersMax: 20 }, 'tools')
    assert.ok('rule' in scanned)
    assert.equal(scanned.message, 'too many members and elements, want=..20')
  })
})

suite('the time that spans take grows as their text does', () => {
  const shapes: Readonly<Record<string, (count: number) => string>> = {
    elements: (count) => `[${many(count, () => '0')}]`,
    'deep elements': (count) => `[${'['.repeat(count)}${']'.repeat(count)}]`,
    members: (count) => `{${many(count, (at) => `"n${at}":{}`)}}`,
  }
  for (const [what, shape] of Object.entries(shapes)) {
    test(`of ${what}`, () => {
      requirement('gateway.linear-time')
      const read = (count: number): (() => unknown) => {
        const octets = Buffer.from(shape(count))
        const span = { start: 0, end: octets.length }
        return () => elementsOf(octets, span) ?? membersOf(octets, span)
      }
      assertLinear(read(5000), read(5000 * growth))
    })
  }
})

suite('the time that headers take grows as they do', () => {
  const repeated = (count: number, name: string, value: (at: number) => string): string[] =>
    Array.from({ length: count }, (_, at) => [name, value(at)]).flat()
  const lists: Readonly<Record<string, (count: number) => string[]>> = {
    'lines that nobody reads': (count) => repeated(count, 'X-Any', String),
    'one long accept': (count) => headerList({ Accept: '*/*;q=0,'.repeat(count) }),
    'one accept with many parameters': (count) =>
      headerList({ Accept: `*/*${';a=1'.repeat(count)}` }),
    'one content type with many parameters': (count) =>
      headerList({ 'Content-Type': `application/json${'; '.repeat(count)}` }),
    'one long name': (count) => headerList({ 'Mcp-Name': `=?base64?${'A'.repeat(count)}?=` }),
    blanks: (count) => headerList({ 'Mcp-Method': `${' \t'.repeat(count)}x` }),
  }
  const body = Buffer.from('{"jsonrpc":"2.0","method":"notifications/cancelled"}')
  for (const [what, list] of Object.entries(lists)) {
    test(`of ${what}`, () => {
      requirement('gateway.linear-time')
      const [small, large] = [list(20_000), list(20_000 * growth)]
      assertLinear(
        () => [parseHeaders(small), parseMessage(body, small)],
        () => [parseHeaders(large), parseMessage(body, large)],
      )
    })
  }

  test('of a tool that declares many, called with many', () => {
    requirement('gateway.linear-time')
    const read = (count: number): (() => unknown) => {
      const entries = Array.from({ length: count }, (_, at) => [
        `p${at}`,
        { type: 'string', 'x-mcp-header': `P${at}` },
      ])
      const schema = { properties: Object.fromEntries(entries) as object }
      const headers = repeated(count, 'Mcp-Param-Other', String)
      return () => {
        const declared = parseParamHeaders(schema)
        assert.ok(!('code' in declared))
        return compareParamHeaders(declared, {}, headers)
      }
    }
    assertLinear(read(1000), read(1000 * growth))
  })
})
