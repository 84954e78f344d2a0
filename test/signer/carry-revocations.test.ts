import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ApiClient } from '../../src/kubernetes/api-client.ts'
import { parseTrustDomain } from '../../src/identity/trust-domain.ts'
import { silentLog } from '../../src/log.ts'
import {
  carryOnce,
  carryRevocations,
  type CarryOptions,
} from '../../src/signer/carry-revocations.ts'
import { requirement } from '../requirements.ts'
import { eventually } from '../support/eventually.ts'
import { FakeCluster, type ClusterFault } from '../support/fake-cluster.ts'

const trustDomain = parseTrustDomain('edge-1.example')
const plural = 'revocations'
const { signal } = new AbortController()

interface World {
  readonly hub: FakeCluster
  readonly edge: FakeCluster
  readonly options: CarryOptions
  /** Gives how many are kept though the hub has them no more. */
  readonly round: () => Promise<number>
  /** What the gateways of the edge refuse, by who is meant. */
  readonly revoked: () => readonly unknown[]
}

function openWorld(): World {
  const hub = new FakeCluster()
  const edge = new FakeCluster()
  const options = { hub, from: 'hub', client: edge, trustDomain, log: silentLog }
  return {
    hub,
    edge,
    options,
    round: () => carryOnce(options, signal),
    revoked: () =>
      edge
        .list(plural)
        .map(({ spec }) => (spec as { podUID: string }).podUID)
        .toSorted(),
  }
}

function revoke(
  hub: FakeCluster,
  name: string,
  { to = 'edge-1.example', more = {} }: { readonly to?: string; readonly more?: object } = {},
): void {
  const annotations = { 'countersign.dev/trust-domain': to }
  const metadata = { name, uid: `uid-of-${name}`, annotations }
  hub.put(plural, { metadata, spec: { podUID: name, reason: 'a test', ...more } })
}

/** It stays there until it was seen that it names nobody any more. */
function lift(hub: FakeCluster, name: string): void {
  revoke(hub, name, { to: '' })
}

test('what is revoked on the hub for a trust domain is revoked in its cluster, and nothing else is', async () => {
  requirement('signer.revocations-travel')
  const { hub, edge, round, revoked } = openWorld()
  revoke(hub, 'one')
  revoke(hub, 'other', { to: 'edge-2.example' })
  hub.put(plural, { metadata: { name: 'all' }, spec: { podUID: 'hub-only', reason: '' } })
  await round()
  assert.deepEqual(revoked(), ['one'])
  const [carried] = edge.list(plural)
  assert.equal(carried?.metadata.name, 'carried-uid-of-one')
  assert.deepEqual(carried.metadata['labels'], { 'countersign.dev/carried-from': 'hub' })
  const annotations = { 'countersign.dev/carried-for': 'edge-1.example' }
  assert.deepEqual(carried.metadata['annotations'], annotations)
  await round()
  assert.equal(edge.requests.filter(({ method }) => method !== 'GET').length, 1)
})

test('what was changed or deleted in the cluster is put back, and what the hub has changed is changed', async () => {
  requirement('signer.revocations-travel')
  const { hub, edge, round, revoked } = openWorld()
  revoke(hub, 'one', { more: { tenant: 'acme' } })
  revoke(hub, 'two')
  await round()
  edge.remove(plural, 'carried-uid-of-two')
  const [one] = edge.list(plural)
  assert.ok(one !== undefined)
  edge.put(plural, { ...one, spec: { podUID: 'nobody', tenant: 'acme', reason: '' } })
  await round()
  assert.deepEqual(revoked(), ['one', 'two'])
  revoke(hub, 'one')
  await round()
  const specs = edge.list(plural).map(({ spec }) => spec)
  assert.ok(specs.every((spec) => !Object.hasOwn(spec as object, 'tenant')))
})

