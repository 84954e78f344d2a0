import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { defaultLimits } from '../src/gateway/limits.ts'
import { accountOf, createShares, type Account, type Shares } from '../src/shares.ts'
import { requirement } from './requirements.ts'

/** Takes as much as it gets, in ones, and says whose share ended it. */
function takeAll(shares: Shares, accounts: readonly Account[]): readonly [number, string] {
  let count = 0
  let full: string | undefined
  for (let refused = 0; refused < accounts.length; count += 1) {
    const account = accounts[count % accounts.length] ?? ['', '', '']
    full = shares.take(account)
    refused = full === undefined ? 0 : refused + 1
  }
  return [count - accounts.length, full ?? 'nobody']
}

const all = { tenantSharePercent: 100, namespaceSharePercent: 100, identitySharePercent: 100 }

const many = Array.from({ length: 40 }, (_, at) => at)

/** What one party may have while it is alone, of 128, and whose share it is that ends it. */
const alone: Readonly<Record<string, readonly [readonly Account[], number, string]>> = {
  'one identity': [[['acme', 'research', 'crawler']], 28, 'identity'],
  'forty identities of one namespace': [
    many.map((at) => ['acme', 'research', `sa-${at}`] as const),
    45,
    'namespace',
  ],
  'forty namespaces of one tenant': [
    many.map((at) => ['acme', `team-${at}`, `sa-${at}`] as const),
    56,
    'tenant',
  ],
}

describe('shares', () => {
  for (const [who, [accounts, share, full]] of Object.entries(alone)) {
    test(`${who} may have ${share} of 128, and another tenant has its own`, () => {
      requirement('gateway.shares-for-all')
      const shares = createShares(128, defaultLimits)
      assert.deepEqual(takeAll(shares, accounts), [share, full])
      assert.equal(shares.take(['other', 'other', 'other']), undefined)
    })
  }

  test('twenty greedy tenants leave room for one more', () => {
    requirement('gateway.shares-for-all')
    const shares = createShares(128, defaultLimits)
    for (const tenant of many.slice(0, 20)) {
      takeAll(
        shares,
        many.map((at) => [`t${tenant}`, `t${tenant} n${at}`, `i${at} of t${tenant}`] as const),
      )
    }
    assert.equal(shares.take(['late', 'late', 'late']), undefined)
  })

  test('a namespace without a tenant is a tenant of its own, and none of that name', () => {
    const workload = { namespace: { name: 'acme' }, spiffeId: { uri: 'spiffe://a/ns/acme/sa/b' } }
    const [without] = accountOf(workload)
    const [within] = accountOf({ ...workload, tenant: 'acme' })
    assert.notEqual(without, within)
  })

  test('where nothing is left nobody gets any, and it is nobody in particular', () => {
    const shares = createShares(7, all)
    assert.deepEqual(takeAll(shares, [['a', 'b', 'c']]), [7, 'gateway'])
    assert.equal(shares.take(['x', 'y', 'z']), 'gateway')
  })

  test('in no order does a party get beyond its share, and who holds nothing gets what is left', () => {
    requirement('gateway.shares-for-all')
    const max = 100
    const accounts: readonly Account[] = ['a', 'a', 'a', 'b', 'c'].flatMap((tenant, at) =>
      ['i', 'j'].map((identity) => [tenant, `n${at}`, `n${at} ${identity}`] as const),
    )
    const step = fc.record({ which: fc.nat(9), amount: fc.integer({ min: 1, max: 12 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const shares = createShares(max, defaultLimits)
        const held: { account: Account; amount: number }[] = []
        const sum = (level: number, name: string | undefined): number =>
          held
            .filter(({ account }) => account[level] === name)
            .reduce((all, { amount }) => all + amount, 0)
        for (const [at, { which, amount }] of steps.entries()) {
          const account = accounts[which] ?? ['', '', '']
          const free = max - held.reduce((all, each) => all + each.amount, 0)
          const holdsNothing = sum(0, account[0]) === 0
          const refused = shares.take(account, amount)
          if (refused === undefined) held.push({ account, amount })
          if (holdsNothing) assert.equal(refused === undefined, amount <= free)
          for (const [level, percent] of [50, 40, 25].entries()) {
            // The last that it took may have been the whole of what fits.
            assert.ok(sum(level, account[level]) < (percent / 100) * (max - 12) + 12)
          }
          if (at % 3 !== 2) continue
          const given = held.shift()
          if (given !== undefined) shares.give(given.account, given.amount)
        }
        for (const { account, amount } of held) shares.give(account, amount)
        assert.equal(shares.free, max)
        assert.deepEqual(takeAll(shares, accounts.slice(0, 1)), [22, 'identity'])
      }),
    )
  })
})
