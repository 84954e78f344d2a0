import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ApiRequest } from '../../../src/kubernetes/api-client.ts'
import { entryOf } from '../../../src/pki/authority-journal.ts'
import { refusedAnnotation } from '../../../src/signer/anchors/refused-requests.ts'
import { readAuthority, writeAuthority } from '../../../src/signer/anchors/authority-secret.ts'
import { requirement } from '../../requirements.ts'
import type { ClusterFault } from '../../support/fake-cluster.ts'
import { day, parentName, World } from './requesting-world.ts'

requirement('signer.asks-for-its-ca-once')
requirement('signer.requested-ca-below-a-configured-anchor')

/** To where the first CA signs. */
async function toFirst(world: World): Promise<string> {
  await world.until('asked', () => world.waiting() !== undefined)
  world.issue()
  await world.until('signs', () => world.signs().every((each) => each !== 'nothing'))
  return world.signs()[0] ?? ''
}

test('a CA is asked for once, waited for as long as it takes, and signs in every replica', async () => {
  await using world = new World()
  const replicas = [await world.open('one'), await world.open('other')]
  await world.until('asked', () => world.waiting() !== undefined)
  const asked = world.waiting()
  assert.ok(asked !== undefined)
  const { request, ...spec } = asked['spec'] as Record<string, unknown>
  assert.deepEqual(spec, {
    signerName: parentName,
    usages: ['cert sign', 'crl sign'],
    expirationSeconds: 90 * day,
  })
  assert.equal(typeof request, 'string')
  assert.deepEqual(asked.metadata['annotations'], { a: 'b' })
  assert.equal(world.published().size, 1, 'the anchor is there before anything is signed below it')
  for (let days = 0; days < 3; days += 1) await world.pass(day)
  assert.equal(world.requests().length, 1)
  assert.deepEqual(world.signs(), ['nothing', 'nothing'])
  const conditions = replicas.map(({ requests }) => requests.condition())
  const waits = conditions.find(({ reason }) => reason.includes('waits since'))
  assert.match(waits?.reason ?? '', new RegExp(`^CertificateSigningRequest ${asked.metadata.name}`))
  assert.equal(waits?.ok, false, 'it is due for days')
  const first = await toFirst(world)
  assert.deepEqual(world.signs(), [first, first])
  assert.equal(world.states(), 'active')
  assert.deepEqual(world.events(), ['CaIssued'])
  assert.equal(await world.outcomes(), 'issued 1')
})

test('the next one is asked for after two thirds of its life, and signs at once below the same anchor', async () => {
  await using world = new World()
  await world.open('one')
  const first = await toFirst(world)
  await world.pass(60 * day - world.passed - 60)
  assert.equal(world.waiting(), undefined)
  await world.pass(120)
  await world.until('asked again', () => world.waiting() !== undefined, 20)
  assert.deepEqual(world.signs(), [first], 'the one before signs meanwhile')
  await world.pass(3 * day)
  assert.match(await world.metrics.page(), /rotation_due_seconds -259\d{3}/)
  world.issue()
  await world.until('active', () => world.states() === 'old,active', 20)
  await world.until('signs', () => world.signs()[0] !== first, 20)
  assert.deepEqual(world.events(), ['CaIssued', 'CaIssued', 'CaActivated'])
  await world.pass(2 * day)
  assert.equal(world.published().size, 1, 'the anchor is that of the one that signs')
})

test('a CA below another anchor signs when readers had that anchor for long enough', async () => {
  await using world = new World()
  await world.open('one')
  const first = await toFirst(world)
  await world.pass(60 * day)
  await world.until('asked again', () => world.waiting() !== undefined, 20)
  world.configure(world.parent, world.otherParent)
  world.issue({}, world.otherParent)
  await world.until('prepared', () => world.states() === 'active,prepared', 20)
  assert.deepEqual(world.signs(), [first])
  await world.until('active', () => world.states() === 'old,active', 60, 9)
  await world.until('signs', () => world.signs()[0] !== first, 20)
  assert.equal(world.published().size, 2)
  world.configure(world.otherParent)
  await world.pass(5)
  assert.equal(world.published().size, 2, 'certificates below the one before live still')
  await world.pass(2 * day)
  assert.equal(world.published().size, 1, 'then its anchor goes')
})

test('one that is said to have begun long ago is not replaced as soon as it is there', async () => {
  await using world = new World()
  await world.open('one')
  await world.until('asked', () => world.waiting() !== undefined)
  world.issue({ notBefore: world.now() - 300 * day * 1000, lifetimeSeconds: 330 * day })
  await world.until('signs', () => world.signs()[0] !== 'nothing')
  for (let turns = 0; turns < 10; turns += 1) await world.pass(5)
  await world.pass(19 * day)
  for (let turns = 0; turns < 10; turns += 1) await world.pass(5)
  assert.equal(world.requests().length, 1)
  await world.pass(2 * day)
  await world.until('asked again', () => world.waiting() !== undefined)
})