test('what is lifted on the hub is lifted here, and what was made here, or comes from another, stays', async () => {
  requirement('signer.revocations-travel')
  const { hub, edge, round, revoked } = openWorld()
  revoke(hub, 'one')
  revoke(hub, 'two')
  edge.put(plural, { metadata: { name: 'carried-own' }, spec: { podUID: 'own', reason: '' } })
  const labels = { 'countersign.dev/carried-from': 'elsewhere' }
  const annotations = { 'countersign.dev/carried-for': 'edge-1.example' }
  const metadata = { name: 'theirs', labels, annotations }
  edge.put(plural, { metadata, spec: { podUID: 'theirs', reason: '' } })
  await round()
  assert.deepEqual(revoked(), ['one', 'own', 'theirs', 'two'])
  lift(hub, 'one')
  assert.equal(await round(), 0)
  assert.deepEqual(revoked(), ['own', 'theirs', 'two'])
})

test('what the hub has no more stays, whatever else it has, and that is said', async () => {
  requirement('signer.revocations-travel')
  const { hub, edge, options, round, revoked } = openWorld()
  for (const name of ['one', 'two']) revoke(hub, name)
  assert.equal(await round(), 0)
  for (const name of ['one', 'two']) hub.remove(plural, name)
  assert.equal(await round(), 2)
  // As a cluster that is made anew has them: of the same name, and of another UID.
  revoke(hub, 'three')
  assert.equal(await round(), 2)
  assert.equal(await round(), 2)
  assert.deepEqual(revoked(), ['one', 'three', 'two'])
  const delay: CarryOptions['delay'] = (_, ended) =>
    new Promise((resolve) => ended?.addEventListener('abort', () => resolve()))
  await using carrying = carryRevocations({ ...options, delay })
  const said = 'as on hub, and 2 that it has no more'
  await eventually('it is said', () => carrying.condition().reason === said)
  // Here they are lifted by whoever deletes them.
  for (const name of ['one', 'two']) edge.remove(plural, `carried-uid-of-${name}`)
  assert.equal(await round(), 0)
  assert.deepEqual(revoked(), ['three'])
})

test('while the hub cannot be read, or one of its Revocations cannot, everything stays', async () => {
  requirement('signer.revocations-travel')
  const { hub, round, revoked } = openWorld()
  revoke(hub, 'one')
  await round()
  lift(hub, 'one')
  hub.fail(() => true, { kind: 'refuse', status: 404 })
  await assert.rejects(round(), { code: 'kubernetes/api' })
  hub.put(plural, { metadata: { name: 'odd' } })
  await assert.rejects(round(), { code: 'kubernetes/object' })
  assert.deepEqual(revoked(), ['one'])
})

test('one that the cluster refuses keeps no other from being carried', async () => {
  requirement('signer.revocations-travel')
  const { hub, edge, round, revoked } = openWorld()
  revoke(hub, 'odd')
  revoke(hub, 'one')
  edge.fail(({ method }) => method === 'POST', { kind: 'refuse', status: 422 })
  await assert.rejects(round(), { code: 'kubernetes/api' })
  assert.deepEqual(revoked(), ['one'])
})

const faults: readonly ClusterFault[] = [
  { kind: 'drop' },
  { kind: 'lose' },
  ...[404, 409, 429, 500].map((status) => ({ kind: 'refuse', status }) as const),
]

for (const fault of faults) {
  const named = fault.kind === 'refuse' ? `${fault.status}` : fault.kind
  test(`whichever request meets ${named}, nothing that is revoked is ever let in, and in the end all is as on the hub`, async () => {
    requirement('signer.revocations-travel')
    for (const side of ['hub', 'edge'] as const) {
      for (let at = 0; at < 5; at += 1) {
        const world = openWorld()
        const { hub, revoked, round } = world
        revoke(hub, 'stays')
        revoke(hub, 'lifted')
        await round()
        lift(hub, 'lifted')
        revoke(hub, 'stays', { more: { tenant: 'acme' } })
        revoke(hub, 'new')
        let requests = -1
        world[side].fail(() => (requests += 1) === at, fault)
        // Whoever was killed begins anew: there is nothing to go on with but the objects.
        for (let rounds = 0; rounds < 5; rounds += 1) {
          await round().catch(() => {})
          assert.ok(revoked().includes('stays'), `${side} ${at}`)
        }
        await round()
        assert.deepEqual(revoked(), ['new', 'stays'], `${side} ${at}`)
      }
    }
  })
}

