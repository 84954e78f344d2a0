import assert from 'node:assert/strict'
import { mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { ApiClient, ApiRequest } from '../../src/kubernetes/api-client.ts'
import type { CredentialFolder } from '../../src/renewal/credential-folder.ts'
import { requirement } from '../requirements.ts'
import { FakeCluster, type ClusterFault } from '../support/fake-cluster.ts'
import {
  certificateFor,
  clusterWithAnchors,
  openWorld,
  plural,
  publishedIn,
  type Changed,
  type World,
} from './keeper-world.ts'

/*
 * Each step of the agent meets each fault. After every request, and whatever the fault, all of these hold: never two requests of one
 * agent that wait, never a key but where keys are, and in the end a credential and nothing left of the way there.
 */

let parent: string

before(async () => {
  parent = await mkdtemp(join(tmpdir(), 'renewal-faults-'))
})
after(() => rm(parent, { recursive: true, force: true }))

type Picks = (request: ApiRequest) => boolean

const requestSteps: Readonly<Record<string, Picks>> = {
  'it asks': ({ method, path }) => method === 'POST' && path.endsWith(plural),
  'it looks': ({ method, path }) => method === 'GET' && path.includes(`${plural}/`),
  'it discovers anchors': ({ method, path }) => method === 'GET' && path.endsWith('/v1'),
  'it reads anchors': ({ path }) => path.includes('clustertrustbundles/'),
}

const faults: Readonly<Record<string, ClusterFault>> = {
  409: { kind: 'refuse', status: 409 },
  422: { kind: 'refuse', status: 422 },
  429: { kind: 'refuse', status: 429 },
  500: { kind: 'refuse', status: 500 },
  'no answer': { kind: 'drop' },
  'a time-out after success': { kind: 'lose' },
}

type FolderStep = keyof Pick<CredentialFolder, 'pending' | 'keepPending' | 'write'>

const never = new Promise<never>(() => {})

/** What a process that is killed does from then on: nothing. */
class Death {
  #isDead = false
  readonly #happened = Promise.withResolvers<void>()

  /** Resolves when it has happened: from then on there is one agent again. */
  get happened(): Promise<void> {
    return this.#happened.promise
  }

  #die(): Promise<never> {
    this.#isDead = true
    this.#happened.resolve()
    return never
  }

  async around<T>(work: () => Promise<T>, dies: false | 'before' | 'after'): Promise<T> {
    if (this.#isDead) return never
    if (dies === 'before') return this.#die()
    const result = work()
    if (dies === false) return result
    await result.catch(() => {})
    return this.#die()
  }

  client(cluster: FakeCluster, picks: Picks, when: 'before' | 'after'): ApiClient {
    return {
      server: cluster.server,
      request: (request) => this.around(() => cluster.request(request), picks(request) && when),
      stream: (request) => cluster.stream(request),
      close: () => {},
    }
  }

  folder(
    own: CredentialFolder,
    step: FolderStep | undefined,
    when: 'before' | 'after',
  ): CredentialFolder {
    const dies = (each: FolderStep): false | 'before' | 'after' => each === step && when
    return {
      read: () => this.around(() => own.read(), false),
      write: (files) => this.around(() => own.write(files), dies('write')),
      pending: () => this.around(() => own.pending(), dies('pending')),
      keepPending: (each) => this.around(() => own.keepPending(each), dies('keepPending')),
    }
  }
}

interface Rig {
  readonly cluster: FakeCluster
  readonly world: World
  /** All that holds whatever happens. */
  check(): Promise<void>
  /** From now on each request that waits is answered. */
  sign(): void
  close(): void
}

async function openRig(): Promise<Rig> {
  const cluster = clusterWithAnchors()
  const world = await openWorld(cluster, parent)
  let signing: NodeJS.Timeout | undefined
  const isLive = (request: { readonly [member: string]: unknown }): boolean => {
    const { certificate, conditions = [] } = (request['status'] ?? {}) as {
      certificate?: string
      conditions?: readonly unknown[]
    }
    return certificate === undefined && conditions.length === 0
  }
  const live = (): number => cluster.list(plural).filter(isLive).length
  return {
    cluster,
    world,
    async check() {
      assert.ok(live() <= 1, `requests that wait: ${live()}`)
      for (const { path, mode } of await keysUnder(world.path)) {
        assert.match(path, keyPlaces)
        assert.equal(mode, 0o600, path)
      }
    },
    sign() {
      signing ??= setInterval(() => {
        for (const request of cluster.list(plural).filter(isLive)) {
          const certificate = Buffer.from(certificateFor(request)).toString('base64')
          cluster.put(plural, { ...request, status: { certificate } })
        }
      }, 2)
    },
    close: () => clearInterval(signing),
  }
}

const keyPlaces = /^(?:\.\.pending\.json(?:\.new)?|\.\.\d{4}-[\w-]+\/credential-bundle\.pem)$/

interface KeyFile {
  readonly path: string
  readonly mode: number
}

/** Files with a private key in them. */
async function keysUnder(folder: string): Promise<readonly KeyFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((each) => each.isFile())
  const found = await Promise.all(
    files.map(({ parentPath, name }) => keyIn(join(parentPath, name))),
  )
  return found.flatMap((each) =>
    each === undefined ? [] : { ...each, path: each.path.slice(folder.length + 1) },
  )
}

