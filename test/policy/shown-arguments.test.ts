import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AskedCall } from '../../src/policy/asked.ts'
import type { PolicyEngine } from '../../src/policy/engine.ts'
import { shownArguments } from '../../src/policy/shown-arguments.ts'
import { requirement } from '../requirements.ts'

const text = '{"pin":"s3cret","n":1.50}'
const asked = {
  kind: 'call',
  before: '{"context":{"arguments":',
  after: '}}',
  arguments: { text, sha256: 'ab', octets: text.length },
} as unknown as AskedCall

const nothing = { text: '{"octets":25}', masked: [''], shortened: [] }

/** What a mask says, and what is shown then. */
const masks: Readonly<Record<string, readonly [mask: unknown, shown: object]>> = {
  'nothing to mask': [[], { text, masked: [], shortened: [] }],
  'a member less': [
    ['/input/context/arguments/pin'],
    { text: '{"n":1.50}', masked: ['/pin'], shortened: [] },
  ],
  'all of them by their digest': [
    [{ op: 'upsert', path: '/input/context/arguments', value: { sha256: 'ab' } }],
    { text: '{"sha256":"ab"}', masked: [''], shortened: [] },
  ],
  'none of them': [['/input/context/arguments'], { text: 'null', masked: [''], shortened: [] }],
  'what they stand in': [['/input/context'], { text: 'null', masked: [''], shortened: [] }],
  'something else in place of what they stand in': [
    [{ op: 'upsert', path: '/input/context', value: {} }],
    { text: 'null', masked: [''], shortened: [] },
  ],
  'all of the input': [
    [{ op: 'upsert', path: '/input', value: { context: { arguments: 1 } } }],
    { text: '1', masked: [''], shortened: [] },
  ],
  'something else': [
    ['/input/subject', '/input/context/argumentsOf'],
    { text, masked: [], shortened: [] },
  ],
  'no mask at all': ['yes', nothing],
  'a pointer that is none': [['x'], nothing],
}

for (const [says, [mask, shown]] of Object.entries(masks)) {
  test(`an approver is shown what the mask leaves of arguments: ${says}`, () => {
    requirement('gateway.approver-sees-no-secret')
    const engine = { evaluate: () => mask } as unknown as PolicyEngine
    assert.deepEqual(shownArguments(asked, ['r'], engine), shown)
  })
}

test('an approver is shown nothing of arguments where the mask fails', () => {
  requirement('gateway.approver-sees-no-secret')
  const engine = {
    evaluate: () => {
      throw new Error('policy/fuel')
    },
  } as unknown as PolicyEngine
  assert.deepEqual(shownArguments(asked, ['r'], engine), nothing)
})

test('the mask is asked about what an approver would be shown by a path of its own, with the rules', () => {
  const events: { path?: string; rules?: string[]; digests?: object }[] = []
  const engine = {
    evaluate: (_: string, event: string) => {
      events.push(JSON.parse(event) as object)
      return []
    },
  } as unknown as PolicyEngine
  shownArguments(asked, ['r', 's'], engine)
  const [event] = events
  assert.equal(event?.path, 'countersign/gateway/approval')
  assert.deepEqual(
    [event.rules, event.digests],
    [['r', 's'], { arguments: { sha256: 'ab', octets: 25 } }],
  )
})

test('what an approver is shown is bounded in octets, whatever the letters', () => {
  requirement('gateway.what-is-sealed-opens')
  const engine = { evaluate: () => [] } as unknown as PolicyEngine
  for (const letter of ['x', '\u00e9', '\u6f22', '\u{1f600}', '"']) {
    const rest = { n: 1 }
    for (let octets = 100; octets < 8000; octets += 379) {
      const count = Math.floor(octets / Buffer.byteLength(letter))
      const parts = Array.from({ length: 10 }, (_, at) => [`a${at}`, letter.repeat(count / 10)])
      const given = JSON.stringify({ ...rest, ...(Object.fromEntries(parts) as object) })
      const one = { ...asked, arguments: { text: given, sha256: 'ab', octets: 1 } } as AskedCall
      const shown = shownArguments(one, ['r'], engine)
      assert.ok(Buffer.byteLength(shown.text) <= 4096, `${letter} ${octets}`)
      if (Buffer.byteLength(given) < 4000) assert.equal(shown.text, given)
    }
  }
})
