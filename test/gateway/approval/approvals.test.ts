import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Verdict } from '../../../src/gateway/approval/approval.ts'
import {
  createApprovals,
  type Approvals,
  type Wanted,
} from '../../../src/gateway/approval/approvals.ts'
import { oneHandleKey } from '../../../src/gateway/handle/keys.ts'
import { createSeal } from '../../../src/gateway/handle/seal.ts'
import { silentLog } from '../../../src/log.ts'
import { silentMetrics } from '../../../src/metrics.ts'
import { requirement } from '../../requirements.ts'
import { memoryApprovals, type MemoryApprovals } from '../world/memory-approvals.ts'

const uri = `spiffe://test.example/${'x'.repeat(2027)}`
/** As long as one may be: a certificate of 16 KiB. */
const verdict: Verdict = {
  approved: true,
  by: uri,
  certificate: Buffer.alloc(16 * 1024).toString('base64'),
  above: Array.from({ length: 4 }, () => 'f'.repeat(40)),
  decisionId: '0b7e3c52-7f4a-4c5e-9f0e-2f6f8f3f6f10',
}

/** A call of which so many octets are kept. */
function wanted(octets: number): Wanted {
  const binding = {
    owner: `${uri} c0ffee00-0000-4000-8000-00000000beef`,
    server: 'files',
    tool: `delete-${octets}`,
    definitionDigest: 'ab'.repeat(32),
    argumentsSha256: 'cd'.repeat(32),
    inputResponsesSha256: undefined,
    requestStateSha256: undefined,
  }
  const shown = { text: '{}', masked: [], shortened: [] }
  const texts = { subject: '{}', resource: 'x'.repeat(octets) }
  return {
    account: ['acme', 'agents', 'agent'],
    request: { binding, rules: ['deletions'], shown, inputKeys: undefined, ...texts },
    seconds: 600,
    counts: () => Promise.resolve(true),
  }
}

const open = (store: MemoryApprovals, keys = oneHandleKey()): Approvals =>
  createApprovals({
    store,
    seal: createSeal({ keys }),
    now: () => 0,
    log: silentLog,
    metrics: silentMetrics,
    tenantSharePercent: 100,
    namespaceSharePercent: 100,
    identitySharePercent: 100,
  })

test('whatever can be asked for can be approved by the longest verdict, and is found; what is too long is not asked for', async () => {
  requirement('gateway.what-is-sealed-opens')
  const store = memoryApprovals()
  const approvals = open(store)
  const states = new Set<string>()
  for (let octets = 0; octets < 60_000; octets += 500) {
    const call = wanted(octets)
    const asked = await approvals.claim(call)
    states.add(asked.state)
    if (asked.state === 'too long') {
      assert.equal(store.kept.size, 0)
      assert.ok(octets >= 18_000, `got=${octets}`)
      continue
    }
    assert.ok(asked.state === 'waiting')
    const found = await approvals.find(asked.approval.ticket)
    assert.ok(found !== undefined && found !== 'elsewhere')
    assert.equal(await approvals.decide(found, verdict), true)
    assert.ok([...store.kept.values()].every(({ sealed }) => sealed.length <= 65_536))
    assert.equal((await approvals.claim(call)).state, 'used', `octets=${octets}`)
  }
  assert.deepEqual([...states], ['waiting', 'too long'])
})

test('the longest call that can be asked for goes on under its approval, as often as it is asked', async () => {
  requirement('gateway.what-is-sealed-opens')
  requirement('gateway.approval-goes-on')
  const approvals = open(memoryApprovals())
  let octets = 30_000
  const longest = async (): Promise<[Wanted, string]> => {
    for (; octets > 0; octets -= 8) {
      const call = wanted(octets)
      const asked = await approvals.claim(call)
      if (asked.state === 'waiting') return [call, asked.approval.ticket]
      assert.equal(asked.state, 'too long')
    }
    return assert.fail('nothing fits')
  }
  const [call, ticket] = await longest()
  assert.ok(octets >= 18_000 && octets < 30_000, `got=${octets}`)
  const found = await approvals.find(ticket)
  assert.ok(found !== undefined && found !== 'elsewhere')
  await approvals.decide(found, verdict)
  const used = await approvals.claim(call)
  assert.ok(used.state === 'used')
  let { approval } = used
  const { binding, rules } = call.request
  for (let round = 0; round < 3; round += 1) {
    const kept = await approvals.goingOn.keep(approval)
    const next = await approvals.goingOn.use(kept, { binding, rules, counts: call.counts })
    assert.ok(next !== undefined && next !== 'elsewhere')
    assert.deepEqual([next.ticket, next.verdict], [ticket, verdict])
    approval = next
  }
})

test('a verdict that does not fit is no verdict, and says so', async () => {
  requirement('gateway.what-is-sealed-opens')
  const approvals = open(memoryApprovals())
  const asked = await approvals.claim(wanted(0))
  assert.ok(asked.state === 'waiting')
  const found = await approvals.find(asked.approval.ticket)
  assert.ok(found !== undefined && found !== 'elsewhere')
  const certificate = 'x'.repeat(65_536)
  await assert.rejects(approvals.decide(found, { ...verdict, certificate }), /too long/)
  assert.equal((await approvals.claim(wanted(0))).state, 'waiting')
})

test('what was begun of a call that goes on, and has no verdict, holds nobody up: the call waits for an approval that can be given', async () => {
  requirement('gateway.approval-goes-on')
  const store = memoryApprovals()
  const keys = oneHandleKey()
  // The process ends between the two writes of what goes on.
  const ending = { ...store, replace: () => Promise.reject(new Error('away')) }
  const first = open(store, keys)
  const call = wanted(0)
  const asked = await first.claim(call)
  assert.ok(asked.state === 'waiting')
  const found = await first.find(asked.approval.ticket)
  assert.ok(found !== undefined && found !== 'elsewhere')
  await first.decide(found, verdict)
  const used = await first.claim(call)
  assert.ok(used.state === 'used')
  const { goingOn } = open({ ...ending, remove: ending.replace }, keys)
  await assert.rejects(goingOn.keepForAgain(used.approval), /away/)
  assert.equal(store.kept.size, 1)
  const anew = await open(store, keys).claim(call)
  assert.ok(anew.state === 'waiting')
  assert.notEqual(anew.approval.ticket, asked.approval.ticket)
  assert.equal((await first.waiting()).approvals.length, 1)
  const again = await first.find(anew.approval.ticket)
  assert.ok(again !== undefined && again !== 'elsewhere')
  assert.ok(await first.decide(again, verdict))
  assert.equal((await first.claim(call)).state, 'used')
})
