import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultLimits } from '../../../src/gateway/limits.ts'
import {
  createHeldSessions,
  type Held,
  type HeldSessions,
} from '../../../src/gateway/upstream/held-sessions.ts'
import type { Account } from '../../../src/shares.ts'
import { requirement } from '../../requirements.ts'

const account = ['acme', 'agents', 'agent'] as const
const holder = { owner: 'agent pod', account, key: 'one', server: 'web', spiffeId: 'web' }
const session = (id: string): Held['session'] => ({ id, version: '2025-11-25', spiffeId: 'web' })

function open(now: () => number = () => 0): { held: HeldSessions; closed: Held[] } {
  const closed: Held[] = []
  return {
    closed,
    held: createHeldSessions({
      now,
      shares: defaultLimits,
      close: (each) => void closed.push(each),
    }),
  }
}

test('a session in place of a lost one is found from then on', async () => {
  const { held } = open()
  held.hold({ ...holder, session: session('a') })
  const renewed = await held.renew(holder, session('a'), () => Promise.resolve(session('b')))
  assert.deepEqual(renewed, session('b'))
  assert.deepEqual(held.find(holder), session('b'))
})

test('a shared session that nobody uses is ended, and one in use is not', async () => {
  requirement('gateway.shared-session-of-one-pod')
  let time = 0
  const { held } = open(() => time)
  const shared = { ...holder, isShared: true }
  await held.renew(shared, undefined, () => Promise.resolve(session('a')))
  // Its caller carries it, and may come back.
  held.hold({ ...holder, key: 'carried', session: session('b') })
  const done = held.use(holder)
  time = 100
  assert.deepEqual(held.endUnused(50), [])
  done()
  assert.deepEqual(held.endUnused(100), [])
  assert.deepEqual(
    held.endUnused(101).map((each) => each.session.id),
    ['a'],
  )
  assert.equal(held.find(holder), undefined)
  assert.notEqual(held.find({ ...holder, key: 'carried' }), undefined)
  held.use(holder)()
})

test('who comes while a session opens gets none of the server that had the name before', async () => {
  requirement('gateway.lost-session-opened-again')
  const { held } = open()
  const before = Promise.withResolvers<Held['session']>()
  const first = held.renew(holder, undefined, () => before.promise)
  const replaced = { ...session('b'), spiffeId: 'another' }
  const next = held.renew({ ...holder, spiffeId: 'another' }, undefined, () =>
    Promise.resolve(replaced),
  )
  before.resolve(session('a'))
  assert.deepEqual(await first, session('a'))
  assert.deepEqual(await next, replaced)
})

test('a session that is of another server than was asked for is none', async () => {
  const { held } = open()
  const strange = { ...session('b'), spiffeId: 'another' }
  const opened = await held.renew(holder, undefined, () => Promise.resolve(strange))
  assert.deepEqual(opened, { failed: 'bad answer', detail: 'session is of another server' })
  assert.equal(held.find(holder), undefined)
})

test('the sessions with a server end with it', () => {
  const { held } = open()
  held.hold({ ...holder, session: session('a') })
  held.hold({ ...holder, server: 'files', session: session('b') })
  held.forgetServer('web')
  assert.equal(held.find(holder), undefined)
  assert.notEqual(held.find({ ...holder, server: 'files' }), undefined)
})

test('who still names the lost one gets the one that is there', async () => {
  const { held } = open()
  await held.renew(holder, session('a'), () => Promise.resolve(session('b')))
  const again = await held.renew(holder, session('a'), () => assert.fail('opened twice'))
  assert.deepEqual(again, session('b'))
})

test('what could not be opened is tried again by the next', async () => {
  const { held } = open()
  const failure = { failed: 'unreachable', detail: 'refused' } as const
  assert.equal(await held.renew(holder, undefined, () => Promise.resolve(failure)), failure)
  assert.equal(held.find(holder), undefined)
  const opened = await held.renew(holder, undefined, () => Promise.resolve(session('b')))
  assert.deepEqual(opened, session('b'))
})

test('sessions of one owner push out its own oldest, and nobody else loses any', () => {
  const { held, closed } = open()
  const other = { ...holder, owner: 'other pod', key: 'other' }
  held.hold({ ...other, session: session('other') })
  for (let each = 0; each < 1000; each += 1) {
    held.hold({ ...holder, key: `key-${each}`, session: session(`s-${each}`) })
  }
  assert.equal(held.find({ ...holder, key: 'key-0' }), undefined)
  assert.deepEqual(held.find({ ...holder, key: 'key-999' }), session('s-999'))
  assert.deepEqual(held.find(other), session('other'))
  // Their callers carry them.
  assert.deepEqual(closed, [])
})

test('one that nobody carries is ended when it is forgotten', async () => {
  const { held, closed } = open()
  await held.renew(holder, undefined, () => Promise.resolve(session('renewed')))
  for (let each = 0; each < 256; each += 1) {
    held.hold({ ...holder, key: `key-${each}`, session: session(`s-${each}`) })
  }
  assert.deepEqual(
    closed.map((each) => each.session.id),
    ['renewed'],
  )
})

