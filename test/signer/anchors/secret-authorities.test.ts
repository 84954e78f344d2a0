import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { parseTrustDomain } from '../../../src/identity/trust-domain.ts'
import { silentLog } from '../../../src/log.ts'
import { entryOf } from '../../../src/pki/authority-journal.ts'
import { activate, prepare, revoke, shortName } from '../../../src/pki/authority-steps.ts'
import { createSelfSignedAuthority, type AuthoritySource } from '../../../src/pki/authority.ts'
import { openAuthority, writeAuthority } from '../../../src/signer/anchors/authority-secret.ts'
import { openSecretAuthorities } from '../../../src/signer/anchors/secret-authorities.ts'
import { requirement } from '../../requirements.ts'
import { FakeCluster } from '../../support/fake-cluster.ts'

const place = { namespace: 'countersign-system', name: 'countersign-authority' }
const trustDomain = parseTrustDomain('agents.example')
const made = { trustDomain, lifetimeSeconds: 30 * 86_400, dnsSuffixes: ['svc'], now: Date.now }

class World {
  /** Milliseconds that the wall clock is ahead. */
  passed = 0
  readonly cluster = new FakeCluster()
  milliseconds = 0
  #next = Promise.withResolvers<void>()
  readonly options = {
    client: this.cluster,
    ...place,
    ...made,
    now: (): number => Date.now() + this.passed,
  }

  constructor() {
    this.cluster.put('secrets', { metadata: place })
  }