async function keyIn(path: string): Promise<KeyFile | undefined> {
  try {
    await using file = await open(path)
    const { mode } = await file.stat()
    const text = await file.readFile('utf8')
    return text.includes('PRIVATE KEY') ? { path, mode: mode & 0o777 } : undefined
  } catch (error) {
    // One that is renamed or swept meanwhile is looked at the next time.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Runs until there is a credential, looking all the while. */
async function untilKept(rig: Rig, changed: Changed = {}): Promise<void> {
  const { world } = rig
  const stop = AbortSignal.timeout(20_000)
  const over = new AbortController()
  const looks = (async () => {
    while (!over.signal.aborted) {
      await rig.check()
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  })()
  looks.catch(() => {})
  await world.keeper(changed).run(stop, { once: true })
  over.abort()
  await looks
  assert.equal(stop.aborted, false, 'nothing is stuck')
  assert.ok(await world.folder.read())
  assert.equal(await world.folder.pending(), undefined)
  assert.deepEqual(
    (await keysUnder(world.path)).map(({ path }) => path.replace(/^.*\//, '')),
    ['credential-bundle.pem'],
  )
}

for (const [step, picks] of Object.entries(requestSteps)) {
  for (const [name, fault] of Object.entries(faults)) {
    test(`${step}, and meets ${name}, once and again`, async (t) => {
      requirement('renewal.one-request')
      requirement('renewal.key-for-its-owner')
      const rig = await openRig()
      t.after(() => rig.close())
      rig.cluster.fail(picks, fault, 2)
      rig.sign()
      await untilKept(rig)
    })
  }

  for (const when of ['before', 'after'] as const) {
    test(`${step}, and is killed ${when} that`, async (t) => {
      requirement('renewal.one-request')
      const rig = await openRig()
      t.after(() => rig.close())
      const death = new Death()
      const client = death.client(rig.cluster, picks, when)
      const stop = new AbortController()
      t.after(() => stop.abort())
      rig.sign()
      const folder = death.folder(rig.world.folder, undefined, when)
      const anchors = publishedIn(client)
      void rig.world
        .keeper({ client, folder, anchors })
        .run(stop.signal, { once: true })
        .catch(() => {})
      await death.happened
      await rig.check()
      await untilKept(rig)
    })
  }
}

for (const step of ['pending', 'keepPending', 'write'] as const) {
  for (const when of ['before', 'after'] as const) {
    test(`its folder: ${step}, and is killed ${when} that`, async (t) => {
      requirement('renewal.one-request')
      const rig = await openRig()
      t.after(() => rig.close())
      const death = new Death()
      const stop = new AbortController()
      t.after(() => stop.abort())
      rig.sign()
      const folder = death.folder(rig.world.folder, step, when)
      void rig.world
        .keeper({ folder })
        .run(stop.signal, { once: true })
        .catch(() => {})
      await death.happened
      await rig.check()
      await untilKept(rig)
      // What was sent is not sent as another one.
      assert.equal(rig.cluster.list(plural).length, 1)
    })
  }
}

for (const step of ['it looks', 'it reads anchors'] as const) {
  test(`its request is deleted when ${step}`, async (t) => {
    requirement('renewal.one-request')
    const rig = await openRig()
    t.after(() => rig.close())
    const picks = requestSteps[step]
    let left = 2
    rig.cluster.fail(
      (request) => {
        if (left > 0 && picks?.(request) === true) {
          left -= 1
          const [first] = rig.cluster.list(plural)
          if (first !== undefined) rig.cluster.remove(plural, first.metadata.name)
        }
        return false
      },
      { kind: 'drop' },
    )
    rig.sign()
    await untilKept(rig)
  })
}

for (const minutes of [-6, 6]) {
  test(`its clock is ${minutes} minutes off for a while`, async (t) => {
    requirement('renewal.one-request')
    requirement('renewal.verified-before-written')
    const rig = await openRig()
    t.after(() => rig.close())
    const until = Date.now() + 100
    const now = (): number => Date.now() + (Date.now() < until ? minutes * 60_000 : 0)
    rig.sign()
    await untilKept(rig, { now })
  })
}

test('the signer is slow, and the agent is killed again and again: one request all the while', async (t) => {
  requirement('renewal.one-request')
  const rig = await openRig()
  t.after(() => rig.close())
  const stop = new AbortController()
  t.after(() => stop.abort())
  for (const step of ['it asks', 'it looks', 'it looks', 'it asks'] as const) {
    const picks = requestSteps[step] ?? (() => false)
    const death = new Death()
    const client = death.client(rig.cluster, picks, 'after')
    const folder = death.folder(rig.world.folder, undefined, 'after')
    void rig.world
      .keeper({ client, folder })
      .run(stop.signal)
      .catch(() => {})
    await death.happened
    await rig.check()
    assert.ok(rig.cluster.list(plural).length <= 1)
  }
  rig.sign()
  await untilKept(rig)
  assert.equal(rig.cluster.list(plural).length, 1)
})
