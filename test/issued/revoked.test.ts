import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRevocationFinder, type Revocation } from '../../src/pki/revocation.ts'
import { requirement } from '../requirements.ts'
import { profile } from '../signer/signer-world.ts'
import { testIdentity } from '../support/test-authority.ts'
import { openIssuedWorld, place, sign, unlessBroken, type IssuedWorld } from './issued-world.ts'

const { identityExtensionOid } = profile

interface RevocableWorld extends IssuedWorld {
  readonly revoked: { list: readonly Revocation[]; staleSeconds: number }
  /** What runs is gone, and another one is there. */
  again(): void
}

function openRevocableWorld(): RevocableWorld {
  const world = openIssuedWorld()
  const revoked: RevocableWorld['revoked'] = { list: [], staleSeconds: 0 }
  const find = createRevocationFinder(() => revoked.list)
  const revocations = {
    find,
    get staleSeconds() {
      return revoked.staleSeconds
    },
    onChange: () => () => {},
  }
  const again = (): void => world.restart({ revocations, identityExtensionOid })
  again()
  return Object.assign(world, { revoked, again })
}

const everything: Revocation = {
  name: 'stolen',
  serviceAccount: { namespace: 'agents', name: 'worker' },
  reason: 'not for others to see',
}

function accountOf(world: IssuedWorld): Revocation {
  const [account] = world.cluster.list('serviceaccounts')
  const { name = '', namespace = '' } = account?.metadata ?? {}
  return { ...everything, serviceAccount: { namespace, name } }
}

test('what is revoked has no key left before it is told of, and another one is asked for when that is lifted', async () => {
  requirement('issued.ends-when-revoked')
  const world = openRevocableWorld()
  await world.until('Finished')
  const { 'tls.key': key, 'tls.crt': chain } = world.secret() ?? {}
  world.clock.now += 2000
  // It would not take another one.
  world.revoked.list = [{ ...accountOf(world), issuedBefore: new Date(world.clock.now) }]
  for (let turns = 0; turns < 3; turns += 1) await world.turn()
  assert.equal(world.certificate().state, 'Failed')
  assert.equal(world.certificate().error, 'revoked: by the Revocation stolen')
  const { 'trust-bundle.pem': anchors, ...left } = world.secret() ?? {}
  assert.ok(anchors !== undefined)
  assert.deepEqual(left, { 'tls.crt': chain })
  assert.equal(world.requests().length, 1)
  world.again()
  await world.turn()
  assert.equal(world.requests().length, 1)
  world.revoked.list = []
  await world.until('Finished')
  assert.notEqual(world.secret()?.['tls.key'], key)
})

test('of a certificate that is renewed while it is revoked neither key is left', async () => {
  requirement('issued.ends-when-revoked')
  const world = openRevocableWorld()
  await world.until('Finished')
  world.clock.now += 2400 * 1000
  await world.until('Requested')
  sign(world)
  world.revoked.list = [accountOf(world)]
  await world.turn()
  assert.equal(world.certificate().state, 'Failed')
  assert.deepEqual(Object.keys(world.secret() ?? {}).toSorted(), ['tls.crt', 'trust-bundle.pem'])
})

test('what somebody else is revoked for ends nothing', async () => {
  const world = openRevocableWorld()
  await world.until('Finished')
  world.revoked.list = [{ name: 'other', podUid: 'another', reason: '' }]
  await world.turn()
  assert.equal(world.certificate().state, 'Finished')
})

test('while it is not known what is revoked nothing is asked for, and what is there stays', async () => {
  requirement('issued.ends-when-revoked')
  const world = openRevocableWorld()
  world.revoked.staleSeconds = Number.POSITIVE_INFINITY
  await world.turn()
  assert.equal(world.requests().length, 0)
  world.revoked.staleSeconds = 0
  await world.until('Finished')
  world.revoked.list = [accountOf(world)]
  await world.turn()
  // After a restart the list is not there yet.
  world.again()
  world.revoked.list = []
  world.revoked.staleSeconds = Number.POSITIVE_INFINITY
  await world.turn()
  assert.equal(world.certificate().state, 'Failed')
  assert.equal(world.requests().length, 1)
})

for (const fault of ['drop', 'lose'] as const) {
  for (const at of [0, 1]) {
    test(`a kill at write ${at} (${fault}) leaves no key of what is revoked`, async () => {
      requirement('issued.ends-when-revoked')
      const world = openRevocableWorld()
      await world.until('Finished')
      world.revoked.list = [accountOf(world)]
      let writes = -1
      world.cluster.fail(({ method }) => method === 'PATCH' && (writes += 1) === at, {
        kind: fault,
      })
      await assert.rejects(world.turn())
      world.again()
      await world.turn().catch(unlessBroken)
      assert.equal(world.certificate().state, 'Failed')
      assert.deepEqual(Object.keys(world.secret() ?? {}).toSorted(), [
        'tls.crt',
        'trust-bundle.pem',
      ])
    })
  }
}

test('whoever deletes the Secret of what is revoked brings back no key', async () => {
  requirement('issued.ends-when-revoked')
  const world = openRevocableWorld()
  await world.until('Finished')
  const uid: Revocation = { name: 'stolen', podUid: 'issued-uid', reason: '' }
  for (const revoked of [accountOf(world), uid]) {
    world.revoked.list = [revoked]
    await world.turn()
    world.cluster.remove('secrets', place.secret, place.namespace)
    for (let turns = 0; turns < 3; turns += 1) await world.turn()
    assert.equal(world.requests().length, 1)
    assert.equal(world.secret(), undefined)
    assert.equal(world.certificate().error, 'revoked: by the Revocation stolen')
  }
})

test('what is revoked by what the signer alone knows of it is not taken, and seldom asked for again', async () => {
  requirement('issued.ends-when-revoked')
  const world = openRevocableWorld()
  const { pod } = testIdentity()
  world.revoked.list = [{ name: 'stolen', podUid: pod.uid, reason: '' }]
  await world.until('Requested')
  sign(world)
  for (let turns = 0; turns < 3; turns += 1) await world.turn()
  assert.equal(world.certificate().state, 'Failed')
  assert.match(world.certificate().error ?? '', /it is revoked by the Revocation stolen$/)
  assert.deepEqual(Object.keys(world.secret() ?? {}), ['next.key'])
  assert.equal(world.requests().length, 1)
})