test('a prepared one that ends before readers had its anchor is given up for another', async () => {
  await using world = new World()
  await world.open('one')
  await toFirst(world)
  await world.pass(60 * day)
  world.configure(world.parent, world.otherParent)
  await world.until('asked again', () => world.waiting() !== undefined, 20)
  world.issue({ lifetimeSeconds: 31 * day }, world.otherParent)
  await world.until('prepared', () => world.states() === 'active,prepared', 20)
  await world.pass(32 * day)
  await world.until('given up', () => world.states() === 'active,revoked', 20)
  await world.until('asked once more', () => world.waiting() !== undefined, 20)
  world.issue()
  await world.until('signs', () => world.signs()[0] !== 'nothing', 20)
})

test('what leads to an anchor that is configured no more signs nothing, and another one is asked for', async () => {
  await using world = new World()
  const one = await world.open('one')
  await toFirst(world)
  const first = one.source.current()
  world.configure(world.otherParent)
  await world.pass(5)
  assert.deepEqual(world.signs(), ['nothing'])
  assert.throws(() => one.source.current(), {
    code: 'pki/authority-unavailable',
    message: /leads to no anchor that is configured/,
  })
  await world.until('asked again', () => world.waiting() !== undefined, 20)
  world.issue({}, world.otherParent)
  await world.until('signs', () => world.signs()[0] !== 'nothing', 60, 9)
  assert.equal(world.states(), 'old,active')
  assert.equal(one.source.rotation?.maySign(first), false, 'not even until its successor does')
})

test('a CA that is revoked signs nothing, and another one is asked for, and signs, at once', async () => {
  requirement('intermediate.ends-when-revoked')
  await using world = new World()
  const one = await world.open('one')
  await toFirst(world)
  const first = one.source.current()
  world.revoke(first.certificate.certificate.serialNumber.toString('hex'))
  assert.deepEqual(world.signs(), ['nothing'])
  assert.throws(() => one.source.current(), {
    code: 'pki/authority-unavailable',
    message: 'authority is revoked, by the Revocation leaked',
  })
  assert.equal(one.source.rotation?.maySign(first), false)
  await world.until('asked again', () => world.waiting() !== undefined)
  assert.deepEqual(world.signs(), ['nothing'])
  world.issue()
  await world.until('signs', () => world.signs()[0] !== 'nothing')
  assert.notEqual(world.signs()[0], first.certificate.sha256)
  assert.equal(one.source.rotation.maySign(first), false)
})

test('an anchor that is configured no more goes at once where nothing was signed below it', async () => {
  await using world = new World()
  await world.open('one')
  await toFirst(world)
  world.configure(world.parent, world.otherParent)
  await world.until('published', () => world.published().size === 2)
  world.configure(world.parent)
  await world.until('gone', () => world.published().size === 1)
  world.configure(world.otherParent)
  await world.pass(5)
  assert.equal(world.published().size, 2, 'certificates below the first one live still')
})

test('a prepared one whose anchor is taken away is given up for another', async () => {
  await using world = new World()
  await world.open('one')
  const first = await toFirst(world)
  await world.pass(60 * day)
  world.configure(world.parent, world.otherParent)
  await world.until('asked again', () => world.waiting() !== undefined, 20)
  world.issue({}, world.otherParent)
  await world.until('prepared', () => world.states() === 'active,prepared', 20)
  world.configure(world.parent)
  await world.until('given up', () => world.states() === 'active,revoked', 20)
  assert.deepEqual(world.signs(), [first])
  await world.until('asked once more', () => world.waiting() !== undefined, 20)
  assert.equal(world.published().size, 1, 'its anchor goes as well')
})

for (const [what, outcome, event, answer] of [
  ['denied', 'denied', 'CaRequestDenied', (world: World) => world.refuse('Denied')],
  ['failed', 'failed', 'CaRequestFailed', (world: World) => world.refuse('Failed')],
  ['garbage-collected', 'gone', 'CaRequestGone', (world: World) => world.collect()],
  [
    'answered with another CA’s certificate',
    'refused',
    'CaRequestRefused',
    (world: World) => world.issueText(world.parent.rootPem),
  ],
] as const) {
  test(`a request that is ${what} is told, and asked anew with another key`, async () => {
    await using world = new World()
    const one = await world.open('one')
    await world.until('asked', () => world.waiting() !== undefined)
    const before = world.waiting()?.metadata.name
    answer(world)
    await world.until('told', () => world.events().includes(event), 20)
    const { ok, reason } = one.requests.condition()
    assert.equal(ok, false)
    assert.match(reason, new RegExp(`is ${outcome}: `))
    await world.until('asked anew', () => world.waiting() !== undefined, 20)
    assert.notEqual(world.waiting()?.metadata.name, before)
    assert.equal(await world.outcomes(), `${outcome} 1`)
    await toFirst(world)
  })
}

