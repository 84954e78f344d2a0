import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { silentLog } from '../../../src/log.ts'
import { BundleLease } from '../../../src/signer/anchors/bundle-lease.ts'
import { FakeCluster } from '../../support/fake-cluster.ts'
import { lease, leaseRequests } from './trust-bundle-world.ts'

const { signal } = new AbortController()
const durationSeconds = 15

let cluster: FakeCluster
let seconds: number

beforeEach(() => {
  cluster = new FakeCluster()
  seconds = 0
})

function leaseOf(holder: string): BundleLease {
  const now = (): number => seconds * 1000
  return new BundleLease({
    client: cluster,
    ...lease,
    holder,
    durationSeconds,
    now,
    log: silentLog,
  })
}

test('a lease is ours until it ends by itself, from before it was asked for', async () => {
  const one = leaseOf('one')
  assert.ok(!one.isHeld())
  assert.ok(await one.hold(signal, false))
  seconds = 14
  assert.ok(one.isHeld())
  seconds = 15
  assert.ok(!one.isHeld())
})

test('a lease whose renewal is not answered is not ours, and is given back all the same', async () => {
  const one = leaseOf('one')
  await one.hold(signal, false)
  cluster.fail(leaseRequests, { kind: 'drop' })
  await assert.rejects(one.hold(signal, false))
  await one.release()
  assert.ok(await leaseOf('two').hold(signal, false))
})

test('a holder is relieved after a lease in which it has not published the anchors of another', async () => {
  const [one, two] = [leaseOf('one'), leaseOf('two')]
  const look = async (missesAnchors: boolean): Promise<boolean> => {
    await one.hold(signal, false)
    return two.hold(signal, missesAnchors)
  }
  assert.ok(!(await look(true)))
  seconds = 14
  assert.ok(!(await look(true)))
  // What is published meanwhile is not missed any more.
  seconds = 16
  assert.ok(!(await look(false)))
  assert.ok(!(await look(true)))
  seconds = 30
  assert.ok(!(await look(true)))
  two.leave()
  seconds = 31
  assert.ok(!(await look(true)))
  seconds = 46
  assert.ok(await look(true))
  assert.ok(!(await one.hold(signal, false)))
})

test('who leaves a lease holds none, and asks for it anew', async () => {
  const one = leaseOf('one')
  await one.hold(signal, false)
  one.leave()
  assert.ok(!one.isHeld())
  assert.ok(await one.hold(signal, false))
  assert.ok(one.isHeld())
})
