import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Log } from '../../src/log.ts'
import { silentLog } from '../../src/log.ts'
import { silentMetrics, type Metrics } from '../../src/metrics.ts'
import { workloadSpiffeId } from '../../src/identity/spiffe-id.ts'
import { requestedUsages } from '../../src/pki/certificate-request.ts'
import { requestedSource, type CredentialSource } from '../../src/renewal/credential-source.ts'
import { openFilesSource } from '../../src/renewal/files-source.ts'
import type { Keeper } from '../../src/renewal/keep-credential.ts'
import { selfSignedSource } from '../../src/renewal/self-signed-source.ts'
import { requirement } from '../requirements.ts'
import { profile } from '../signer/signer-world.ts'
import { signerName } from '../signer/asked.ts'
import { eventually } from '../support/eventually.ts'
import type { FakeCluster } from '../support/fake-cluster.ts'
import {
  answer,
  certificateFor,
  clusterWithAnchors,
  issue,
  openWorld,
  plural,
  publishedIn,
  requestsOf,
  type World,
} from './keeper-world.ts'

let parent: string

before(async () => {
  parent = await mkdtemp(join(tmpdir(), 'keep-credential-sources-'))
})
after(() => rm(parent, { recursive: true, force: true }))

const { trustDomain } = profile
const spiffeId = workloadSpiffeId({ trustDomain, namespace: 'acme', serviceAccount: 'dev' })

/** A keeper of sources, with a clock that is set by hand, and what it warns of. */
interface Rig {
  readonly cluster: FakeCluster
  readonly world: World
  /** What somebody else writes. */
  readonly file: string
  readonly warnings: string[]
  clock: number
  source(name: CredentialSource['name']): Promise<CredentialSource>
  readonly gauges: Map<string, number>
  start(...sources: readonly CredentialSource[]): Keeper
  stop(): Promise<void>
}

async function openRig(): Promise<Rig> {
  const cluster = clusterWithAnchors()
  const world = await openWorld(cluster, parent)
  const warnings: string[] = []
  const gauges = new Map<string, number>()
  const metrics: Metrics = {
    ...silentMetrics,
    set: (_name, value, { source = '' } = {}) => void gauges.set(source, value),
  }
  const log: Log = {
    ...silentLog,
    warn: (fields, message) => {
      const { error, ...rest } = fields as { readonly error?: Error }
      warnings.push(`${message} ${error?.message} ${JSON.stringify(rest)}`)
    },
  }
  const stop = new AbortController()
  const opened = new AsyncDisposableStack()
  const file = join(await mkdtemp(join(parent, 'others-')), 'credential-bundle.pem')
  let running = Promise.resolve()
  const anchors = publishedIn(cluster)
  const rig: Rig = {
    cluster,
    world,
    file,
    warnings,
    gauges,
    clock: Date.now(),
    async source(name) {
      const keyType = 'ECDSAP256' as const
      if (name === 'self-signed') {
        const now = (): number => rig.clock
        return selfSignedSource({ names: { spiffeId }, keyType, lifetimeSeconds: 3600, now })
      }
      if (name === 'files') {
        const files = { credentialBundle: file }
        return opened.use(await openFilesSource({ files, anchors, log: silentLog }))
      }
      const asked = { signerName, usages: requestedUsages, keyType, annotations: {} }
      return requestedSource({ ...asked, client: cluster, store: world.folder, anchors })
    },
    start(...sources) {
      const now = (): number => rig.clock
      const keeper = world.keeper({ sources, log, metrics, now })
      running = keeper.run(stop.signal)
      return keeper
    },
    async stop() {
      stop.abort()
      await running
      await opened.disposeAsync()
    },
  }
  return rig
}

/** A credential as somebody else would have written it. */
async function writeOthers({ file }: Rig): Promise<string> {
  const cluster = clusterWithAnchors()
  const elsewhere = await openWorld(cluster, parent)
  const done = elsewhere.keeper().run(new AbortController().signal, { once: true })
  await eventually('it is asked for', () => cluster.list(plural).length === 1)
  issue(cluster)
  await done
  const { credentialBundle = '' } = (await elsewhere.folder.read()) ?? {}
  await writeFile(file, credentialBundle)
  return credentialBundle
}

