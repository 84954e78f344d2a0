import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { activeOf, entryOf, preparedOf, type Journal } from '../../src/pki/authority-journal.ts'
import {
  activate,
  prepare,
  revoke,
  trustedSecondsAfter,
  withdrawn,
} from '../../src/pki/authority-steps.ts'
import { createSelfSignedAuthority } from '../../src/pki/authority.ts'
import {
  everySecondsMin,
  nextStep,
  prepareBeforeSecondsOf,
  scheduleProblem,
  type RotationSchedule,
} from '../../src/pki/rotation-schedule.ts'
import { requirement } from '../requirements.ts'

requirement('signer.rotates-by-schedule')

const trustDomain = parseTrustDomain('agents.example')
const start = Date.parse('2026-11-30T06:00:00Z')
const day = 86_400
const schedule: RotationSchedule = { everySeconds: 30 * day, prepareBeforeSeconds: 7 * day }
const lifetimeSeconds = 60 * day

function certificateOf(now: number, lifetime = lifetimeSeconds): string {
  const made = { trustDomain, lifetimeSeconds: lifetime, now: () => now }
  return createSelfSignedAuthority(made).certificatePem
}

function first(now = start, lifetime = lifetimeSeconds): Journal {
  return [entryOf(certificateOf(now, lifetime), { state: 'active', since: now })]
}

/** Does what is due, as whoever has the Lease would at that time. */
function follow(journal: Journal, now: number, by = schedule, lifetime = lifetimeSeconds): Journal {
  const next = nextStep(journal, by)
  assert.ok(next !== undefined)
  if (next.kind === 'activate') return activate(journal, now)
  if (next.kind === 'revoke') return revoke(journal, next.name ?? '', now)
  return prepare(
    journal,
    entryOf(certificateOf(now, lifetime), { state: 'prepared', since: now }),
    now,
  )
}

const secondsFrom = (at: number | undefined): number => ((at ?? NaN) - start) / 1000

test('a successor is prepared before the time, and signs when the one before it has signed for long enough', () => {
  const journal = first()
  const prepareAt = nextStep(journal, schedule)
  assert.equal(prepareAt?.kind, 'prepare')
  const jitter = 30 * day - 7 * day - secondsFrom(prepareAt?.at)
  assert.ok(jitter >= 0 && jitter <= day, `${jitter} s early`)
  const prepared = follow(journal, prepareAt?.at ?? 0)
  const activateAt = nextStep(prepared, schedule)
  assert.equal(activateAt?.kind, 'activate')
  assert.equal(secondsFrom(activateAt?.at), 30 * day - jitter)
  const active = follow(prepared, activateAt?.at ?? 0)
  assert.deepEqual(
    active.map(({ state }) => state),
    ['old', 'active'],
  )
  assert.equal(nextStep(active, schedule)?.kind, 'prepare')
})

test('nothing is to be done while no CA is active', () => {
  assert.equal(nextStep([], schedule), undefined)
})

test('clusters that were installed in one minute do not rotate in one minute', () => {
  const times = new Set(Array.from({ length: 8 }, () => nextStep(first(), schedule)?.at))
  assert.equal(times.size, 8)
})

test('a CA that ends sooner than the schedule is replaced while its certificates still have their whole life', () => {
  const short = 10 * day
  const journal = first(start, short)
  const end = journal[0]?.certificate.notAfter.getTime() ?? 0
  const prepared = follow(journal, start)
  const next = nextStep(prepared, schedule)
  assert.ok((next?.at ?? Infinity) <= end - trustedSecondsAfter * 1000)
})

test('one that was prepared late has its readers wait the whole time, unless the active one would end', () => {
  const late = start + 45 * day * 1000
  const prepared = follow(first(), late)
  assert.equal(secondsFrom(nextStep(prepared, schedule)?.at), 52 * day)
  const later = start + 58 * day * 1000
  const [active] = first()
  const end = active?.certificate.notAfter.getTime() ?? 0
  const urgent = follow(first(), later)
  assert.equal(nextStep(urgent, schedule)?.at, end - trustedSecondsAfter * 1000)
})

