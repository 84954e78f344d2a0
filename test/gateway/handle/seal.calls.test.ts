import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import {
  createHandleKey,
  oneHandleKey,
  orderHandleKeys,
  type HandleKey,
  type HandleKeySource,
} from '../../../src/gateway/handle/keys.ts'
import { openClient, whyOf, type Reply, type TestClient } from '../world/client.ts'
import {
  handleAnswers,
  handleRows,
  restOfCall,
  type HandleRefusal,
  type HandleRow,
} from '../world/handles.ts'
import { oldAnswers, openHandleRows } from '../world/open-handles.ts'
import type { Wanted } from '../world/identities.ts'
import { openWorld, type World, type WorldOptions } from '../world/world.ts'
import { requirement } from '../../requirements.ts'

const [first, second] = [1, 2].map((each) => createHandleKey(Buffer.alloc(32, each)))
assert.ok(first && second)

/** Keys that have been here for ever. */
function keysOf(...keys: readonly [HandleKey, ...HandleKey[]]): HandleKeySource {
  const [oldest, ...rest] = keys.map((key) => ({ key, since: 0 }))
  assert.ok(oldest)
  return orderHandleKeys([oldest, ...rest], Date.now)
}

let world: World
let keys: HandleKeySource = keysOf(first)
const opened = new AsyncDisposableStack()

before(async () => {
  const handleKeys = { current: () => keys.current() }
  const asks = { elicitation: { form: true } }
  const grants = {
    tenants: {
      acme: {
        files: { tools: { echo: {}, big: {}, work: {} }, asks },
        old: { tools: { echo: {} }, asks },
      },
    },
    subjects: {},
  }
  const answers = { files: handleAnswers, web: handleAnswers, old: oldAnswers() }
  const upstreams: WorldOptions['upstreams'] = (configs) =>
    configs.map((each) => (each.server === 'old' ? { ...each, eras: ['legacy'] } : each))
  const streams = { files: restOfCall }
  world = opened.use(await openWorld({ handleKeys, grants, answers, upstreams, streams }))
})

after(() => opened.disposeAsync())

/** The pod at another gateway with these keys. */
async function atReplica(wanted: Wanted, handleKeys: HandleKeySource): Promise<TestClient> {
  const { port } = await world.openReplica({ handleKeys })
  const credential = world.identities.issue(wanted)
  return opened.use(openClient({ port, credential, bundle: world.identities.bundle }))
}

const own = { podUid: '6c9bde4d-0d4c-4a57-8f5d-9d3a3d6c1a00' }
const scopes = { toolScopes: 'files:*,web:*,old:*' }

interface Held {
  readonly kind: HandleRow
  readonly agent: TestClient
  readonly handle: string
}

type Outcome = 'works' | HandleRefusal

/** What becomes of a handle, whatever its kind. */
const circumstances: Readonly<Record<string, (held: Held) => Promise<readonly [Reply, Outcome]>>> =
  {
    'its owner': async ({ kind, agent, handle }) => [
      await kind.use(agent, handle),
      kind.own ?? 'works',
    ],
    'its owner, on another connection': async ({ kind, handle }) => [
      await kind.use(await agentOf(own), handle),
      kind.own ?? 'works',
    ],
    'another pod of its service account': async ({ kind, handle }) => [
      await kind.use(await agentOf({}), handle),
      kind.foreign,
    ],
    'another service account': async ({ kind, handle }) => [
      await kind.use(await agentOf({ serviceAccount: 'thief' }), handle),
      kind.foreign,
    ],
    'another tenant': async ({ kind, handle }) => [
      await kind.use(await agentOf({ tenant: 'zeta', namespace: 'elsewhere' }), handle),
      kind.foreign,
    ],
    'its pod, for another claim': async ({ kind, handle }) => [
      await kind.use(await agentOf({ ...own, claimUid: 'claim-uid-2' }), handle),
      kind.foreign,
    ],
    'its owner, after its revocation': async ({ kind, handle }) => {
      world.revocations.set([{ name: 'r', reason: '', podUid: own.podUid }])
      const late = await agentOf(own)
      const reply = await kind.use(late, handle).finally(() => world.revocations.set([]))
      return [reply, { status: 403, why: 'certificate is revoked' }]
    },
    'its owner, when a newer key seals': async ({ kind, agent, handle }) => {
      keys = keysOf(first, second)
      const reply = await kind.use(agent, handle).finally(() => (keys = keysOf(first)))
      return [reply, kind.own ?? 'works']
    },
    'its owner, when its key was removed': async ({ kind, agent, handle }) => {
      keys = keysOf(second)
      return [await kind.use(agent, handle).finally(() => (keys = keysOf(first))), kind.unknown]
    },
    'its owner, on another replica': async ({ kind, handle }) => [
      await kind.use(await atReplica({ ...own, ...scopes }, keysOf(first)), handle),
      kind.atReplica ?? 'works',
    ],
    'its owner, on a replica of other keys': async ({ kind, handle }) => [
      await kind.use(await atReplica({ ...own, ...scopes }, oneHandleKey()), handle),
      kind.unknown,
    ],
    'its owner, elsewhere than it was given': async ({ kind, agent, handle }) => [
      await kind.use(agent, handle, 'elsewhere'),
      kind.elsewhere,
    ],
    'its owner, at the door of all': async ({ kind, agent, handle }) => [
      await kind.use(agent, handle, 'at the door of all'),
      kind.elsewhere,
    ],
    'its owner, without its last characters': async ({ kind, agent, handle }) => [
      await kind.use(agent, handle.slice(0, -4)),
      kind.unknown,
    ],
    'its owner, without its first characters': async ({ kind, agent, handle }) => [
      await kind.use(agent, handle.slice(4)),
      kind.unknown,
    ],
    'its owner, a second time': async ({ kind, agent, handle }) => {
      await kind.use(agent, handle)
      return [await kind.use(agent, handle), kind.again]
    },
  }

function agentOf(wanted: Wanted): Promise<TestClient> {
  return world.agent({ ...scopes, ...wanted })
}

const holding = { world: () => world, again: (): Promise<TestClient> => agentOf(own) }
const kinds = { ...handleRows(holding), ...openHandleRows(holding) }

for (const [name, kind] of Object.entries(kinds)) {
  for (const [who, happens] of Object.entries(circumstances)) {
    test(`a ${name} in the hands of ${who}`, async () => {
      requirement('attack.handles-taken-over')
      requirement('gateway.handle-keys-rotate')
      const agent = await agentOf(own)
      const handle = await kind.take(agent)
      const [reply, outcome] = await happens({ kind, agent, handle })
      if (outcome === 'works') assert.ok(kind.worked(reply), reply.text)
      else assert.deepEqual({ status: reply.status, why: whyOf(reply) }, outcome)
    })
  }

  test(`a ${name} that is given as another kind is none`, async () => {
    requirement('attack.handles-taken-over')
    const agent = await agentOf(own)
    for (const other of Object.values(kinds)) {
      if (other === kind) continue
      const reply = await kind.use(agent, await other.take(agent))
      assert.deepEqual({ status: reply.status, why: whyOf(reply) }, kind.unknown)
    }
  })
}