const sourceOf = (keeper: Keeper): string => keeper.conditions()[2]?.reason ?? ''

test('what somebody else writes is verified and taken, and followed; nobody is asked', async (t) => {
  requirement('renewal.sources-in-order')
  const rig = await openRig()
  t.after(() => rig.stop())
  const first = await writeOthers(rig)
  const keeper = rig.start(await rig.source('files'), await rig.source('csr'))
  await eventually('it is taken', () => rig.world.changes() === 1)
  assert.equal((await rig.world.folder.read())?.credentialBundle, first)
  rig.clock += 10 * 60_000
  const next = await writeOthers(rig)
  await eventually('the next one is taken', () => rig.world.changes() === 2)
  assert.equal((await rig.world.folder.read())?.credentialBundle, next)
  assert.equal(sourceOf(keeper), 'files')
  assert.equal(requestsOf(rig.cluster), 0)
  assert.deepEqual(rig.warnings, [])
})

test('a source stands in when those before it have given none for a while, and everybody is told', async (t) => {
  requirement('renewal.sources-in-order')
  const rig = await openRig()
  t.after(() => rig.stop())
  const { gauges } = rig
  const keeper = rig.start(await rig.source('files'), await rig.source('csr'))
  await eventually('files are missed', () =>
    /files: .*is not there/.test(keeper.conditions()[0]?.reason ?? ''),
  )
  assert.equal(requestsOf(rig.cluster), 0, 'not at once')
  rig.clock += 31_000
  await eventually('it is asked for', () => rig.cluster.list(plural).length === 1)
  issue(rig.cluster)
  await eventually('it is taken', () => rig.world.changes() === 1)
  assert.deepEqual(keeper.conditions()[2], {
    name: 'source',
    ok: false,
    reason: 'csr, which stands in for files',
    optional: true,
  })
  assert.deepEqual([gauges.get('files'), gauges.get('csr')], [0, 1])
  const stoodIn = rig.warnings.find((each) => each.includes('which stands in for files'))
  assert.match(stoodIn ?? '', /is not there/)
  // The first is used again as soon as it is there.
  const back = await writeOthers(rig)
  await eventually('it is taken', () => rig.world.changes() === 2)
  assert.equal((await rig.world.folder.read())?.credentialBundle, back)
  assert.equal(sourceOf(keeper), 'files')
  assert.deepEqual([gauges.get('files'), gauges.get('csr')], [1, 0])
  assert.equal(requestsOf(rig.cluster), 1)
})

test('a clock that is set back does not keep a source from standing in', async (t) => {
  const rig = await openRig()
  t.after(() => rig.stop())
  const right = rig.clock
  rig.clock += 10 * 365 * 86_400_000
  const keeper = rig.start(await rig.source('files'), await rig.source('csr'))
  await eventually('files are missed', () =>
    /files: .*is not there/.test(keeper.conditions()[0]?.reason ?? ''),
  )
  rig.clock = right
  await eventually('it is asked for', () => {
    rig.clock += 1000
    return rig.cluster.list(plural).length === 1
  })
})

test('what stood in is used again after a restart, by the same source, and is told of again', async (t) => {
  requirement('renewal.sources-in-order')
  const rig = await openRig()
  t.after(() => rig.stop())
  const alone = rig.world.keeper({ sources: [await rig.source('csr')] })
  const done = alone.run(new AbortController().signal, { once: true })
  await eventually('it is asked for', () => rig.cluster.list(plural).length === 1)
  issue(rig.cluster)
  await done
  const keeper = rig.start(await rig.source('files'), await rig.source('csr'))
  await eventually('it is told', () => rig.warnings.some((each) => each.includes('stands in for')))
  rig.clock += 60_000
  await eventually('files are missed again and again', () => rig.warnings.length > 5)
  assert.equal(requestsOf(rig.cluster), 1)
  assert.equal(sourceOf(keeper), 'csr, which stands in for files')
  assert.equal(keeper.conditions()[0]?.ok, true)
})

