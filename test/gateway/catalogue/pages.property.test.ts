import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createCatalogue, type Catalogue } from '../../../src/gateway/catalogue/catalogue.ts'
import { parseDefinition } from '../../../src/gateway/catalogue/definition.ts'
import { createTurns } from '../../../src/gateway/turns.ts'
import { judgeAnswer, type AnswerVerdict } from '../../../src/gateway/upstream/judge-answer.ts'
import { silentLog } from '../../../src/log.ts'
import { scanAnswer, scanTool } from '../../../src/mcp/scan.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import { requirement } from '../../requirements.ts'
import { boundless } from '../world/room.ts'

const asked = { era: 'modern', method: 'tools/list', id: { value: 1 } } as const

function open(): Catalogue {
  return createCatalogue({
    list: async () => ({ definitions: [], failure: { failed: 'unreachable', detail: '' } }),
    turns: createTurns((next) => queueMicrotask(next)),
    room: boundless,
    server: 'files',
    now: Date.now,
    log: silentLog,
    metrics: silentMetrics,
  })
}

/** Texts of which most are definitions, and some are none, or no JSON. */
const element = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 3 }))
      .map(([name, kind]) => `{"name":"t${name}","description":"${kind}, é [{,\\""}`),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '{"name":"t1","x":[1,{"y":[]}],"x2":{}}',
      ' { "name" : "t2" } ',
      '{"name":"t3","a":1,"a":2}',
      '{"name":"t3"',
      '{"name":"t4"}}',
      '"t4"',
      '[[]]',
      '7',
      '',
    ),
  },
)
const texts = fc.array(element, { maxLength: 8 })

function answerOf(elements: readonly string[]): Buffer {
  const result = `{"resultType":"complete","tools":[${elements.join(',')}],"ttlMs":1}`
  return Buffer.from(`{"jsonrpc":"2.0","id":1,"result":${result}}`)
}

/** Judges as one who knows what was read before, and as one who knows nothing: where everything stands is one and the same. */
function judgeBoth(warm: Catalogue, octets: Buffer): void {
  const known = judgeAnswer(asked, octets, warm.recognizer())
  const cold = judgeAnswer(asked, octets)
  assert.deepEqual(spansOf(known, known), spansOf(cold, known), octets.toString())
}

/** As much as both tell: there are no elements where a whole list was known. */
function spansOf(verdict: AnswerVerdict, least: AnswerVerdict): unknown {
  if (verdict.kind !== 'response' || verdict.list === undefined) return verdict
  const isKnown = least.kind === 'response' && least.list?.elements === 'known'
  const { elements, ...list } = verdict.list
  if (isKnown || typeof elements === 'string') return { ...verdict, list }
  const spans = elements.map(({ start, end, values }) => ({ start, end, values }))
  return { ...verdict, list: { ...list, spans } }
}

async function namesAndDigests(catalogue: Catalogue, octets: Buffer): Promise<unknown> {
  const verdict = judgeAnswer(asked, octets, catalogue.recognizer())
  if (verdict.kind !== 'response' || verdict.list === undefined) return verdict
  const definitions = await catalogue.learn(octets, verdict.list, ['acme', 'research', 'agent'])
  return definitions.map(({ name, digest }) => `${name} ${digest}`)
}

test('a list is read as it is, whatever was read before it', async () => {
  requirement('gateway.lists-decided-anew')
  await fc.assert(
    fc.asyncProperty(fc.array(texts, { maxLength: 4 }), texts, async (before, now) => {
      const warm = open()
      for (const each of before) await namesAndDigests(warm, answerOf(each))
      const octets = answerOf(now)
      judgeBoth(warm, octets)
      assert.deepEqual(await namesAndDigests(warm, octets), await namesAndDigests(open(), octets))
    }),
    { numRuns: 1500 },
  )
})

test('a list that has changed in one octet is read as that list', async () => {
  const tools = Array.from({ length: 6 }, (_, at) => `{"name":"t${at}","a":[{"b":"c"},1]}`)
  const known = answerOf(tools)
  const warm = open()
  await namesAndDigests(warm, known)
  for (let at = 0; at < known.length; at += 1) {
    for (const octet of [0x22, 0x2c, 0x5d, 0x7d, 0x61]) {
      const octets = Buffer.from(known)
      octets[at] = octet
      judgeBoth(warm, octets)
    }
  }
})

