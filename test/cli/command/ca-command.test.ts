import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { CaDocument } from '../../../src/cli/command/ca-command.ts'
import { run } from '../../../src/cli/program.ts'
import { parseTrustDomain } from '../../../src/identity/trust-domain.ts'
import { createSelfSignedAuthority } from '../../../src/pki/authority.ts'
import { trustBundleName } from '../../../src/kubernetes/cluster-trust-bundle.ts'
import { requirement } from '../../requirements.ts'
import {
  startFakeApiServer,
  statusAnswer,
  type FakeAnswer,
  type FakeApiServer,
  type FakeRequest,
} from '../../support/fake-api-server.ts'

const namespace = 'countersign-system'
const name = 'countersign-authority'
const trustDomain = parseTrustDomain('agents.example')
const bundle = trustBundleName('countersign.dev/identity', trustDomain)
const lifetimeSeconds = 30 * 86_400

interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** An API server with the Secret of a CA and, when told, its bundle. */
class World implements AsyncDisposable {
  readonly #api: FakeApiServer
  readonly #folder: string
  readonly data: Record<string, string> = {}
  #version = 1
  /** Whether ClusterTrustBundles are served. */
  served = true
  /** PEM of the anchors that are published. */
  published = ''
  /** Since when there is a bundle. */
  bundleSince = '2026-01-01T00:00:00Z'
  /** What the answer is instead, when it is one. */
  instead: (request: FakeRequest) => FakeAnswer | undefined = () => undefined
  /** The clock of the API server is ahead by so much. */
  aheadSeconds = 0

  constructor(api: FakeApiServer, folder: string) {
    this.#api = api
    this.#folder = folder
    const { certificatePem, privateKeyPem } = this.newAuthority()
    this.data['tls.crt'] = encode(certificatePem)
    this.data['tls.key'] = encode(privateKeyPem)
    api.otherwise((request) => {
      const date = new Date(Date.now() + this.aheadSeconds * 1000).toUTCString()
      const answer = this.instead(request) ?? this.#answer(request)
      return { ...answer, headers: { date, ...answer.headers } }
    })
  }

  newAuthority(): ReturnType<typeof createSelfSignedAuthority> {
    const dnsSuffixes = ['svc', 'svc.cluster.local']
    return createSelfSignedAuthority({ trustDomain, lifetimeSeconds, dnsSuffixes, now: Date.now })
  }