test('it looks again and again, and says when it has carried nothing for too long', async () => {
  requirement('signer.revocations-travel')
  const { hub, options, revoked } = openWorld()
  let now = 0
  let wake = Promise.withResolvers<void>()
  const delay = (): Promise<void> => wake.promise
  await using carrying = carryRevocations({ ...options, delay, clock: () => now })
  const again = async (): Promise<void> => {
    const woken = wake
    wake = Promise.withResolvers()
    woken.resolve()
    await eventually('it has looked', () => hub.requests.length > looks)
    looks = hub.requests.length
  }
  let looks = 0
  revoke(hub, 'one')
  await again()
  await eventually('it is carried', () => revoked().length === 1)
  hub.fail(() => true, { kind: 'drop' }, 100)
  await again()
  assert.equal(carrying.condition().ok, true)
  now += 61_000
  assert.match(carrying.condition().reason, /^not carried for 61 s: /)
  assert.equal(carrying.condition().ok, false)
  wake.resolve()
})

test('one that is marked as carried no more is put back, whatever else was made of it', async () => {
  requirement('signer.revocations-travel')
  const { hub, edge, round, revoked } = openWorld()
  revoke(hub, 'one')
  revoke(hub, 'two')
  await round()
  const name = 'carried-uid-of-one'
  edge.put(plural, { metadata: { name }, spec: { podUID: 'nobody', reason: '' } })
  await round()
  assert.deepEqual(revoked(), ['one', 'two'])
  lift(hub, 'one')
  await round()
  assert.deepEqual(revoked(), ['two'])
})

test('two signers of one cluster, each for its own trust domain, lift nothing of each other', async () => {
  requirement('signer.revocations-travel')
  const { hub, options, round, revoked } = openWorld()
  revoke(hub, 'one')
  revoke(hub, 'two', { to: 'edge-2.example' })
  const other = { ...options, trustDomain: parseTrustDomain('edge-2.example') }
  await round()
  await carryOnce(other, signal)
  await round()
  assert.deepEqual(revoked(), ['one', 'two'])
  lift(hub, 'two')
  await round()
  assert.deepEqual(revoked(), ['one', 'two'])
  await carryOnce(other, signal)
  assert.deepEqual(revoked(), ['one'])
})

test('a round without an end is told of, too', async () => {
  requirement('signer.revocations-travel')
  const { options } = openWorld()
  let now = 0
  const clock = (): number => now
  const { promise, reject } = Promise.withResolvers<never>()
  let rounds = 0
  const hub: ApiClient = {
    server: options.hub.server,
    request: (request) => ((rounds += 1) === 1 ? options.hub.request(request) : promise),
    stream: (request) => options.hub.stream(request),
    close: () => {},
  }
  const carrying = carryRevocations({ ...options, hub, clock, delay: () => Promise.resolve() })
  await eventually('the second round has begun', () => rounds === 2)
  now = 61_000
  const told = carrying.condition()
  reject(new Error('closed'))
  await carrying[Symbol.asyncDispose]()
  assert.equal(told.ok, false)
  assert.equal(told.reason, 'not carried for 61 s: a round has not ended yet')
})

test('however much is written on a Revocation, here or there, those that are made are carried', async () => {
  requirement('signer.revocations-travel')
  const { hub, edge, round, revoked } = openWorld()
  const note = 'x'.repeat(100_000)
  for (const [name, written] of Object.entries({ labels: { note }, annotations: { note } })) {
    const metadata = { name, [name]: written }
    for (const cluster of [hub, edge]) {
      cluster.put(plural, { metadata, spec: { podUID: name, reason: '' } })
    }
  }
  revoke(hub, 'one')
  await round()
  assert.deepEqual(revoked(), ['annotations', 'labels', 'one'])
})
