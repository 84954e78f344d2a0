import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServerResponse } from 'node:http'
import { EventEmitter } from 'node:events'
import * as fc from 'fast-check'
import type { Call } from '../../../src/gateway/call.ts'
import { defaultLimits } from '../../../src/gateway/limits.ts'
import { createCallLimits, type CallLimits } from '../../../src/gateway/permit/call-limits.ts'
import type { Duties, Party } from '../../../src/gateway/permit/obligations.ts'
import { Stay, StayPart } from '../../../src/gateway/stay.ts'
import { requirement } from '../../requirements.ts'

interface Made {
  readonly call: Call
  readonly end: () => void
}

/** A call of `<tenant>/<namespace>/<identity>` to `<server>/<tool>`. */
function makeCall(who = 'acme/agents/crawler', what = 'files/echo'): Made {
  const [tenant = '', namespace = '', identity = ''] = who.split('/')
  const [server, tool] = what.split('/')
  const response = new EventEmitter() as unknown as ServerResponse
  const stay = new Stay(response)
  const caller = { account: [tenant, namespace, identity] }
  const target = { kind: 'tool', upstream: { config: { server } }, tool }
  return {
    call: { caller, target, stay } as unknown as Call,
    end() {
      stay.served()
      response.emit('close')
    },
  }
}

function rate(calls: number, seconds: number, per: readonly Party[] = ['identity']): Duties {
  return { rates: [{ id: 'rate', per, calls, seconds }], concurrencies: [] }
}

function concurrency(concurrent: number, per: readonly Party[] = ['identity']): Duties {
  return { rates: [], concurrencies: [{ id: 'open', per, concurrent }] }
}

function open(more: { windows?: number; workers?: number } = {}): {
  limits: CallLimits
  pass: (seconds: number) => void
} {
  let at = 1_000_000
  const { windows: limitWindowsMax = 1024, workers } = more
  const limits = createCallLimits({ ...defaultLimits, limitWindowsMax, workers, now: () => at })
  return { limits, pass: (seconds) => (at += seconds * 1000) }
}

/** What is told: `made`, the limit with the seconds until another call, or whose room is full. */
function take(limits: CallLimits, { call }: Made, duties: Duties): string {
  const exceeded = limits.take(call, duties)
  if (exceeded === undefined) return 'made'
  return 'full' in exceeded
    ? `full: ${exceeded.full}`
    : `${exceeded.limit.id} ${exceeded.retrySeconds}`
}

test('so many calls in so many seconds, from the first on; then it is told when the next may be made', () => {
  requirement('gateway.limits-of-policy')
  const { limits, pass } = open()
  const duties = rate(2, 60)
  assert.equal(take(limits, makeCall(), duties), 'made')
  pass(10)
  assert.equal(take(limits, makeCall(), duties), 'made')
  assert.equal(take(limits, makeCall(), duties), 'rate 50')
  pass(49.5)
  assert.equal(take(limits, makeCall(), duties), 'rate 1')
  pass(0.5)
  assert.equal(take(limits, makeCall(), duties), 'made')
  assert.equal(take(limits, makeCall(), duties), 'made')
  assert.equal(take(limits, makeCall(), duties), 'rate 60')
})

test('a clock that was put back begins a new window, instead of an endless one', () => {
  const { limits, pass } = open()
  assert.equal(take(limits, makeCall(), rate(1, 60)), 'made')
  pass(-500)
  assert.equal(take(limits, makeCall(), rate(1, 60)), 'made')
  assert.equal(take(limits, makeCall(), rate(1, 60)), 'rate 60')
})

/** What a limit counts for, with a call that counts beside the first of `acme/agents/crawler` to `files/echo` and one that does not. */
const partyCases: Readonly<
  Record<string, { per: Party[]; same: [string, string]; other: [string, string] }>
> = {
  identity: {
    per: ['identity'],
    same: ['acme/agents/crawler', 'web/get'],
    other: ['acme/agents/reader', 'files/echo'],
  },
  namespace: {
    per: ['namespace'],
    same: ['acme/agents/reader', 'web/get'],
    other: ['acme/others/crawler', 'files/echo'],
  },
  tenant: {
    per: ['tenant'],
    same: ['acme/others/reader', 'web/get'],
    other: ['globex/agents/crawler', 'files/echo'],
  },
  server: {
    per: ['server'],
    same: ['globex/others/reader', 'files/delete'],
    other: ['acme/agents/crawler', 'web/echo'],
  },
  tool: {
    per: ['tool'],
    same: ['globex/others/reader', 'files/echo'],
    other: ['acme/agents/crawler', 'web/echo'],
  },
  'tenant and tool': {
    per: ['tenant', 'tool'],
    same: ['acme/others/reader', 'files/echo'],
    other: ['acme/agents/crawler', 'files/delete'],
  },
}

for (const [what, { per, same, other }] of Object.entries(partyCases)) {
  test(`a limit counts for each ${what}`, () => {
    requirement('gateway.limits-of-policy')
    for (const duties of [rate(1, 60, per), concurrency(1, per)]) {
      const { limits } = open()
      assert.equal(take(limits, makeCall(), duties), 'made')
      assert.notEqual(take(limits, makeCall(...same), duties), 'made')
      assert.equal(take(limits, makeCall(...other), duties), 'made')
    }
  })
}

test('open calls count until their stay ends', () => {
  requirement('gateway.open-calls-given-back')
  const { limits } = open()
  const [one, two] = [makeCall(), makeCall()]
  assert.equal(take(limits, one, concurrency(2)), 'made')
  assert.equal(take(limits, two, concurrency(2)), 'made')
  assert.equal(take(limits, makeCall(), concurrency(2)), 'open 1')
  one.end()
  one.end()
  assert.equal(take(limits, makeCall(), concurrency(2)), 'made')
  assert.equal(take(limits, makeCall(), concurrency(2)), 'open 1')
})

