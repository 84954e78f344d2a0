import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import {
  entryOf,
  formatJournal,
  isTrusted,
  parseJournal,
  type AuthorityState,
  type Journal,
  type JournalEntry,
} from '../../src/pki/authority-journal.ts'
import {
  activate,
  checkForward,
  prepare,
  revoke,
  shortName,
  taint,
  trustedSecondsAfter,
  withdrawn,
} from '../../src/pki/authority-steps.ts'
import { createSelfSignedAuthority } from '../../src/pki/authority.ts'
import { requirement } from '../requirements.ts'

const trustDomain = parseTrustDomain('agents.example')
const now = Date.parse('2026-11-30T06:00:00Z')
const later = now + 60_000
const until = now + trustedSecondsAfter * 1000

function made(state: AuthorityState): JournalEntry {
  const lifetimeSeconds = 30 * 86_400
  const { certificatePem } = createSelfSignedAuthority({
    trustDomain,
    lifetimeSeconds,
    now: () => now,
  })
  const ends = state === 'old' || state === 'tainted'
  return entryOf(certificatePem, { state, since: now, ...(ends ? { until } : {}) })
}

const states = (journal: Journal): readonly string[] => journal.map(({ state }) => state)

/** Beside one that is active: what each step makes of the other, or why it is out of order. */
const table: readonly {
  readonly other: AuthorityState | undefined
  readonly activate: readonly string[] | RegExp
  readonly taint: readonly string[] | RegExp
  readonly revoke: readonly string[] | RegExp
  readonly prepare: readonly string[] | RegExp
}[] = [
  {
    other: undefined,
    prepare: ['active', 'prepared'],
    activate: /none is prepared/,
    taint: /signs/,
    revoke: /signs/,
  },
  {
    other: 'prepared',
    prepare: /is prepared already/,
    activate: ['old', 'active'],
    taint: /is prepared, want=old/,
    revoke: ['active', 'revoked'],
  },
  {
    other: 'old',
    prepare: ['active', 'old', 'prepared'],
    activate: /none is prepared/,
    taint: ['active', 'tainted'],
    revoke: ['active', 'revoked'],
  },
  {
    other: 'tainted',
    prepare: ['active', 'tainted', 'prepared'],
    activate: /none is prepared/,
    taint: /is tainted, want=old/,
    revoke: ['active', 'revoked'],
  },
  {
    other: 'revoked',
    prepare: ['active', 'revoked', 'prepared'],
    activate: /none is prepared/,
    taint: /is revoked, want=old/,
    revoke: /is revoked already/,
  },
]

for (const row of table) {
  for (const step of ['prepare', 'activate', 'taint', 'revoke'] as const) {
    test(`${step} beside one that is ${row.other ?? 'not there'}`, () => {
      requirement('signer.rotation-by-proof')
      const journal = [made('active'), ...(row.other === undefined ? [] : [made(row.other)])]
      const last = shortName((journal.at(-1) as JournalEntry).certificate.sha256)
      const take = (): Journal => {
        if (step === 'prepare') return prepare(journal, made('prepared'), later)
        if (step === 'activate') return activate(journal, later)
        return step === 'taint' ? taint(journal, last) : revoke(journal, last, later)
      }
      const want = row[step]
      if (want instanceof RegExp) {
        assert.throws(take, { code: 'pki/authority-step', message: want })
        return
      }
      const next = take()
      assert.deepEqual(states(next), want)
      // What is written is what is read, and one signs in every state.
      const read = parseJournal(formatJournal(next), trustDomain)
      assert.deepEqual(states(read), want)
      assert.equal(states(read).filter((state) => state === 'active').length, 1)
    })
  }
}

test('one that has ceased to sign is trusted until the last certificate under it has ended', () => {
  const journal = activate([made('active'), made('prepared')], now)
  const [before] = journal
  assert.ok(before !== undefined)
  assert.equal(before.until, until)
  assert.equal(isTrusted(before, until), true)
  assert.deepEqual(withdrawn(journal, until), [])
  assert.deepEqual(withdrawn(journal, until + 1), [before.certificate.sha256])
  // A day, and what replicas and clocks may lag.
  assert.equal(trustedSecondsAfter, 86_400 + 300 + 300)
})

test('of one that is revoked nothing is trusted from then on', () => {
  const journal = [made('active'), made('old')]
  const old = journal[1] as JournalEntry
  assert.deepEqual(withdrawn(revoke(journal, shortName(old.certificate.sha256), later), later), [
    old.certificate.sha256,
  ])
})

test('one that has just ceased to sign is revoked when every replica knows of it', () => {
  requirement('signer.rotation-by-proof')
  const journal = activate([made('active'), made('prepared')], now, true)
  const name = shortName(journal[0]?.certificate.sha256 ?? '')
  assert.throws(() => revoke(journal, name, now + 9_999), {
    code: 'pki/authority-step',
    message: /may sign with [0-9a-f]{12} still/,
    hint: /in 1 s/,
  })
  assert.deepEqual(states(revoke(journal, name, now + 10_000)), ['revoked', 'active'])
})

test('a leaked key taints its authority in the step that replaces it', () => {
  assert.deepEqual(states(activate([made('active'), made('prepared')], now, true)), [
    'tainted',
    'active',
  ])
})

