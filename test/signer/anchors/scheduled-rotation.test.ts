import { clusterTrustBundlePlace } from '../../../src/signer/anchors/anchor-place.ts'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTrustDomain } from '../../../src/identity/trust-domain.ts'
import type { ApiProbe, ApiRequest } from '../../../src/kubernetes/api-client.ts'
import { trustBundleName } from '../../../src/kubernetes/cluster-trust-bundle.ts'
import type { Delay } from '../../../src/kubernetes/backoff.ts'
import { silentLog } from '../../../src/log.ts'
import { createMetrics } from '../../../src/metrics.ts'
import { activeOf, isTrusted, preparedOf } from '../../../src/pki/authority-journal.ts'
import { trustedSecondsAfter } from '../../../src/pki/authority-steps.ts'
import type { AuthoritySource } from '../../../src/pki/authority.ts'
import type { RotationSchedule } from '../../../src/pki/rotation-schedule.ts'
import { openAuthority, readAuthority } from '../../../src/signer/anchors/authority-secret.ts'
import { rotateAuthority } from '../../../src/signer/anchors/rotate-authority.ts'
import { readPublishedAnchors } from '../../../src/signer/anchors/published-anchors.ts'
import {
  startScheduledRotation,
  type ScheduledRotation,
} from '../../../src/signer/anchors/scheduled-rotation.ts'
import { openSecretAuthorities } from '../../../src/signer/anchors/secret-authorities.ts'
import {
  startTrustBundlePublisher,
  type TrustBundlePublisher,
} from '../../../src/signer/anchors/trust-bundle.ts'
import { requirement } from '../../requirements.ts'
import { signerName } from '../asked.ts'
import { FakeCluster, type ClusterFault } from '../../support/fake-cluster.ts'

requirement('signer.rotates-by-schedule')

const trustDomain = parseTrustDomain('example.org')
const place = { namespace: 'countersign-system', name: 'countersign-authority' }
const lease = { namespace: 'countersign-system', name: 'countersign-trust-bundle' }
const bundleName = trustBundleName(signerName, trustDomain)
const day = 86_400
const schedule: RotationSchedule = { everySeconds: 30 * day, prepareBeforeSeconds: 7 * day }
const propagationSeconds = 300
const start = Date.parse('2026-11-30T06:00:00Z')