test('files that nobody renews are stood in for in the last tenth of their life, and do not come back', async (t) => {
  requirement('renewal.sources-in-order')
  const rig = await openRig()
  t.after(() => rig.stop())
  const old = await writeOthers(rig)
  const keeper = rig.start(await rig.source('files'), await rig.source('csr'))
  await eventually('it is taken', () => rig.world.changes() === 1)
  rig.clock += 50 * 60_000
  await eventually('more than its life is looked at', () => keeper.conditions()[0]?.ok === true)
  assert.equal(requestsOf(rig.cluster), 0)
  rig.clock += 5 * 60_000
  await eventually('it is asked for', () => {
    rig.clock += 1000
    return rig.cluster.list(plural).length === 1
  })
  const [request] = rig.cluster.list(plural)
  assert.ok(request !== undefined)
  const certificate = Buffer.from(certificateFor(request, undefined, () => rig.clock))
  answer(rig.cluster, { certificate: certificate.toString('base64') })
  await eventually('it is taken', () => rig.world.changes() === 2)
  await eventually('files say why not', () =>
    /files: it ends at .*, and another one is in force/.test(keeper.conditions()[0]?.reason ?? ''),
  )
  assert.notEqual((await rig.world.folder.read())?.credentialBundle, old)
  assert.equal(rig.world.changes(), 2)
  assert.equal(requestsOf(rig.cluster), 1)
})

test('while somebody else’s files are not whole, what was in force stays', async (t) => {
  requirement('renewal.sources-in-order')
  requirement('renewal.verified-before-written')
  const rig = await openRig()
  t.after(() => rig.stop())
  const first = await writeOthers(rig)
  const keeper = rig.start(await rig.source('files'))
  await eventually('it is taken', () => rig.world.changes() === 1)
  await writeFile(rig.file, first.slice(0, first.length / 2))
  await eventually(
    'it says so',
    () => keeper.conditions()[0]?.reason.includes('the next one') === true,
  )
  assert.equal(keeper.conditions()[0]?.ok, true)
  assert.equal((await rig.world.folder.read())?.credentialBundle, first)
  await writeFile(rig.file, first)
  await eventually(
    'it is well again',
    () => keeper.conditions()[0]?.reason.includes('the next one') === false,
  )
  assert.equal(rig.world.changes(), 1)
})

test('what signs itself says so, and gives way to whoever is asked', async (t) => {
  requirement('renewal.sources-in-order')
  const rig = await openRig()
  t.after(() => rig.stop())
  const keeper = rig.start(await rig.source('csr'), await rig.source('self-signed'))
  await eventually('it is asked for', () => rig.cluster.list(plural).length === 1)
  rig.clock += 31_000
  await eventually('it is made', () => rig.world.changes() === 1)
  assert.equal(sourceOf(keeper), 'self-signed: nobody vouches for it')
  assert.match(rig.warnings.at(-1) ?? '', /self-signed.*csr: asked for at/)
  issue(rig.cluster)
  await eventually('what was issued is taken', () => rig.world.changes() === 2)
  assert.equal(sourceOf(keeper), 'csr')
  assert.equal((await rig.world.folder.read())?.source, 'csr')
})

test('what a source gave that is not used any more is not used', async (t) => {
  requirement('renewal.sources-in-order')
  const rig = await openRig()
  t.after(() => rig.stop())
  const made = await rig.source('self-signed')
  await rig.world.keeper({ sources: [made] }).run(new AbortController().signal, { once: true })
  const before = await rig.world.folder.read()
  assert.equal(before?.source, 'self-signed')
  const keeper = rig.start(await rig.source('csr'))
  await eventually('another one is asked for', () => requestsOf(rig.cluster) === 1)
  assert.equal(keeper.conditions()[0]?.ok, false)
  assert.match(rig.warnings[0] ?? '', /of a source that is not used, got=self-signed/)
  issue(rig.cluster)
  await eventually('it is taken', () => rig.world.changes() === 2)
  assert.ok(
    (await readFile(join(rig.world.path, 'trust-bundle.pem'), 'utf8')) !== before.trustBundle,
  )
})