test('who starts after a denial asks no sooner than who has seen it, ever more seldom, and an issued CA ends that', async () => {
  requirement('signer.asks-for-its-ca-once')
  await using world = new World()
  let one = await world.open('one')
  for (const waitSeconds of [30, 60, 120]) {
    await world.until('asked', () => world.waiting() !== undefined, 80)
    world.refuse('Denied')
    await world.until('seen', () => /is denied/.test(one.requests.condition().reason))
    await world.end(one)
    one = await world.open('one')
    const deniedAt = world.passed
    await world.until('told', () => /asked for from .* on$/.test(one.requests.condition().reason))
    assert.equal(one.requests.condition().ok, false)
    await world.until('asked anew', () => world.waiting() !== undefined, 80)
    // Five seconds a turn, of which some have passed before the start.
    assert.ok(world.passed - deniedAt >= waitSeconds - 15, `${world.passed - deniedAt} s`)
  }
  await toFirst(world)
  const { metadata } = await readAuthority(world.secret)
  assert.equal(metadata.annotations[refusedAnnotation], undefined)
})

test('what is denied is an answer to every replica that waits for it', async () => {
  await using world = new World()
  world.servesBundles = false
  await world.open('one')
  await world.open('other')
  await world.until('asked', () => world.waiting() !== undefined)
  for (let turns = 0; turns < 5; turns += 1) await world.pass(5)
  world.refuse('Denied')
  await world.until('asked anew', () => world.waiting() !== undefined, 20)
  assert.equal(
    await world.outcomes(),
    'denied 2',
    'nobody takes it for a failure, and asks in seconds',
  )
  const first = await toFirst(world)
  assert.deepEqual(world.signs(), [first, first])
})

test('whoever writes the Secret adds no anchor to those that are configured', async () => {
  await using world = new World()
  await world.open('one')
  const first = await toFirst(world)
  const [asked] = world.requests()
  const { request } = (asked?.['spec'] ?? {}) as { readonly request?: string }
  const answer = world.otherParent.answer(Buffer.from(request ?? '', 'base64').toString('utf8'))
  const found = await readAuthority(world.secret)
  assert.ok(found.journal !== undefined)
  const place = { state: 'old', since: world.now(), until: world.now() + 365 * day * 1000 } as const
  const added = entryOf(`${answer}${world.otherParent.rootPem}`, place, 'requested')
  await writeAuthority({ ...found, journal: [...found.journal, added] }, world.secret)
  for (let turns = 0; turns < 5; turns += 1) await world.pass(5)
  assert.equal(world.replicas[0]?.source.rotation?.journal().length, 2, 'it was read')
  assert.equal(world.published().size, 1)
  assert.deepEqual(world.signs(), [first])
})

const secretWrites = (
  { method, path, body }: ApiRequest,
  key: string,
  isThere: boolean,
): boolean => {
  const { data } = (body ?? {}) as { readonly data?: Readonly<Record<string, unknown>> }
  const isSecret = method === 'PATCH' && path.includes('/secrets/')
  return isSecret && data !== undefined && key in data && (data[key] !== null) === isThere
}
const ofRequests = ({ path }: ApiRequest): boolean => path.includes('/certificatesigningrequests')

/** Every request to the API server on the way to the second CA. */
const steps: Readonly<Record<string, (request: ApiRequest) => boolean>> = {
  'what is asked is written': (request) => secretWrites(request, 'pending.json', true),
  'the request is sent': (request) => request.method === 'POST' && ofRequests(request),
  'the answer is read': (request) => request.method === 'GET' && ofRequests(request),
  'the answer is taken': (request) => secretWrites(request, 'prepared.key', true),
  'the next one is made active': (request) =>
    secretWrites(request, 'prepared.key', false) && secretWrites(request, 'authorities.json', true),
  'the Secret is read': ({ method, path }) => method === 'GET' && path.includes('/secrets/'),
}

/** One after the other: with the last one it is done, and nobody is told. */
const faults: readonly ClusterFault[] = [
  ...[409, 422, 429, 500].map((status) => ({ kind: 'refuse', status }) as const),
  { kind: 'drop' },
  { kind: 'lose' },
]

/** From the first CA to the second, which signs at the end whatever was in the way. */
async function renew(world: World, meanwhile: () => Promise<void>): Promise<void> {
  await world.pass(60 * day)
  await world.until(
    'renewed',
    async () => {
      await meanwhile()
      if (world.waiting() !== undefined) world.issue()
      return world.states() === 'old,active'
    },
    60,
  )
  await world.until('signs', () => new Set(world.signs()).size === 1, 20)
  assert.equal(world.requests().length, 2, 'no request is made in vain')
}

for (const [step, picks] of Object.entries(steps)) {
  test(`whatever happens when ${step}, one CA is asked for and then signs`, async () => {
    await using world = new World()
    await world.open('one')
    await toFirst(world)
    for (const fault of faults) world.cluster.fail(picks, fault)
    await renew(world, () => Promise.resolve())
  })

  test(`whoever is killed when ${step} leaves what the next one goes on from`, async () => {
    for (const kind of ['drop', 'lose'] as const) {
      await using world = new World()
      let replica = await world.open('one')
      await toFirst(world)
      let killed = false
      world.cluster.fail((request) => (killed = picks(request)), { kind })
      await renew(world, async () => {
        if (!killed) return
        killed = false
        await world.end(replica)
        replica = await world.open('another')
      })
    }
  })
}