/** A delay that ends when it is told to: whoever waits takes one turn. */
class Turns {
  #next = Promise.withResolvers<void>()
  readonly delay: Delay = (_, signal) => {
    const aborted = new Promise<void>((resolve) => {
      if (signal?.aborted) resolve()
      signal?.addEventListener('abort', () => resolve(), { once: true })
    })
    return Promise.race([this.#next.promise, aborted])
  }
  async turn(): Promise<void> {
    const { resolve } = this.#next
    this.#next = Promise.withResolvers()
    resolve()
    // Everything behind it is promises and one turn of `setImmediate` each: nothing here waits for a clock.
    for (let turns = 0; turns < 20; turns += 1) await new Promise(setImmediate)
  }
}

/** One signer as far as it rotates. Its clocks are the world's, and may be wrong. */
interface Replica extends AsyncDisposable {
  readonly source: AuthoritySource
  readonly publisher: TrustBundlePublisher
  readonly scheduled: ScheduledRotation
}

class World implements AsyncDisposable {
  readonly cluster = new FakeCluster()
  readonly turns = new Turns()
  readonly replicas: Replica[] = []
  readonly metrics = createMetrics()
  /** Of the API server, in seconds. */
  passed = 0
  /** Of the replicas' clocks from the API server's. */
  skewSeconds = 0
  /** When each anchor was first in the bundle, by the API server's clock. */
  readonly #publishedAt = new Map<string, number>()
  readonly secret = {
    client: this.cluster,
    ...place,
    trustDomain,
    lifetimeSeconds: 60 * day,
    dnsSuffixes: ['svc'],
    now: (): number => this.now(),
  }

  constructor() {
    const creationTimestamp = new Date(start).toISOString()
    this.cluster.put('secrets', { metadata: { ...place, creationTimestamp } })
    this.cluster.put('leases', { metadata: lease })
  }

  get serverNow(): number {
    return start + this.passed * 1000
  }

  now(): number {
    return this.serverNow + this.skewSeconds * 1000
  }

  readonly probe: ApiProbe = {
    ask: () =>
      Promise.resolve({
        status: 200,
        headers: { date: new Date(this.serverNow).toUTCString() },
        text: '{}',
      }),
  }

  async open(holder: string, own: RotationSchedule = schedule): Promise<Replica> {
    const { cluster, turns, probe, secret } = this
    const { delay } = turns
    const clocks = { now: secret.now, steadyNow: (): number => this.serverNow }
    const source = await openSecretAuthorities({ ...secret, ...clocks, delay, log: silentLog })
    const publisher = startTrustBundlePublisher({
      client: cluster,
      place: clusterTrustBundlePlace({
        client: cluster,
        version: 'v1',
        signerName,
        trustDomain,
        log: silentLog,
      }),
      trustDomain,
      authorities: source,
      lease: { ...lease, holder },
      propagationSeconds,
      log: silentLog,
      ...clocks,
      delay,
      random: () => 0,
    })
    publisher.published.catch(() => {})
    const scheduled = startScheduledRotation({
      schedule: own,
      secret,
      client: cluster,
      probe,
      authorities: source,
      held: () => publisher.held(),
      propagationSeconds,
      log: silentLog,
      metrics: this.metrics,
      now: secret.now,
      delay,
    })
    const replica: Replica = {
      source,
      publisher,
      scheduled,
      async [Symbol.asyncDispose]() {
        await scheduled[Symbol.asyncDispose]()
        await publisher[Symbol.asyncDispose]()
        await source[Symbol.asyncDispose]()
      },
    }
    this.replicas.push(replica)
    await this.turns.turn()
    return replica
  }

  async end(replica: Replica): Promise<void> {
    this.replicas.splice(this.replicas.indexOf(replica), 1)
    await replica[Symbol.asyncDispose]()
  }

  /** Lets so much time pass, and everybody look; what has to hold at any time is checked. */
  async pass(seconds: number): Promise<void> {
    this.passed += seconds
    // Twice: what one has read or taken at the first look, another goes by at the second.
    await this.turns.turn()
    await this.turns.turn()
    await this.check()
  }

  /** Until it is so, five seconds at a time. */
  async until(what: string, is: () => Promise<boolean> | boolean, turnsMax = 200): Promise<void> {
    for (let turns = 0; turns < turnsMax; turns += 1) {
      if (await is()) return
      await this.pass(5)
    }
    assert.fail(
      `never: ${what}; ${this.replicas.map(({ scheduled }) => scheduled.condition().reason).join('; ')}`,
    )
  }

  async states(): Promise<readonly string[]> {
    const { journal = [] } = await readAuthority(this.secret)
    return journal.map(({ state }) => state)
  }

  async check(): Promise<void> {
    const { journal = [] } = await readAuthority(this.secret)
    const spec = this.cluster.get('clustertrustbundles', bundleName)?.['spec']
    const text = (spec as { trustBundle?: string } | undefined)?.trustBundle ?? ''
    const published = new Set(readPublishedAnchors(text, trustDomain).map(({ sha256 }) => sha256))
    for (const sha256 of published) {
      if (!this.#publishedAt.has(sha256)) this.#publishedAt.set(sha256, this.serverNow)
    }
    for (const { source, publisher } of this.replicas) {
      let signs: string
      try {
        signs = publisher.authorities.current().certificate.sha256
      } catch {
        continue
      }
      assert.ok(published.has(signs), 'whoever signs has published anchors')
      const first = source.rotation?.journal()[0]?.certificate.sha256
      const seconds = (this.serverNow - (this.#publishedAt.get(signs) ?? NaN)) / 1000
      const isSuccessor = signs !== first
      assert.ok(!isSuccessor || seconds >= propagationSeconds, `readers had ${seconds} s`)
    }
    for (const entry of journal.filter((each) => each.state === 'old')) {
      const { sha256 } = entry.certificate
      const isOver = !isTrusted(entry, this.serverNow)
      assert.ok(
        published.has(sha256) || isOver || published.size === 0,
        'what was signed is trusted',
      )
    }
    const secret = this.cluster.get('secrets', place.name, place.namespace)?.['data'] as
      Readonly<Record<string, string>> | undefined
    const hasKey = secret?.['prepared.key'] !== undefined
    assert.equal(hasKey, preparedOf(journal) !== undefined, 'a key for what is prepared alone')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const replica of this.replicas) await replica[Symbol.asyncDispose]()
  }
}

const secretWrites = ({ method, path }: ApiRequest): boolean =>
  method === 'PATCH' && path.includes('/secrets/')
const bundleWrites = ({ method, path }: ApiRequest): boolean =>
  method !== 'GET' && path.includes('/clustertrustbundles')

/** To where the first CA is about to be replaced: a day is more than it may be early. */
async function toPrepare(world: World): Promise<void> {
  await world.pass((30 - 7) * day - world.passed)
}

test('of two replicas one rotates in time, the other follows, and the key of the one before is gone', async () => {
  await using world = new World()
  const [one, other] = [await world.open('one'), await world.open('other')]
  await world.pass(5)
  assert.match(one.scheduled.condition().reason, /^next: prepare, at 2026-12-2/)
  await toPrepare(world)
  await world.until('prepared', async () => (await world.states()).includes('prepared'))
  await world.pass(5)
  assert.match(other.scheduled.condition().reason, /^next: activate [0-9a-f]{12}, at 2026-12-/)
  await world.pass(6 * day)
  await world.pass(day)
  await world.until('active', async () => (await world.states()).join() === 'old,active')
  await world.until('both sign with it', () =>
    [one, other].every(
      ({ source, publisher }) =>
        publisher.authorities.current().certificate.sha256 ===
        activeOf(source.rotation?.journal() ?? [])?.certificate.sha256,
    ),
  )
  const events = world.cluster.list('events').map((event) => event['reason'])
  assert.deepEqual(events, ['CaPrepared', 'CaActivated'])
  await world.pass(5)
  const page = await world.metrics.page()
  assert.match(page, /countersign_signer_rotation_steps_total\{step="prepare",outcome="taken"\} 1/)
  assert.match(page, /countersign_signer_rotation_steps_total\{step="activate",outcome="taken"\} 1/)
  assert.match(page, /countersign_signer_rotation_due_seconds \d{6}/)
  const published = (): number => {
    const spec = world.cluster.get('clustertrustbundles', bundleName)?.['spec']
    return readPublishedAnchors((spec as { trustBundle: string }).trustBundle, trustDomain).length
  }
  assert.equal(published(), 2)
  await world.pass(trustedSecondsAfter + 1)
  await world.until('the old anchor is gone', () => published() === 1)
})

test('three CAs follow each other, each in its time', async () => {
  await using world = new World()
  await world.open('one')
  const active = new Set<string>()
  await world.until('three successors', async () => {
    await world.pass(day)
    const { journal = [] } = await readAuthority(world.secret)
    active.add(activeOf(journal)?.certificate.sha256 ?? '')
    return active.size === 4
  })
  assert.ok(world.passed >= 3 * 28.5 * day, 'never sooner than by schedule')
  assert.ok((await world.states()).length <= 3, 'those that have ended are forgotten')
})

const faults: readonly (readonly [string, ClusterFault])[] = [
  ['was not sent', { kind: 'drop' }],
  ['was done, and whose answer was lost', { kind: 'lose' }],
  ['met a conflict', { kind: 'refuse', status: 409, reason: 'Conflict' }],
  ['met a server error', { kind: 'refuse', status: 500 }],
  ['was put off', { kind: 'refuse', status: 429 }],
]
for (const [title, fault] of faults) {
  for (const at of ['prepare', 'activate'] as const) {
    for (const killed of [false, true]) {
      const then = killed ? 'a killed replica that starts again' : 'the next look'
      test(`after a write of ${at} that ${title}, ${then} goes on to the end`, async () => {
        await using world = new World()
        let replica = await world.open('one')
        await world.pass(5)
        if (at === 'activate') {
          await toPrepare(world)
          await world.until('prepared', async () => (await world.states()).includes('prepared'))
          await world.pass(6 * day)
        }
        world.cluster.fail(secretWrites, fault)
        if (at === 'prepare') await toPrepare(world)
        else await world.pass(day)
        if (killed) {
          await world.end(replica)
          replica = await world.open('one again')
        }
        await world.until('active', async () => {
          await world.pass(day)
          return (await world.states()).join() === 'old,active'
        })
        await world.until('signed with', () => {
          const active = activeOf(replica.source.rotation?.journal() ?? [])
          return (
            replica.publisher.authorities.current().certificate.sha256 ===
            active?.certificate.sha256
          )
        })
      })
    }
  }
}

test('nothing is made active whose anchor the bundle does not have, however long that takes', async () => {
  await using world = new World()
  const replica = await world.open('one')
  await world.pass(5)
  await toPrepare(world)
  world.cluster.fail(bundleWrites, { kind: 'refuse', status: 403 }, 1_000_000)
  await world.until('prepared', async () => (await world.states()).includes('prepared'))
  for (let days = 0; days < 12; days += 1) await world.pass(day)
  assert.deepEqual(await world.states(), ['active', 'prepared'])
  const { ok, reason, optional } = replica.scheduled.condition()
  assert.deepEqual([ok, optional], [false, true])
  assert.match(reason, /^activate [0-9a-f]{12} is due since .*: /)
})

test('the one that has just taken the Lease waits for readers by its own eyes', async () => {
  await using world = new World()
  const one = await world.open('one')
  await world.pass(5)
  await toPrepare(world)
  await world.until('prepared', async () => (await world.states()).includes('prepared'))
  await world.pass(5)
  await world.end(one)
  world.passed += 8 * day
  const other = await world.open('other')
  for (let looks = 0; looks < 8; looks += 1) await world.pass(5)
  assert.match(other.scheduled.condition().reason, /readers have \d+ s more/)
  assert.deepEqual(await world.states(), ['active', 'prepared'])
  await world.until('active', async () => (await world.states()).join() === 'old,active')
})

for (const skewSeconds of [-365 * day, -360, -62, 62, 360, 365 * day]) {
  test(`by a clock that is ${skewSeconds} s off no step is taken, and it is said`, async () => {
    await using world = new World()
    const replica = await world.open('one')
    await world.pass(5)
    await toPrepare(world)
    await world.until('prepared', async () => (await world.states()).includes('prepared'))
    await world.pass(7 * day - 3600)
    world.skewSeconds = skewSeconds
    const before = await world.states()
    await world.pass(7200)
    await world.pass(5)
    assert.deepEqual(await world.states(), before)
    // By one that is a year behind nothing is due.
    if (skewSeconds > -3600) {
      assert.match(
        replica.scheduled.condition().reason,
        /the clock here is not that of the API server/,
      )
    }
    world.skewSeconds = 0
    await world.until('active', async () => (await world.states()).join() === 'old,active')
  })
}

test('what an operator prepared is made active in its time, and what was revoked meanwhile is made anew', async () => {
  await using world = new World()
  await world.open('one')
  await world.pass(5)
  await toPrepare(world)
  await world.until('prepared', async () => (await world.states()).includes('prepared'))
  const contents = await openAuthority(world.secret)
  const name = preparedOf(contents.journal)?.certificate.sha256 ?? ''
  await rotateAuthority({ kind: 'revoke', name }, world.secret)
  await world.until(
    'another one',
    async () => (await world.states()).join() === 'active,revoked,prepared',
  )
  await world.pass(6 * day)
  await world.pass(day)
  await world.until('active', async () => (await world.states()).join() === 'old,revoked,active')
})

test('what was decided by a journal that is not in the Secret any more is not done', async () => {
  await using world = new World()
  await openAuthority(world.secret)
  const { journal: before } = await rotateAuthority({ kind: 'prepare' }, world.secret)
  const name = preparedOf(before)?.certificate.sha256 ?? ''
  await rotateAuthority({ kind: 'activate', leaked: true }, world.secret)
  await rotateAuthority({ kind: 'prepare' }, world.secret)
  world.passed += 3600
  await assert.rejects(rotateAuthority({ kind: 'revoke', name }, world.secret, before), {
    code: 'pki/authority-step',
    message: 'authority: somebody else took a step meanwhile',
  })
  assert.deepEqual(await world.states(), ['tainted', 'active', 'prepared'])
})

test('a CA that has ended while no signer ran is replaced, and signs when readers have its anchor', async () => {
  await using world = new World()
  const one = await world.open('one')
  await world.pass(5)
  await world.end(one)
  world.passed += 400 * day
  const again = await world.open('one again')
  await world.until('prepared', async () => (await world.states()).includes('prepared'))
  await world.until('active', async () => (await world.states()).at(-1) === 'active')
  await world.until('signs', () => {
    try {
      return again.publisher.authorities.current().notAfter.getTime() > world.now()
    } catch {
      return false
    }
  })
})
