import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dutiesOf } from '../../../src/gateway/permit/obligations.ts'
import type { Obligation } from '../../../src/policy/decision.ts'
import { requirement } from '../../requirements.ts'

function read(...obligations: Obligation[]): ReturnType<typeof dutiesOf> {
  return dutiesOf({ allow: true, reasons: [], obligations })
}

const rate = {
  id: 'slow',
  type: 'rate-limit',
  properties: { per: ['identity'], calls: 3, seconds: 60 },
}
const few = { id: 'few', type: 'concurrency-limit', properties: { per: ['tool'], concurrent: 2 } }

test('limits are read as they are', () => {
  assert.deepEqual(read(rate, few), {
    rates: [{ id: 'slow', per: ['identity'], calls: 3, seconds: 60 }],
    concurrencies: [{ id: 'few', per: ['tool'], concurrent: 2 }],
    results: { octetsMax: Infinity, readableOnly: false },
  })
})

const octets = { id: 'octetsMax', type: 'result-octets', properties: { value: 100 } }
const readable = { id: 'resources', type: 'result-resources', properties: { value: 'readable' } }

test('of several limits of a result the narrowest counts', () => {
  const less = { ...octets, properties: { value: 10 } }
  assert.deepEqual(read(octets, less, readable), {
    rates: [],
    concurrencies: [],
    results: { octetsMax: 10, readableOnly: true },
  })
})

/** What makes a refusal of a permit, and the code of it. */
const unmet: Readonly<Record<string, readonly [Obligation, string]>> = {
  'of no type that is known': [{ ...rate, type: 'ask-a-human' }, 'obligation-unknown'],
  'of a type in other letters': [{ ...rate, type: 'Rate-limit' }, 'obligation-unknown'],
  ...Object.fromEntries(
    Object.entries({
      'without parties': { calls: 1, seconds: 1 },
      'for nobody': { per: [], calls: 1, seconds: 1 },
      'for an unknown party': { per: ['identity', 'pod'], calls: 1, seconds: 1 },
      'for one party as text': { per: 'identity', calls: 1, seconds: 1 },
      'of no call': { per: ['identity'], calls: 0, seconds: 1 },
      'of half a call': { per: ['identity'], calls: 0.5, seconds: 1 },
      'of calls as text': { per: ['identity'], calls: '1', seconds: 1 },
      'without a time': { per: ['identity'], calls: 1 },
      'for longer than a day': { per: ['identity'], calls: 1, seconds: 86_401 },
      'with a member that nobody knows': { per: ['identity'], calls: 1, seconds: 1, burst: 9 },
    }).map(([what, properties]) => [what, [{ ...rate, properties }, 'obligation-invalid']]),
  ),
  'of no open calls': [{ ...few, properties: { per: ['tool'] } }, 'obligation-invalid'],
  'of open calls, with a time': [
    { ...few, properties: { per: ['tool'], concurrent: 1, seconds: 1 } },
    'obligation-invalid',
  ],
  'of a result of no octets': [{ ...octets, properties: { value: 0 } }, 'obligation-invalid'],
  'of a result of octets as text': [
    { ...octets, properties: { value: '9' } },
    'obligation-invalid',
  ],
  'of a result without a number': [{ ...octets, properties: {} }, 'obligation-invalid'],
  'of a result, with a member that nobody knows': [
    { ...octets, properties: { value: 9, unit: 'KiB' } },
    'obligation-invalid',
  ],
  'of resources that are not readable': [
    { ...readable, properties: { value: 'any' } },
    'obligation-invalid',
  ],
  'of a result of another kind': [{ ...octets, type: 'result-unknown' }, 'obligation-unknown'],
  'with a name that is none': [{ ...few, id: 'a "b"' }, 'obligation-invalid'],
}

for (const [what, [obligation, code]] of Object.entries(unmet)) {
  test(`an obligation ${what} is not met, whatever stands before it`, () => {
    requirement('gateway.obligations-met')
    const duties = read(rate, obligation)
    assert.ok('unmet' in duties)
    assert.equal(duties.unmet.reason.code, code)
  })
}
