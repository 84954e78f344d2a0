import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parseDecision } from '../../src/policy/decision.ts'
import { requirement } from '../requirements.ts'

const reason = { code: 'not-granted', message: 'the tool is not granted', audience: 'agent' }
const obligation = { id: '1', type: 'step-up', properties: { level: 2 } }
const allowed = { allow: true, reasons: [], obligations: [] }

test('a decision is read as it is', () => {
  for (const decision of [
    allowed,
    { ...allowed, obligations: [obligation] },
    { allow: false, reasons: [reason, { ...reason, audience: 'operator' }], obligations: [] },
  ]) {
    assert.deepEqual(parseDecision(decision), decision)
  }
})

const odd: Readonly<Record<string, readonly [unknown, string]>> = {
  undefined: [undefined, 'decision is of the wrong type, want=object got=undefined'],
  null: [null, 'decision is of the wrong type, want=object got=null'],
  true: [true, 'decision is of the wrong type, want=object got=boolean'],
  'a list': [[allowed], 'decision is of the wrong type, want=object got=array'],
  'an empty object': [{}, 'allow is of the wrong type, want=boolean got=undefined'],
  'another member': [
    { ...allowed, deny: true },
    'decision has an unknown member, want=allow|reasons|obligations got="deny"',
  ],
  'allow as text': [
    { ...allowed, allow: 'true' },
    'allow is of the wrong type, want=boolean got=string',
  ],
  'allow as a number': [
    { ...allowed, allow: 1 },
    'allow is of the wrong type, want=boolean got=number',
  ],
  'allow as null': [
    { ...allowed, allow: null },
    'allow is of the wrong type, want=boolean got=null',
  ],
  'no reasons': [
    { allow: true, obligations: [] },
    'reasons are of the wrong type, want=array got=undefined',
  ],
  'no obligations': [
    { allow: true, reasons: [] },
    'obligations are of the wrong type, want=array got=undefined',
  ],
  'obligations as an object': [
    { ...allowed, obligations: { 0: obligation } },
    'obligations are of the wrong type, want=array got=object',
  ],
  'too many reasons': [
    { ...allowed, reasons: Array.from({ length: 65 }, () => reason) },
    'reasons are too many, want=..64 got=65',
  ],
  'a reason as text': [
    { ...allowed, reasons: ['no'] },
    'reason is of the wrong type, want=object got=string',
  ],
  'a reason for nobody': [
    { ...allowed, reasons: [{ ...reason, audience: 'all' }] },
    'audience of a reason is neither agent nor operator',
  ],
  'a reason with an unstable code': [
    { ...allowed, reasons: [{ ...reason, code: 'Not granted' }] },
    'code of a reason is no stable name, want=[a-z][a-z0-9_-]{0,63} got="Not granted"',
  ],
  'a reason with a long message': [
    { ...allowed, reasons: [{ ...reason, message: 'x'.repeat(1025) }] },
    'message of a reason is too long, want=..1024 got=1025',
  ],
  'a reason without message': [
    { ...allowed, reasons: [{ code: 'a', audience: 'agent' }] },
    'message of a reason is of the wrong type, want=string got=undefined',
  ],
  'an obligation without properties': [
    { ...allowed, obligations: [{ id: '1', type: 'step-up' }] },
    'properties of an obligation are of the wrong type, want=object got=undefined',
  ],
  'an obligation with more than AuthZEN knows': [
    { ...allowed, obligations: [{ ...obligation, optional: true }] },
    'obligation has an unknown member, want=id|type|properties got="optional"',
  ],
}

for (const [name, [value, message]] of Object.entries(odd)) {
  test(`${name} is no decision`, () => {
    requirement('policy.cannot-fail-open')
    assert.throws(() => parseDecision(value), { code: 'policy/result', message })
  })
}

test('whatever is read as an allowing decision says allow: true itself', () => {
  requirement('policy.cannot-fail-open')
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (allow, reasons) => {
      const value = { allow, reasons, obligations: [] }
      try {
        if (!parseDecision(value).allow) return
      } catch {
        return
      }
      assert.equal(allow, true)
      assert.ok(Array.isArray(reasons))
    }),
  )
})
