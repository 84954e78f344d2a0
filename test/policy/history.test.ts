import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  countedAt,
  formatHistory,
  keepNow,
  namesToKeep,
  parseFacts,
} from '../../src/policy/history.ts'
import type { DeclaredFacts, KeptFacts } from '../../src/policy/history.ts'
import { requirement } from '../requirements.ts'

const fact = { seconds: 60, most: 2 }

function declare(history: object): DeclaredFacts {
  const declared = parseFacts({ history })
  assert.ok(declared !== undefined)
  return declared
}

function keptOf(declared: DeclaredFacts, kept: KeptFacts, at: number): object {
  return JSON.parse(formatHistory(countedAt(declared, kept, at))) as object
}

test('a policy that declares nothing has nothing kept', () => {
  assert.equal(parseFacts({}), undefined)
  assert.equal(parseFacts({ history: {} }), undefined)
})

const many = (count: number, each: object): object =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`fact-${index}`, each]))

const refused: Readonly<Record<string, readonly [history: unknown, message: string]>> = {
  'that is no object': [[], 'data.history is of the wrong type, want=object'],
  'with a fact that is none': [
    { calls: 5 },
    'data.history."calls" is of the wrong type, want=object',
  ],
  'with a name that is none': [{ 'Big Calls': fact }, 'data.history."Big Calls" is no stable name'],
  'with a member too many': [
    { calls: { ...fact, per: 'pod' } },
    'data.history."calls" has an unknown member, got="per"',
  ],
  'for no time': [
    { calls: { ...fact, seconds: 0 } },
    'data.history."calls".seconds is out of range, want=1..86400',
  ],
  'for longer than a day': [
    { calls: { ...fact, seconds: 86_401 } },
    'data.history."calls".seconds is out of range, want=1..86400',
  ],
  'of none': [
    { calls: { ...fact, most: 0 } },
    'data.history."calls".most is out of range, want=1..64',
  ],
  'of more than are kept': [
    { calls: { ...fact, most: 65 } },
    'data.history."calls".most is out of range, want=1..64',
  ],
  'of a part': [
    { calls: { ...fact, most: 1.5 } },
    'data.history."calls".most is out of range, want=1..64',
  ],
  'of more facts than there may be': [
    many(17, { seconds: 1, most: 1 }),
    'data.history has too many facts, want=..16 got=17',
  ],
  'of more than one identity may take': [
    many(16, { seconds: 1, most: 17 }),
    'data.history keeps too much, want=..256 got=272',
  ],
}

for (const [title, [history, message]] of Object.entries(refused)) {
  test(`a history ${title} is refused`, () => {
    requirement('policy.history-bounded')
    assert.throws(() => parseFacts({ history }), { code: 'policy/data', message })
  })
}

test('of each fact the newest are kept, and count until their window has passed', () => {
  requirement('policy.history-bounded')
  const declared = declare({ calls: fact, reads: { seconds: 5, most: 1 } })
  let kept: KeptFacts = new Map()
  let until = 0
  for (const at of [1000, 2000, 3000]) {
    const counted = countedAt(declared, kept, at)
    const next = keepNow(declared, counted, {
      names: at === 1000 ? ['calls', 'reads'] : ['calls'],
      at,
    })
    kept = next.facts
    until = next.until
  }
  assert.deepEqual(keptOf(declared, kept, 3000), {
    calls: ['1970-01-01T00:00:02.000Z', '1970-01-01T00:00:03.000Z'],
    reads: ['1970-01-01T00:00:01.000Z'],
  })
  assert.deepEqual(keptOf(declared, kept, 5999), {
    calls: ['1970-01-01T00:00:02.000Z', '1970-01-01T00:00:03.000Z'],
    reads: ['1970-01-01T00:00:01.000Z'],
  })
  assert.deepEqual(keptOf(declared, kept, 6000), {
    calls: ['1970-01-01T00:00:02.000Z', '1970-01-01T00:00:03.000Z'],
    reads: [],
  })
  assert.equal(until, 63_000)
  assert.deepEqual(keptOf(declared, kept, 63_000), { calls: [], reads: [] })
})

test('a clock that was put back makes nothing count less', () => {
  requirement('policy.history-bounded')
  const declared = declare({ calls: fact })
  const { facts, until } = keepNow(declared, new Map([['calls', [90_000]]]), {
    names: ['calls'],
    at: 1000,
  })
  assert.deepEqual(facts.get('calls'), [1000, 90_000])
  assert.equal(until, 150_000)
  assert.equal(countedAt(declared, facts, 500).get('calls')?.length, 2)
})

test('what another policy has declared is told by no name, and forgotten with what is kept next', () => {
  const before: KeptFacts = new Map([['gone', [1000]]])
  const declared = declare({ calls: fact })
  const counted = countedAt(declared, before, 2000)
  assert.equal(formatHistory(counted), '{"calls":[]}')
  assert.deepEqual(
    [...keepNow(declared, counted, { names: ['calls'], at: 2000 }).facts.keys()],
    ['calls'],
  )
})

test('nothing is kept of a permit that names what is not declared', () => {
  requirement('policy.history-kept-first')
  const declared = declare({ calls: fact })
  const keep = (id: string, properties = {}): { id: string; type: string; properties: object } => ({
    id,
    type: 'remember',
    properties,
  })
  const limit = { id: 'x', type: 'rate-limit', properties: {} }
  const named = (...obligations: readonly ReturnType<typeof keep>[]): readonly string[] =>
    namesToKeep(obligations as Parameters<typeof namesToKeep>[0], declared)
  assert.deepEqual(named(keep('calls'), limit), ['calls'])
  assert.deepEqual(named(keep('calls'), keep('cals')), [])
  assert.deepEqual(named(keep('calls', { seconds: 5 })), [])
  assert.deepEqual(named(keep('toString')), [])
  assert.deepEqual(named(limit), [])
})