test('a session that its caller ends gives back what is held for it, and is over', async () => {
  const { held, closed } = open()
  held.hold({ ...holder, session: session('a') })
  held.hold({ ...holder, server: 'files', session: session('b') })
  held.hold({ ...holder, key: 'two', session: session('c') })
  const { promise, resolve: opened } = Promise.withResolvers<Held['session']>()
  const late = held.renew({ ...holder, server: 'slow' }, undefined, () => promise)
  const ids = held.end(holder).map((each) => each.session.id)
  assert.deepEqual(ids, ['a', 'b'])
  assert.equal(held.isEnded('one'), true)
  assert.equal(held.isEnded('two'), false)
  // One that comes too late is ended at once.
  opened(session('late'))
  await late
  assert.deepEqual(
    closed.map((each) => each.session.id),
    ['late'],
  )
  assert.equal(held.find({ ...holder, server: 'slow' }), undefined)
})

test('when an owner is no more, all that is held for it is given back', () => {
  const { held } = open()
  held.hold({ ...holder, session: session('a') })
  held.hold({ ...holder, key: 'two', session: session('b') })
  held.hold({ ...holder, owner: 'other pod', key: 'three', session: session('c') })
  assert.deepEqual(
    held.endOwner(holder.owner).map((each) => each.session.id),
    ['a', 'b'],
  )
  assert.deepEqual(held.endOwner(holder.owner), [])
  assert.deepEqual(held.find({ ...holder, key: 'three' }), session('c'))
})

test('what is in use is kept, and the newest is never the one that goes', () => {
  const { held } = open()
  const at = (each: number): typeof holder => ({ ...holder, key: String(each) })
  for (let each = 0; each < 256; each += 1) held.hold({ ...at(each), session: session('s') })
  held.hold({ ...at(256), session: session('newest') })
  assert.deepEqual(held.find(at(256)), session('newest'))
  assert.equal(held.find(at(0)), undefined, 'the oldest has gone')
  assert.notEqual(held.find(at(1)), undefined)
  held.hold({ ...at(257), session: session('newer') })
  assert.notEqual(held.find(at(1)), undefined, 'it was asked for')
  assert.equal(held.find(at(2)), undefined, 'nobody has asked for it')
})

test('who ends many sessions makes nobody else’s ended ones open again', () => {
  const { held } = open()
  held.end({ ...holder, owner: 'other pod', key: 'other' })
  for (let each = 0; each < 5000; each += 1) held.end({ ...holder, key: String(each) })
  assert.equal(held.isEnded('other'), true)
  assert.equal(held.isEnded('4999'), true)
  assert.equal(held.isEnded('0'), false)
})

/** Pods of these accounts, in turn, each of which holds 250. */
const crowds: Readonly<Record<string, (pod: number) => Account>> = {
  'the pods of one identity': () => ['acme', 'crowd', 'crawler'],
  'the identities of one namespace': (pod) => ['acme', 'crowd', `sa-${pod}`],
  'the namespaces of one tenant': (pod) => ['crowd', `ns-${pod}`, `sa-${pod}`],
}

for (const [who, accountOf] of Object.entries(crowds)) {
  test(`${who} push out their own sessions, and those of nobody else`, () => {
    requirement('gateway.shares-for-all')
    const { held } = open()
    const quiet = { ...holder, owner: 'quiet pod', account: ['quiet', 'quiet', 'quiet'] as const }
    held.hold({ ...quiet, key: 'quiet', session: session('quiet') })
    held.end({ ...quiet, key: 'ended' })
    for (let pod = 0; pod < 60; pod += 1) {
      const each = { ...holder, owner: `pod ${pod}`, account: accountOf(pod) }
      for (let at = 0; at < 250; at += 1) {
        held.hold({ ...each, key: `${pod} ${at}`, session: session('s') })
        held.end({ ...each, key: `ended ${pod} ${at}` })
      }
    }
    assert.deepEqual(held.find({ ...quiet, key: 'quiet' }), session('quiet'))
    assert.equal(held.isEnded('ended'), true)
    // The newest of them are there, the oldest have gone.
    assert.deepEqual(held.find({ ...holder, key: '59 249' }), session('s'))
    assert.equal(held.find({ ...holder, key: '0 0' }), undefined)
    assert.equal(held.isEnded('ended 0 0'), false)
  })
}

test('one that comes when others have taken much loses as many as are too many, and the count is right after it', () => {
  const { held } = open()
  const put = (tenant: string, at: number): void =>
    held.hold({
      ...holder,
      owner: `${tenant} ${Math.floor(at / 200)}`,
      account: [tenant, `${tenant} ${Math.floor(at / 1000)}`, `${tenant} ${Math.floor(at / 200)}`],
      key: `${tenant} ${at}`,
      session: session('s'),
    })
  const count = (tenant: string): number =>
    Array.from({ length: 5000 }, (_, at) =>
      held.find({ ...holder, key: `${tenant} ${at}` }),
    ).filter((each) => each !== undefined).length
  for (let at = 0; at < 5000; at += 1) put('first', at)
  assert.equal(count('first'), 4375)
  for (let at = 0; at < 5000; at += 1) put('second', at)
  assert.equal(count('first'), 4375)
  put('first', 5000)
  // Each as much as is left free, but for the eighth.
  const [one, other] = [count('first'), count('second')]
  assert.ok(one <= 10_000 - 1250 - one - other + 1, `got=${one} ${other}`)
})
