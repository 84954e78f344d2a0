import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Account } from '../../src/ledger/account.ts'
import type { SegmentHead } from '../../src/ledger/record.ts'
import { requirement } from '../requirements.ts'
import { approvalOf, authorityRecord, intentRecord, resultRecord } from './records.ts'

const [earlier, later] = ['2026-11-22T11:00:00.000Z', '2026-11-22T12:00:00.000Z']

/** What is read before the head. */
const accounts: readonly [string, () => Account][] = [
  [
    'with a certificate and an open intent',
    () => {
      const account = new Account()
      account.look(0, intentRecord(0, { notAfter: earlier }))
      account.look(1, intentRecord(1, { notAfter: earlier }))
      account.look(2, { ...resultRecord(0), intentIndex: 0 })
      return account
    },
  ],
  ['with nothing', () => new Account()],
]

for (const [title, make] of accounts) {
  test(`a head hands on what the records before it leave, and nothing else: ${title}`, () => {
    requirement('ledger.retention-keeps-proofs')
    const account = make()
    const head: SegmentHead = {
      kind: 'ledger-segment',
      time: later,
      firstIndex: 3,
      subtrees: [],
      previous: { firstIndex: 0, octets: 1, sha256: 'a'.repeat(64) },
      ...account.handOn(),
    }
    assert.ok(account.handsOn(head))
    const others: readonly Partial<SegmentHead>[] = [
      { heldUntil: later },
      { heldUntil: head.heldUntil === null ? earlier : null },
      { unsettled: [...head.unsettled, 2] },
      { removedBefore: 1 },
    ]
    for (const other of others) {
      assert.ok(!account.handsOn({ ...head, ...other }), JSON.stringify(other))
    }
  })
}

test('a CA that was signed for another cluster is held until it ends', () => {
  requirement('ledger.retention-keeps-proofs')
  const account = new Account()
  account.look(0, authorityRecord({ notAfter: later }))
  assert.equal(account.heldUntil, Date.parse(later))
  const { authority, ...denial } = authorityRecord({ notAfter: later })
  const other = new Account()
  other.look(0, { ...denial, verdict: 'denied' })
  assert.equal(other.heldUntil, -Infinity)
  assert.ok(authority)
})

test('an approval is held as long as a certificate would be that is signed at once', () => {
  requirement('ledger.retention-keeps-proofs')
  const account = new Account()
  account.look(0, approvalOf(intentRecord(0)))
  assert.equal(account.heldUntil, Date.parse('2026-11-22T11:00:00.000Z'))
})