  async open(t: TestContext): Promise<AuthoritySource> {
    const authorities = await openSecretAuthorities({
      ...this.options,
      log: silentLog,
      steadyNow: () => this.milliseconds,
      delay: (_, signal) => {
        const aborted = new Promise<void>((resolve) => {
          signal?.addEventListener('abort', () => resolve(), { once: true })
        })
        return Promise.race([this.#next.promise, aborted])
      },
    })
    t.after(() => authorities[Symbol.asyncDispose]())
    return authorities
  }

  /** Lets every replica look once, which it has done when this resolves. */
  async look(): Promise<void> {
    const { resolve } = this.#next
    this.#next = Promise.withResolvers()
    resolve()
    await new Promise((later) => setTimeout(later, 20))
  }

  async prepare(): Promise<void> {
    const contents = await openAuthority(this.options)
    const next = createSelfSignedAuthority(this.options)
    const now = this.options.now()
    const entry = entryOf(next.certificatePem, { state: 'prepared', since: now })
    const journal = prepare(contents.journal, entry, now)
    await writeAuthority({ ...contents, journal, preparedKeyPem: next.privateKeyPem }, this.options)
  }

  async activate(): Promise<void> {
    const {
      metadata,
      journal,
      preparedKeyPem: activeKeyPem = '',
    } = await openAuthority(this.options)
    await writeAuthority(
      { metadata, journal: activate(journal, this.options.now()), activeKeyPem },
      this.options,
    )
  }
}

test('every replica follows each step, without a start', async (t) => {
  requirement('signer.rotation-by-proof')
  const world = new World()
  const replicas = [await world.open(t), await world.open(t)]
  const first = replicas[0]?.current()
  assert.ok(first !== undefined)
  await world.prepare()
  await world.look()
  for (const replica of replicas) {
    assert.equal(replica.current().certificate.sha256, first.certificate.sha256)
    assert.equal(replica.anchors().length, 2, 'the anchor of the prepared one is published')
    assert.equal(replica.rotation?.isDelivered(first), false)
  }
  await world.activate()
  await world.look()
  const second = replicas[0]?.current()
  assert.ok(second !== undefined)
  assert.notEqual(second.certificate.sha256, first.certificate.sha256)
  for (const replica of replicas) {
    assert.equal(replica.current().certificate.sha256, second.certificate.sha256)
    assert.equal(
      replica.rotation?.maySign(first),
      true,
      'until its successor is in force in the replica',
    )
    assert.equal(replica.rotation?.maySign(second), true)
    assert.equal(replica.anchors().length, 2, 'what it has signed is trusted still')
    assert.equal(replica.rotation?.isDelivered(second), true)
    assert.equal(replica.rotation?.isDelivered(first), false)
    assert.deepEqual(replica.rotation?.withdrawn(), [])
  }
  world.passed = 300_001
  for (const replica of replicas) {
    assert.equal(
      replica.rotation?.maySign(first),
      false,
      'five minutes are all that others reckon with',
    )
  }
  // The key of the old one is nowhere any more.
  const secret = world.cluster.get('secrets', place.name, place.namespace)
  assert.deepEqual(Object.keys(secret?.['data'] as object).toSorted(), [
    'authorities.json',
    'tls.crt',
    'tls.key',
  ])
  const contents = await openAuthority(world.options)
  const old = contents.journal[0]
  assert.ok(old !== undefined)
  await writeAuthority(
    {
      ...contents,
      journal: revoke(contents.journal, shortName(old.certificate.sha256), world.options.now()),
    },
    world.options,
  )
  await world.look()
  for (const replica of replicas) {
    assert.deepEqual(replica.rotation?.withdrawn(), [first.certificate.sha256])
    assert.equal(replica.rotation?.maySign(first), false)
    assert.equal(replica.anchors().length, 1)
  }
})

test('a replica that starts in any state signs with the one that is active', async (t) => {
  const world = new World()
  await world.open(t)
  for (const step of ['prepare', 'activate', 'prepare'] as const) {
    await world[step]()
    const { journal } = await openAuthority(world.options)
    const active = journal.find(({ state }) => state === 'active')
    const replica = await world.open(t)
    assert.equal(replica.current().certificate.sha256, active?.certificate.sha256)
  }
})

test('what cannot be read again signs for five minutes, and then nothing does', async (t) => {
  const world = new World()
  const replica = await world.open(t)
  assert.equal(replica.rotation?.isFresh(), true)
  world.milliseconds = 10_001
  assert.equal(replica.rotation?.isFresh(), false, 'nothing was answered for two looks')
  world.milliseconds = 0
  world.cluster.fail(() => true, { kind: 'drop' }, 1)
  await world.look()
  assert.equal(replica.rotation?.isFresh(), false, 'the last look failed')
  await world.look()
  assert.equal(replica.rotation?.isFresh(), true)
  world.cluster.fail(() => true, { kind: 'drop' }, 2)
  world.milliseconds = 300_000
  await world.look()
  assert.ok(replica.current())
  assert.ok(replica.problem)
  world.milliseconds = 300_001
  await world.look()
  assert.throws(() => replica.current(), { code: 'pki/authority-unavailable', message: /300 s/ })
  await world.look()
  assert.ok(replica.current())
  assert.equal(replica.problem, undefined)
})

test('a Secret that is emptied under a running signer is not filled with another CA', async (t) => {
  const world = new World()
  const replica = await world.open(t)
  const { sha256 } = replica.current().certificate
  world.cluster.put('secrets', { metadata: place, data: {} })
  await world.look()
  assert.equal(replica.current().certificate.sha256, sha256)
  assert.match(replica.problem?.message ?? '', /is empty/)
  const secret = world.cluster.get('secrets', place.name, place.namespace)
  assert.deepEqual(secret?.['data'], {})
})

test('an earlier copy of the Secret is not taken, and nothing signs after five minutes', async (t) => {
  requirement('signer.rotation-by-proof')
  const world = new World()
  const replica = await world.open(t)
  const first = replica.current()
  const copy = world.cluster.get('secrets', place.name, place.namespace)?.['data']
  await world.prepare()
  await world.activate()
  await world.look()
  const second = replica.current()
  assert.notEqual(second.certificate.sha256, first.certificate.sha256)
  world.cluster.put('secrets', { metadata: place, data: copy })
  await world.look()
  assert.equal(replica.current(), second)
  assert.match(replica.problem?.message ?? '', /was old before, want=no earlier state got=active/)
  assert.equal(replica.rotation?.maySign(second), true)
  assert.equal(replica.rotation?.isFresh(), false)
  world.milliseconds = 300_001
  await world.look()
  assert.throws(() => replica.current(), { code: 'pki/authority-unavailable', message: /was old/ })
})

test('an active one that has ended signs nothing, and is replaced without a start', async (t) => {
  requirement('signer.rotation-by-proof')
  const world = new World()
  const running = await world.open(t)
  const first = running.current().certificate.sha256
  world.passed = 31 * 86_400_000
  const replicas = [running, await world.open(t)]
  const ended = { code: 'pki/authority-unavailable', message: /^authority has ended, notAfter=/ }
  for (const replica of replicas) assert.throws(() => replica.current(), ended)
  await world.prepare()
  await world.look()
  for (const replica of replicas) {
    assert.throws(() => replica.current(), ended)
    assert.equal(replica.rotation?.isFresh(), true)
    assert.equal(replica.anchors().length, 2)
    assert.deepEqual(replica.rotation?.withdrawn(), [first])
  }
  await world.activate()
  await world.look()
  for (const replica of replicas) assert.notEqual(replica.current().certificate.sha256, first)
})

test('of two steps at once one is taken', async () => {
  const world = new World()
  await openAuthority(world.options)
  const results = await Promise.allSettled([world.prepare(), world.prepare()])
  assert.deepEqual(results.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
  const { journal } = await openAuthority(world.options)
  assert.equal(journal.length, 2)
})

test('a step whose write is refused changes nothing, and one whose answer is lost is whole', async () => {
  for (const kind of ['drop', 'lose'] as const) {
    const world = new World()
    await openAuthority(world.options)
    await world.prepare()
    const before = await openAuthority(world.options)
    world.cluster.fail(({ method }) => method === 'PATCH', { kind })
    await assert.rejects(world.activate())
    const { journal, activeKeyPem } = await openAuthority(world.options)
    const taken = kind === 'lose'
    assert.deepEqual(
      journal.map(({ state }) => state),
      taken ? ['old', 'active'] : ['active', 'prepared'],
    )
    assert.equal(activeKeyPem, taken ? before.preparedKeyPem : before.activeKeyPem)
  }
})
