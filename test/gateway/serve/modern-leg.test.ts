import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { openModernLeg } from '../../../src/gateway/serve/modern-leg.ts'
import { createSubscriptions } from '../../../src/gateway/serve/subscriptions.ts'
import type { Listener } from '../../../src/gateway/upstream/hearing.ts'
import type { Listenings } from '../../../src/gateway/upstream/listenings.ts'
import { requirement } from '../../requirements.ts'
import { fakeUpstream } from '../world/fake-upstream.ts'

/*
 * What a legacy agent makes of the gateway that subscribes and leaves again without an end.
 */

const account = ['tenant', 'namespace', 'identity'] as const
const shares = { tenantSharePercent: 50, namespaceSharePercent: 45, identitySharePercent: 40 }
const subscriber = { owner: 'owner', account, key: 'session', server: 'files' }

interface Asked {
  readonly listener: WeakRef<Listener>
  left: number
}

function leg(): {
  readonly asked: Asked[]
  readonly cancel: () => void
  readonly toggle: () => void
} {
  const asked: Asked[] = []
  const listenings: Listenings = {
    listen(_upstream, _filter, listener) {
      const one: Asked = { listener: new WeakRef(listener), left: 0 }
      asked.push(one)
      return () => {
        one.left += 1
        // As one that is listened to is known to whoever listens.
        void listener
      }
    },
  }
  const subscriptions = createSubscriptions(shares)
  const upstream = fakeUpstream(() => undefined)
  const opened = openModernLeg({
    caller: { account },
    key: subscriber.key,
    upstream,
    changes: { take: () => {} } as never,
    begun: () => {},
    over: () => {},
    parts: { listenings, subscriptions, now: () => Date.now() },
  })
  let isSubscribed = false
  return {
    asked,
    cancel: () => opened.cancel(),
    toggle() {
      isSubscribed = !isSubscribed
      if (isSubscribed) subscriptions.ask(subscriber, 'test://a')?.(true)
      else subscriptions.remove(subscriber, 'test://a')
    },
  }
}

test('who subscribes and leaves again has two subscriptions held at most, each left once', async (t) => {
  requirement('gateway.changes-bounded')
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 })
  const { asked, cancel, toggle } = leg()
  for (let number = 1; number <= 50; number += 1) {
    assert.equal(asked.length, number)
    asked
      .at(-1)
      ?.listener.deref()
      ?.acknowledged({ lists: ['tools'], uris: [] })
    toggle()
    t.mock.timers.tick(1000)
  }
  // What a WeakRef was asked for stays for the turn.
  await setImmediate()
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  const held = asked.filter(({ listener }) => listener.deref() !== undefined)
  assert.ok(held.length <= 2, `held=${held.length}`)
  cancel()
  assert.deepEqual(new Set(asked.map(({ left }) => left)), new Set([1]))
})

test('a server is asked anew once a second at most, and not before it has acknowledged', (t) => {
  requirement('gateway.changes-bounded')
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 })
  const { asked, cancel, toggle } = leg()
  const togglesFor = (milliseconds: number): void => {
    for (let passed = 0; passed < milliseconds; passed += 50) {
      toggle()
      t.mock.timers.tick(50)
    }
  }
  togglesFor(5000)
  assert.equal(asked.length, 1)
  asked[0]?.listener.deref()?.acknowledged({ lists: ['tools'], uris: [] })
  t.mock.timers.tick(50)
  assert.equal(asked.length, 2)
  asked[1]?.listener.deref()?.acknowledged({ lists: ['tools'], uris: [] })
  togglesFor(900)
  assert.equal(asked.length, 2)
  togglesFor(200)
  assert.equal(asked.length, 3)
  cancel()
  togglesFor(5000)
  assert.equal(asked.length, 3)
  assert.deepEqual(
    asked.map(({ left }) => left),
    [1, 1, 1],
  )
})