  async ca(...argv: readonly string[]): Promise<Ran> {
    const config = join(this.#folder, 'signer.yaml')
    const told = { out: '', err: '' }
    const options = ['--config', config, '--kubeconfig', this.#api.kubeconfig]
    const code = await run(['ca', ...argv, ...options], {
      out: (text) => (told.out += text),
      err: (text) => (told.err += text),
      signal: new AbortController().signal,
    })
    return { code, ...told }
  }

  async done(...argv: readonly string[]): Promise<CaDocument> {
    const { code, out, err } = await this.ca(...argv, '--json')
    assert.equal(code, 0, err)
    return JSON.parse(out) as CaDocument
  }

  states(): readonly string[] {
    return this.#entries().map(({ state }) => state)
  }

  /** As if every anchor of the journal had been there for so long. */
  publish({ preparedAt, bundleAt }: { preparedAt: number; bundleAt: number }): void {
    const authorities = this.#entries().map((entry) =>
      entry.state === 'prepared' ? { ...entry, since: new Date(preparedAt).toISOString() } : entry,
    )
    this.data['authorities.json'] = encode(JSON.stringify({ version: 1, authorities }))
    this.published = authorities.map(({ certificate }) => certificate).join('')
    this.bundleSince = new Date(bundleAt).toISOString()
  }

  #entries(): readonly { readonly state: string; readonly certificate: string }[] {
    const journal = Buffer.from(this.data['authorities.json'] ?? '', 'base64').toString('utf8')
    return journal === '' ? [] : (JSON.parse(journal) as { authorities: [] }).authorities
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#api[Symbol.asyncDispose]()
    await rm(this.#folder, { recursive: true })
  }

  #answer({ method, path, body }: FakeRequest): FakeAnswer {
    const metadata = { creationTimestamp: '2026-01-01T00:00:00Z', labels: {}, annotations: {} }
    if (
      path.endsWith(`/clustertrustbundles/${encodeURIComponent(bundle)}`) &&
      this.published !== ''
    ) {
      const creationTimestamp = this.bundleSince
      const of = { ...metadata, creationTimestamp, name: bundle, uid: 'b', resourceVersion: '1' }
      return { body: { metadata: of, spec: { trustBundle: this.published } } }
    }
    if (path === '/apis/certificates.k8s.io') return { body: { versions: [{ version: 'v1' }] } }
    if (path === '/apis/certificates.k8s.io/v1') {
      return { body: { resources: this.served ? [{ name: 'clustertrustbundles' }] : [] } }
    }
    if (path === '/version') return { body: { gitVersion: 'v1.37.0' } }
    if (!path.endsWith(`/secrets/${name}`)) return statusAnswer(404, 'NotFound')
    if (method === 'PATCH') {
      this.#version += 1
      const { data } = body as { readonly data: Readonly<Record<string, string | null>> }
      for (const [key, value] of Object.entries(data)) {
        if (value === null) delete this.data[key]
        else this.data[key] = value
      }
    }
    const of = { ...metadata, name, namespace, uid: 's', resourceVersion: String(this.#version) }
    return { body: { metadata: of, data: { ...this.data } } }
  }
}

function encode(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64')
}

async function openWorld(rotation?: { readonly everySeconds: number }): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-ca-'))
  const authority = { selfSigned: { namespace, secret: name, lifetimeSeconds, rotation } }
  const rest = { ledger: { file: 'ledger' }, policy: { bundle: 'policy' } }
  const config = { trustDomain, cluster: 'test', authority, ...rest }
  await writeFile(join(folder, 'signer.yaml'), JSON.stringify(config))
  return new World(await startFakeApiServer(), folder)
}

const refusesBundles = ({ path }: FakeRequest): FakeAnswer | undefined =>
  path.includes('/clustertrustbundles/') ? statusAnswer(403, 'Forbidden') : undefined

test('a step that was taken ends with 0, also when the bundle cannot be read', async () => {
  await using world = await openWorld()
  world.instead = refusesBundles
  const prepared = await world.ca('prepare')
  assert.equal(prepared.code, 0, prepared.err)
  assert.match(prepared.out, /prepared {2}.*, publication unknown/)
  assert.match(prepared.out, /^bundle: unknown: .*status 403/m)
  assert.deepEqual(world.states(), ['active', 'prepared'])
  const leaked = await world.done('activate', '--leaked-key')
  assert.deepEqual(world.states(), ['tainted', 'active'])
  assert.equal(leaked.bundle, null)
  assert.match(leaked.bundleProblem ?? '', /status 403/)
  assert.deepEqual(
    leaked.authorities.map(({ published }) => published),
    [null, null],
  )
})

for (const lost of ['cut', 'hidden by a proxy'] as const) {
  test(`a step whose answer is ${lost} is looked for, and told as what it is`, async () => {
    await using world = await openWorld()
    const answer = lost === 'cut' ? { cut: true } : { status: 504, body: 'gateway' }
    let isDone = true
    world.instead = (request) => {
      if (request.method !== 'PATCH') return undefined
      if (isDone) Object.assign(world.data, (request.body as { data: object }).data)
      return answer
    }
    const prepared = await world.ca('prepare')
    assert.equal(prepared.code, 0, prepared.err)
    assert.deepEqual(world.states(), ['active', 'prepared'])
    isDone = false
    const active = await world.ca('activate', '--leaked-key')
    assert.equal(active.code, 1)
    assert.match(active.err, /authority: the step may have been taken.*pki\/authority-step/)
    assert.match(active.err, /countersign ca status/)
  })
}

for (const [aheadSeconds, said] of [
  [-3600, / got=3\d\d\d s ahead /],
  [2 * 86_400, / got=17\d\d\d\d s behind /],
] as const) {
  test(`no step is taken by a clock that the API server does not have, here ${-aheadSeconds} s ahead`, async () => {
    await using world = await openWorld()
    await world.done('prepare')
    world.aheadSeconds = aheadSeconds
    for (const step of [['activate', '--leaked-key'], ['activate', '--delivered'], ['prepare']]) {
      const { code, err } = await world.ca(...step)
      assert.equal(code, 1)
      assert.match(err, said)
    }
    assert.deepEqual(world.states(), ['active', 'prepared'])
    await world.done('status')
    world.aheadSeconds = aheadSeconds < 0 ? -50 : 50
    await world.done('activate', '--leaked-key')
  })
}

test('no step is taken where the API server tells no time', async () => {
  await using world = await openWorld()
  world.instead = ({ path }) => (path === '/version' ? { headers: { date: '' } } : undefined)
  assert.match((await world.ca('prepare')).err, / got=no Date /)
  assert.deepEqual(world.states(), [])
})

for (const [title, secondsAgo] of [
  ['the bundle was made anew', { prepared: 4000, bundle: 20 }],
  ['the CA was prepared', { prepared: 20, bundle: 4000 }],
] as const) {
  test(`what nobody says the time of is published no longer than ${title}`, async () => {
    requirement('signer.rotation-by-proof')
    await using world = await openWorld()
    await world.done('prepare')
    const [preparedAt, bundleAt] = [secondsAgo.prepared, secondsAgo.bundle].map(
      (seconds) => Date.now() - seconds * 1000,
    ) as [number, number]
    world.publish({ preparedAt, bundleAt })
    const early = await world.ca('activate')
    assert.equal(early.code, 1)
    assert.match(early.err, /was published 2\d s ago, and readers have (27\d|280) s more/)
    const { authorities } = await world.done('status')
    const wait = authorities.at(-1)?.waitSeconds ?? 0
    assert.ok(wait > 260 && wait <= 280, `${wait}`)
    world.publish({ preparedAt: Date.now() - 301_000, bundleAt: Date.now() - 301_000 })
    await world.done('activate')
    assert.deepEqual(world.states(), ['old', 'active'])
  })
}

test('that readers were given the anchor is believed where no bundle can prove it, and nowhere else', async () => {
  requirement('signer.rotation-by-proof')
  await using world = await openWorld()
  await world.done('prepare')
  const served = await world.ca('activate', '--delivered')
  assert.equal(served.code, 1)
  assert.match(served.err, /is not in the trust bundle .*pki\/authority-step/)
  world.served = false
  assert.match((await world.ca('activate')).err, /give it to them, and say so/)
  await world.done('activate', '--delivered')
  assert.deepEqual(world.states(), ['old', 'active'])
})

test('what the signer does next by its schedule is told, and nothing where there is none', async () => {
  await using byCommand = await openWorld()
  assert.equal((await byCommand.done('status')).next, null)
  await using world = await openWorld({ everySeconds: 86_400 * 20 })
  const { next } = await world.done('status')
  // The Secret is of the first of January: what is due is due for long.
  assert.equal(next?.step, 'prepare')
  assert.match((await world.ca('status')).out, /^next by schedule: prepare, due since 2026-/m)
  const prepared = await world.done('prepare')
  assert.equal(prepared.next?.step, 'activate')
  assert.equal(prepared.next?.authority, prepared.authorities.at(-1)?.sha256.slice(0, 12))
  assert.ok(Date.parse(prepared.next?.at ?? '') > Date.now(), 'readers have their time')
  assert.match(
    (await world.ca('status')).out,
    /^next by schedule: activate [0-9a-f]{12}, at 20\d\d-/m,
  )
})

test('what is to be revoked next is told by its name', async () => {
  await using world = await openWorld()
  world.served = false
  const { authorities } = await world.done('prepare')
  const [first, second] = authorities.map(({ sha256 }) => sha256.slice(0, 12))
  assert.ok(first !== undefined && second !== undefined)
  await world.done('activate', '--delivered')
  const tainted = await world.ca('taint', first)
  assert.match(tainted.out, new RegExp(`^  countersign ca revoke ${first}$`, 'm'))
  await world.done('prepare')
  const leaked = await world.ca('activate', '--leaked-key')
  assert.match(leaked.out, new RegExp(`^  countersign ca revoke ${second}$`, 'm'))
})