test('CAs that are given up again and again do not keep a leaked key in force', () => {
  requirement('signer.rotation-by-proof')
  let journal: Journal = [made('active')]
  for (let count = 0; count < 15; count += 1) {
    const at = now + count * 1000
    const prepared = prepare(journal, made('prepared'), at)
    journal = revoke(prepared, shortName(prepared.at(-1)?.certificate.sha256 ?? ''), at)
  }
  assert.equal(parseJournal(formatJournal(journal), trustDomain).length, 16)
  const tenMinutes = 600_000
  assert.throws(() => prepare(journal, made('prepared'), now + tenMinutes), {
    code: 'pki/authority-step',
    message: /journal is full/,
  })
  const next = prepare(journal, made('prepared'), now + tenMinutes + 1)
  assert.equal(next.length, 16)
  const given = journal[1]?.certificate.sha256
  assert.ok(
    next.every(({ certificate }) => certificate.sha256 !== given),
    'the oldest goes',
  )
})

test('one that has signed is remembered for a day after its last certificate, and longer while there is room', () => {
  const long = 86_400_000 * 8
  const few = [made('active'), made('old'), made('revoked')]
  assert.equal(prepare(few, made('prepared'), now + long).length, 4)
  for (const state of ['old', 'tainted', 'revoked'] as const) {
    const last = state === 'revoked' ? now : until
    const goes = last + trustedSecondsAfter * 1000
    const full = [made('active'), ...Array.from({ length: 15 }, () => made(state))]
    assert.throws(() => prepare(full, made('prepared'), goes), { message: /journal is full/ })
    const next = prepare(full, made('prepared'), goes + 1)
    assert.deepEqual(states(next).toSpliced(1, 14), ['active', 'prepared'])
  }
})

test('one that has ended while it was active is followed by another one', () => {
  const ended = now + 31 * 86_400_000
  const next = prepare([made('active'), made('revoked')], made('prepared'), ended)
  assert.deepEqual(states(next), ['active', 'prepared'])
  assert.deepEqual(states(activate(next, ended)), ['old', 'active'])
})

test('a journal goes forward only', () => {
  requirement('signer.rotation-by-proof')
  const order = ['prepared', 'active', 'old', 'tainted', 'revoked'] as const
  const one = made('prepared')
  const as = (state: AuthorityState): JournalEntry =>
    state === 'old' || state === 'tainted' ? { ...one, state, until } : { ...one, state }
  const stays = made('active')
  for (const [from, before] of order.entries()) {
    for (const [to, after] of order.entries()) {
      const check = (): void => checkForward([stays, as(before)], [stays, as(after)], now)
      if (to >= from) check()
      else assert.throws(check, { code: 'pki/authority', message: /no earlier state/ })
    }
  }
  const gone = (entry: JournalEntry, at: number) => (): void =>
    checkForward([stays, entry], [stays], at)
  assert.throws(gone(as('active'), now), /got=nothing/)
  assert.throws(gone(as('old'), until), /got=nothing/)
  gone(as('old'), until + 1)()
  gone(as('revoked'), now)()
  gone(as('prepared'), now)()
})

test('only the active one says that a step has put it there', () => {
  const journal = activate([made('active'), made('prepared')], now)
  assert.deepEqual(
    journal.map(({ delivered }) => delivered),
    [undefined, true],
  )
  const again = activate([...journal, made('prepared')], now)
  assert.deepEqual(
    again.map(({ delivered }) => delivered),
    [undefined, undefined, true],
  )
  assert.equal(parseJournal(formatJournal(journal), trustDomain)[1]?.delivered, true)
})

const active = made('active')
const text = (entries: readonly object[]): string =>
  JSON.stringify({ version: 1, authorities: entries })
const plain = { state: 'active', since: '2026-11-30T06:00:00Z', certificate: active.certificatePem }

for (const [what, journal, message] of [
  ['no JSON', '{', /not JSON/],
  ['another version', '{"version":2,"authorities":[]}', /want=1/],
  ['an unknown state', text([{ ...plain, state: 'retired' }]), /unknown state/],
  ['an unknown member', text([{ ...plain, key: 'x' }]), /unknown "key"/],
  [
    'two that are active',
    text([plain, { ...plain, certificate: made('active').certificatePem }]),
    /2 entries that are active/,
  ],
  ['one certificate twice', text([plain, { ...plain, state: 'revoked' }]), /twice/],
  ['an old one without an end', text([{ ...plain, state: 'old' }]), /until when/],
  ['an active one with an end', text([{ ...plain, until: plain.since }]), /until when/],
  [
    'an old one that is delivered',
    text([{ ...plain, state: 'revoked', delivered: true }]),
    /is delivered/,
  ],
  ['a delivery that is none', text([{ ...plain, delivered: false }]), /is delivered/],
  ['an active one that is unused', text([{ ...plain, unused: true }]), /is unused/],
  ['a time that is none', text([{ ...plain, since: 'soon' }]), /a time that is none/],
  ['too many', text(Array.from({ length: 17 }, () => plain)), /too many entries/],
  ['what is too long', ' '.repeat(524_289), /too long/],
] as const) {
  test(`a journal with ${what} is refused`, () => {
    assert.throws(() => parseJournal(journal, trustDomain), { code: 'pki/authority', message })
  })
}

test('a journal of another trust domain is refused', () => {
  assert.throws(() => parseJournal(text([plain]), parseTrustDomain('other.example')), {
    code: 'pki/authority',
    message: /another trust domain/,
  })
})