test('one that was prepared so long ago that it has no time left to sign is given up for another', () => {
  const stale = [
    ...first(),
    entryOf(certificateOf(start - 40 * day * 1000), {
      state: 'prepared',
      since: start - 40 * day * 1000,
    }),
  ] as const
  const next = nextStep(stale, schedule)
  assert.equal(next?.kind, 'revoke')
  const revoked = follow(stale, start + 24 * day * 1000)
  assert.equal(preparedOf(revoked), undefined)
  assert.equal(nextStep(revoked, schedule)?.kind, 'prepare')
  const again = follow(revoked, start + 24 * day * 1000)
  assert.equal(nextStep(again, schedule)?.kind, 'activate')
})

test('a time that is still to come keeps no CA in force until it ends', () => {
  const [entry] = first()
  assert.ok(entry !== undefined)
  // The clock of whoever wrote it was a year ahead.
  const journal = [{ ...entry, since: start + 365 * day * 1000 }]
  const end = entry.certificate.notAfter.getTime()
  assert.ok((nextStep(journal, schedule)?.at ?? Infinity) < end - trustedSecondsAfter * 1000)
})

test('by any schedule that is taken, CAs follow each other for ever, and each is trusted for as long as its certificates live', () => {
  const life = fc.integer({ min: day + everySecondsMin + trustedSecondsAfter, max: 400 * day })
  const cases = fc.record({
    life,
    every: fc.double({ min: 0, max: 1, noNaN: true }),
    lag: fc.integer({ min: 0, max: 7200 }),
  })
  fc.assert(
    fc.property(cases, ({ life: lifetime, every, lag }) => {
      const everyMax = lifetime - trustedSecondsAfter
      const everySeconds = Math.floor(everySecondsMin + every * (everyMax - everySecondsMin))
      const by = { everySeconds, prepareBeforeSeconds: prepareBeforeSecondsOf(everySeconds) }
      const beside = { lifetimeSeconds: lifetime, leafSecondsMax: 3600, propagationSeconds: 300 }
      assert.equal(scheduleProblem(by, beside), undefined)
      let journal = first(start, lifetime)
      let now = start
      for (let steps = 0; steps < 40; steps += 1) {
        const next = nextStep(journal, by)
        assert.ok(next !== undefined && next.kind !== 'revoke')
        now = Math.max(now, next.at + lag * 1000)
        const before = activeOf(journal)
        assert.ok(
          before !== undefined && before.certificate.notAfter.getTime() >= now,
          'it signs still',
        )
        journal = follow(journal, now, by, lifetime)
        if (next.kind === 'activate') {
          const gone = withdrawn(journal, now + day * 1000)
          const isOver = before.certificate.notAfter.getTime() < now + day * 1000
          assert.ok(
            isOver || !gone.includes(before.certificate.sha256),
            'a certificate of a day is good for a day, or until its CA ends',
          )
        }
      }
    }),
    { numRuns: 30 },
  )
})

const beside = { lifetimeSeconds: 365 * day, leafSecondsMax: 3600, propagationSeconds: 300 }
const refused: readonly (readonly [string, RotationSchedule, Partial<typeof beside>, RegExp])[] = [
  [
    'is shorter than a certificate lives',
    { everySeconds: day - 1, prepareBeforeSeconds: 3600 },
    { leafSecondsMax: day },
    /^everySeconds want=86400\.\./,
  ],
  [
    'fills the journal',
    { everySeconds: everySecondsMin - 1, prepareBeforeSeconds: 3600 },
    {},
    /^everySeconds want=14400\.\./,
  ],
  [
    'is longer than a CA can sign',
    { everySeconds: 364 * day, prepareBeforeSeconds: day },
    {},
    /^everySeconds want=14400\.\.31449000 got=31449600/,
  ],
  [
    'gives readers no time',
    { everySeconds: 30 * day, prepareBeforeSeconds: 359 },
    {},
    /^prepareBeforeSeconds want=360\.\./,
  ],
  [
    'prepares all the time',
    { everySeconds: day, prepareBeforeSeconds: day / 2 + 1 },
    {},
    /^prepareBeforeSeconds want=360\.\.43200 /,
  ],
]
for (const [title, by, other, wanted] of refused) {
  test(`a schedule that ${title} is refused by the name of its field`, () => {
    const problem = scheduleProblem(by, { ...beside, ...other })
    assert.match(`${problem?.field} ${problem?.message}`, wanted)
  })
}
