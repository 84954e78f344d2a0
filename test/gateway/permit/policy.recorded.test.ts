import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Call } from '../../../src/gateway/call.ts'
import { createDecisions } from '../../../src/gateway/permit/policy.ts'
import { createTurns } from '../../../src/gateway/turns.ts'
import { silentLog } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import { argumentsText } from '../../../src/policy/asked.ts'
import type { Authorizer } from '../../../src/policy/authorizer.ts'
import { createDecisionLog, type WhenFull } from '../../../src/policy/decision-log.ts'
import { requirement } from '../../requirements.ts'

const octetsMax = 64 * 1024

/** Policy that allows everything, before a real decision log whose file is as slow as it is told to be. */
function open(whenFull: WhenFull): {
  readonly call: (octets: number) => Promise<'allowed' | number>
  readonly write: () => void
  readonly fill: () => void
  readonly pass: (milliseconds: number) => Promise<void>
  readonly seen: { lost: number; lines: number }
} {
  const seen = { lost: 0, lines: 0 }
  let waiting = 0
  let clock = 0
  let due: { readonly at: number; readonly resolve: () => void }[] = []
  const file = {
    available: true,
    get waitingOctets() {
      return waiting
    },
    append(line: string) {
      waiting += line.length
      if (!line.includes('"lost"')) seen.lines += 1
      return true
    },
    flush: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
  const engine = { revision: 'r', digest: 'd', evaluate: () => ({}) }
  const decisionLog = createDecisionLog(file, {
    engine,
    labels: () => ({}),
    now: () => clock,
    elapsed: () => clock,
    delay: (milliseconds) =>
      new Promise<void>((resolve) => due.push({ at: clock + milliseconds, resolve })),
    log: silentLog,
    metrics: {
      ...silentMetrics,
      count: (name) => (seen.lost += Number(name === 'countersign_decision_log_lost_total')),
    },
    bufferOctetsMax: octetsMax,
    whenFull,
  })
  const value = { allow: true, reasons: [], obligations: [] }
  const authorizer = {
    decide: (texts: { readonly arguments: object }) => {
      const asked = {
        kind: 'call',
        before: '{"arguments":',
        arguments: texts.arguments,
        after: '}',
      }
      return { value, asked, result: {}, seconds: 0 }
    },
  }
  const decisions = createDecisions({
    authorizer: authorizer as unknown as Authorizer,
    decisionLog,
    turns: createTurns(),
    listSecondsMax: 60,
    now: () => clock,
    newDecisionId: () => 'd',
    log: silentLog,
    metrics: silentMetrics,
  })
  async function pass(milliseconds: number): Promise<void> {
    const end = clock + milliseconds
    for (;;) {
      for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate)
      const [first] = due.toSorted((a, b) => a.at - b.at)
      if (first === undefined || first.at > end) break
      clock = first.at
      due = due.filter((each) => each !== first)
      first.resolve()
    }
    clock = end
  }
  return {
    seen,
    pass,
    fill: () => void (waiting = octetsMax * 0.6),
    write: () => void (waiting = 0),
    async call(octets) {
      const call = {
        caller: { subjectText: '{}', svid: { spiffeId: { uri: 'spiffe://example.org/a' } } },
        message: { method: 'tools/call', era: 'modern' },
        target: { kind: 'server', upstream: undefined },
        arrived: { door: { name: 'mcp' } },
        arguments: argumentsText(Buffer.from(JSON.stringify({ text: 'x'.repeat(octets) }))),
      } as unknown as Call
      const decided = await decisions.decide({ call, definition: undefined })
      return 'allow' in decided ? 'allowed' : decided.refusal.status
    },
  }
}

test('calls that waited for the decision log together are allowed only as far as it takes their decisions', async () => {
  requirement('policy.log-never-silent')
  const { call, fill, write, pass, seen } = open('block')
  fill()
  const all = Array.from({ length: 8 }, () => call(octetsMax * 0.45))
  await pass(50)
  for (let turn = 0; turn < 8; turn += 1) {
    write()
    await pass(20)
  }
  assert.deepEqual(
    await Promise.all(all),
    Array.from({ length: 8 }, () => 'allowed'),
  )
  assert.deepEqual(seen, { lost: 0, lines: 8 })
})

test('a decision that is too large for the room that is left is refused in the mode that loses none', async () => {
  requirement('policy.log-never-silent')
  const blocking = open('block')
  assert.equal(await blocking.call(2 * octetsMax), 503)
  const shedding = open('shed-and-count')
  assert.equal(await shedding.call(2 * octetsMax), 'allowed')
  assert.equal(shedding.seen.lost, 1)
})

test('whatever the order of calls and writes, what is allowed is in the decision log', async () => {
  requirement('policy.log-never-silent')
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ octets: fc.nat(octetsMax + 4096) }) },
    fc.record({ milliseconds: fc.constantFrom(0, 5, 10, 600) }),
    fc.constantFrom('fill', 'write'),
  )
  const property = fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
    const opened = open('block')
    const calls: Promise<'allowed' | number>[] = []
    for (const each of steps) {
      if (each === 'fill') opened.fill()
      else if (each === 'write') opened.write()
      else if ('octets' in each) calls.push(opened.call(each.octets))
      else await opened.pass(each.milliseconds)
    }
    for (let turn = 0; turn < calls.length; turn += 1) {
      opened.write()
      await opened.pass(20)
    }
    const answers = await Promise.all(calls)
    const allowed = answers.filter((each) => each === 'allowed').length
    assert.equal(opened.seen.lines, allowed)
    assert.ok(answers.every((each) => each === 'allowed' || each === 503))
  })
  await fc.assert(property, { numRuns: 60 })
})