for (const [what, tools] of Object.entries({
  'the very list': ['{"name":"a","x":[1,2]}', '{"name":"b"}'],
  'an element of it': ['{"name":"a","x":[1,2]}', '{"name":"c"}'],
})) {
  test(`what was read before counts as much as what was not: ${what}`, async () => {
    requirement('gateway.lists-bounded-while-read')
    const warm = open()
    await namesAndDigests(warm, answerOf(['{"name":"a","x":[1,2]}', '{"name":"b"}']))
    // Three members of the answer, three of its result, two elements, and five in them.
    for (const [membersMax, isFit] of [
      [13, true],
      [12, false],
    ] as const) {
      for (const recognizer of [warm.recognizer(), undefined]) {
        const bounds = { depthMax: 32, membersMax }
        const scanned = scanAnswer(answerOf(tools), bounds, 'tools', recognizer)
        assert.equal('rule' in scanned ? scanned.rule : 'fit', isFit ? 'fit' : 'members')
      }
    }
  })
}

/** Canonical JSON as RFC 8785 has it, as long as there is no number in it that needs care. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([name, each]) => `${JSON.stringify(name)}:${canonical(each)}`).join(',')}}`
}

const name = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom('name', 'description', 'inputSchema', 'x', 'y', '1', '0'),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('Name', '__proto__', 'náme', 'n\\u0061me', '\\/', 'x\\"y', 'ſ'),
  },
  {
    weight: 1,
    arbitrary: fc.string({ maxLength: 4 }).map((text) => JSON.stringify(text).slice(1, -1)),
  },
)
const scalar = fc.oneof(
  fc.constantFrom(
    '1',
    '-0',
    '1.50',
    '"a"',
    '"\\u00e9"',
    '"\\ud800"',
    '"\\n"',
    '"é€😀"',
    'true',
    'null',
    '12345678901234567890',
  ),
  fc.string().map((text) => JSON.stringify(text)),
)
/** JSON texts that may name a member twice. */
const { tool } = fc.letrec<{ tool: string; value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }).map((each) => `[${each.join(', ')}]`),
    tie('tool'),
  ),
  tool: fc
    .array(fc.tuple(name, tie('value')), { maxLength: 4 })
    .map((each) => `{${each.map(([own, value]) => `"${own}" :${value}`).join(',')}}`),
}))

test('a definition is one exactly where the scanner finds it fit, with the digest of all of it', () => {
  let fit = 0
  fc.assert(
    fc.property(tool, (members) => {
      const text = members === '{}' ? members : `{"name":"t",${members.slice(1)}`
      const octets = Buffer.from(text)
      const scanned = scanTool(octets, { depthMax: 32, membersMax: 10_000 })
      const read = parseDefinition(octets)
      if ('rule' in scanned) {
        assert.equal(read, scanned.message)
        return
      }
      if (typeof read === 'string') {
        assert.match(read, /^it(s| has)/)
        return
      }
      fit += 1
      assert.deepEqual(read.name, scanned.value['name'])
      if (/[0-9][.eE]|[0-9]{16}/.test(text)) return
      assert.equal(read.digest, hash('sha256', canonical(scanned.value), 'hex'))
    }),
    { numRuns: 5000 },
  )
  assert.ok(fit > 500, `got=${fit}`)
})

for (const [what, text] of [
  ['as deep as it may be', `{"name":"a","x":${'['.repeat(31)}${']'.repeat(31)}}`],
  ['deeper', `{"name":"a","x":${'['.repeat(32)}${']'.repeat(32)}}`],
  ['as full as it may be', `{"name":"a","x":[${'0,'.repeat(9997)}0]}`],
  ['fuller', `{"name":"a","x":[${'0,'.repeat(9998)}0]}`],
  [
    'of many members',
    `{"name":"a",${Array.from({ length: 40 }, (_, at) => `"${(at * 7) % 40}x":0`).join(',')}}`,
  ],
  ['very deep', `{"name":"a","x":${'['.repeat(9000)}1.0${']'.repeat(9000)}}`],
] as const) {
  test(`a definition that is ${what} is judged as the scanner judges it`, () => {
    const octets = Buffer.from(text)
    const scanned = scanTool(octets, { depthMax: 32, membersMax: 10_000 })
    const read = parseDefinition(octets)
    if ('rule' in scanned) assert.equal(read, scanned.message)
    else
      assert.equal(
        typeof read === 'string' ? read : read.digest,
        hash('sha256', canonical(scanned.value), 'hex'),
      )
  })
}