test('a call that one of its limits forbids counts under none of them', () => {
  requirement('gateway.limits-of-policy')
  const { limits } = open()
  const both: Duties = {
    rates: [
      { id: 'wide', per: ['tenant'], calls: 2, seconds: 60 },
      { id: 'narrow', per: ['identity'], calls: 1, seconds: 60 },
    ],
    concurrencies: [{ id: 'open', per: ['tenant'], concurrent: 2 }],
  }
  assert.equal(take(limits, makeCall('acme/agents/a'), both), 'made')
  for (let count = 0; count < 5; count += 1) {
    assert.equal(take(limits, makeCall('acme/agents/a'), both), 'narrow 60')
  }
  assert.equal(take(limits, makeCall('acme/agents/b'), both), 'made')
  assert.equal(take(limits, makeCall('acme/agents/c'), both), 'open 1')
})

test('each of several workers allows its part, and one call at least', () => {
  requirement('gateway.limits-of-policy')
  const { limits } = open({ workers: 4 })
  assert.equal(take(limits, makeCall(), rate(9, 60)), 'made')
  assert.equal(take(limits, makeCall(), rate(9, 60)), 'made')
  assert.equal(take(limits, makeCall(), rate(9, 60)), 'rate 60')
  assert.equal(take(limits, makeCall(), concurrency(1)), 'made')
  assert.equal(take(limits, makeCall(), concurrency(1)), 'open 1')
})

test('who makes ever new windows takes the room from themselves: nobody’s window is forgotten, and others are counted', () => {
  requirement('gateway.limits-never-forgotten')
  const { limits, pass } = open({ windows: 128 })
  const duties = rate(1, 60, ['identity', 'tool'])
  const victim = makeCall('globex/agents/reader')
  assert.equal(take(limits, victim, duties), 'made')
  const told = Array.from({ length: 200 }, (_, at) =>
    take(limits, makeCall('acme/agents/crawler', `files/tool${at}`), duties),
  )
  assert.equal(told.filter((each) => each === 'made').length, 28)
  assert.equal(told.at(-1), 'full: identity')
  for (let at = 0; at < 100; at += 1) {
    take(limits, makeCall(`acme/n${at}/i${at}`, `files/tool${at}`), duties)
  }
  assert.ok(limits.size.windows < 128)
  assert.equal(take(limits, victim, duties), 'rate 60')
  assert.equal(take(limits, makeCall('initech/agents/writer'), duties), 'made')
  pass(60)
  assert.equal(take(limits, makeCall('acme/agents/crawler', 'files/tool999'), duties), 'made')
})

test('windows of one length that have ended make room for those of another', () => {
  requirement('gateway.limits-never-forgotten')
  const { limits, pass } = open({ windows: 16 })
  for (let at = 0; at < 64; at += 1) take(limits, makeCall(`t${at}/n${at}/i${at}`), rate(1, 10))
  assert.equal(take(limits, makeCall('late/late/late'), rate(1, 86_400)), 'full: gateway')
  pass(10)
  assert.equal(take(limits, makeCall('late/late/late'), rate(1, 86_400)), 'made')
  assert.deepEqual(limits.size, { windows: 1, open: 0 })
})

test('a call that is over before it is counted as open leaves nothing open', () => {
  requirement('gateway.open-calls-given-back')
  const { limits } = open()
  const { call, end } = makeCall()
  const stay = new StayPart()
  const leave = stay.keep()
  const parted = { call: { ...call, stay } as Call, end }
  assert.equal(take(limits, parted, concurrency(8)), 'made')
  leave()
  const other = { rates: [], concurrencies: [{ id: 'other', per: [], concurrent: 1 }] }
  take(limits, parted, other)
  assert.deepEqual(limits.size, { windows: 0, open: 0 })
  assert.equal(take(limits, makeCall(), other), 'made')
})

test('whatever calls come and end in whatever order, no limit is exceeded and nothing is left', () => {
  requirement('gateway.limits-of-policy')
  requirement('gateway.open-calls-given-back')
  const step = fc.record({
    who: fc.constantFrom('a/n/x', 'a/n/y', 'a/m/z', 'b/n/x'),
    what: fc.constantFrom('files/echo', 'files/delete', 'web/echo'),
    seconds: fc.nat({ max: 4 }),
    ends: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { limits, pass } = open()
      const duties: Duties = {
        rates: [{ id: 'r', per: ['tenant'], calls: 3, seconds: 10 }],
        concurrencies: [{ id: 'c', per: ['tool'], concurrent: 2 }],
      }
      let at = 0
      const made: { tenant: string; at: number }[] = []
      let running: { tool: string; end: () => void }[] = []
      for (const { who, what, seconds, ends } of steps) {
        pass(seconds)
        at += seconds
        const [tenant = ''] = who.split('/')
        const call = makeCall(who, what)
        if (take(limits, call, duties) === 'made') {
          made.push({ tenant, at })
          running.push({ tool: what, end: call.end })
        }
        // Two windows meet in any ten seconds, and no third.
        const lately = made.filter((each) => each.tenant === tenant && each.at > at - 10)
        assert.ok(lately.length <= 6)
        assert.ok(running.filter(({ tool }) => tool === what).length <= 2)
        if (ends) {
          for (const { end } of running) end()
          running = []
        }
      }
      for (const { end } of running) end()
      pass(10)
      assert.deepEqual(limits.size, { windows: 0, open: 0 })
    }),
  )
})
