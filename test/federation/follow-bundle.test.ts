import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { fetchBundleDocument, type EndpointProof } from '../../src/federation/fetch-bundle.ts'
import { followBundle, type FollowedBundle } from '../../src/federation/follow-bundle.ts'
import { createNewestBundle } from '../../src/federation/newest-bundle.ts'
import { formatBundleDocument } from '../../src/federation/format-bundle.ts'
import { silentLog } from '../../src/log.ts'
import { createMetrics, silentMetrics } from '../../src/metrics.ts'
import { bundleOf, type Bundle } from '../../src/pki/bundle.ts'
import type { Credential } from '../../src/pki/credential.ts'
import { requirement } from '../requirements.ts'
import { createTestAuthority } from '../support/test-authority.ts'

const domain = createTestAuthority({ trustDomain: 'b.example' })
const next = createTestAuthority({ trustDomain: 'b.example' })
const other = createTestAuthority({ trustDomain: 'c.example' })
const web = createTestAuthority({ trustDomain: 'web.example', dnsSuffixes: ['localhost'] })
const page = web.issue({ role: 'tool-server', dnsNames: ['localhost'] }).credential
const { credential: endpoint } = domain.issue({ serviceAccount: 'endpoint' })
const { credential: stranger } = domain.issue({ serviceAccount: 'stranger' })
const { spiffeId } = endpoint.svid

const documentOf = (sequence: number, ...of: readonly (typeof domain)[]): string =>
  formatBundleDocument({
    anchors: of.flatMap(({ bundle }) => bundle.anchors),
    sequence: BigInt(sequence),
    refreshHintSeconds: 30,
  })

type Answer = (request: IncomingMessage, response: ServerResponse) => void
const say =
  (text: string): Answer =>
  (_request, response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(text)

interface Endpoint {
  readonly url: URL
  answer: Answer
  show(credential: Credential): void
  asked: number
}

async function openEndpoint(
  t: TestContext,
  { chainPem: cert, privateKeyPem: key }: Credential,
): Promise<Endpoint> {
  const server: Server = createServer({ cert, key }, (request, response) => {
    opened.asked += 1
    opened.answer(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const opened: Endpoint = {
    url: new URL(`https://localhost:${(server.address() as AddressInfo).port}/`),
    answer: say(documentOf(1, domain)),
    asked: 0,
    show: (shown) => server.setSecureContext({ cert: shown.chainPem, key: shown.privateKeyPem }),
  }
  return opened
}

const byWeb: EndpointProof = { profile: 'https_web', caPem: web.bundlePem }
const bySpiffe = (bundle: Bundle = domain.bundle): EndpointProof => ({
  profile: 'https_spiffe',
  spiffeId,
  bundle,
})

const fetchOf = (url: URL, proof: EndpointProof): Promise<string> =>
  fetchBundleDocument({ url, proof, now: Date.now, signal: AbortSignal.timeout(30_000) })

test('an endpoint is read when it has proved who it is, by either profile', async (t) => {
  const spiffe = await openEndpoint(t, endpoint)
  assert.equal(await fetchOf(spiffe.url, bySpiffe()), documentOf(1, domain))
  const webbed = await openEndpoint(t, page)
  assert.equal(await fetchOf(webbed.url, byWeb), documentOf(1, domain))
})

test('an endpoint that is somebody else is not read', async (t) => {
  requirement('federation.endpoint-proved')
  for (const [what, shown, proof, message] of [
    ['another workload of its trust domain', stranger, bySpiffe(), /endpoint is somebody else/],
    ['its name, by other anchors', endpoint, bySpiffe(next.bundle), /certificate/],
    ['an SVID of elsewhere', other.issue().credential, bySpiffe(), /certificate/],
    ['a page of the web', page, bySpiffe(), /certificate/],
    ['an SVID, where the web is asked', endpoint, byWeb, /certificate/],
    [
      'another host’s page',
      web.issue({ role: 'tool-server', dnsNames: ['other.localhost'] }).credential,
      byWeb,
      /does not match certificate/,
    ],
  ] as const) {
    const opened = await openEndpoint(t, shown)
    await assert.rejects(
      fetchOf(opened.url, proof),
      (error: Error & { code?: string }) =>
        error.code === 'federation/endpoint' && message.test(error.message),
      what,
    )
  }
  // It asked for nothing of the bundle before it knew: the answer came from nobody.
  const opened = await openEndpoint(t, stranger)
  await assert.rejects(fetchOf(opened.url, bySpiffe()))
})

test('whatever an endpoint answers but a document of its own is refused, within bounds', async (t) => {
  requirement('federation.endpoint-proved')
  const opened = await openEndpoint(t, page)
  const elsewhere = await openEndpoint(t, page)
  const answers: readonly (readonly [Answer, RegExp])[] = [
    [
      (_, response) => response.writeHead(302, { location: elsewhere.url.href }).end(),
      /answers 302/,
    ],
    [
      (_, response) => response.writeHead(307, { location: elsewhere.url.href }).end(),
      /answers 307/,
    ],
    [(_, response) => response.writeHead(503).end(), /answers 503/],
    [(_, response) => response.writeHead(204).end(), /answers 204/],
    [say('x'.repeat(512 * 1024 + 1)), /too long/],
    [
      (_, response) => {
        response.writeHead(200, { 'content-length': '100' })
        response.write('{')
        response.destroy()
      },
      /aborted|cut short|hang up/,
    ],
    [(_, response) => response.writeHead(200, { pad: 'x'.repeat(20_000) }).end(), /Header|Parse/i],
  ]
  for (const [answer, message] of answers) {
    opened.answer = answer
    await assert.rejects(fetchOf(opened.url, byWeb), message)
  }
  assert.equal(elsewhere.asked, 0)
})

test('an endpoint that nobody could be known by is not asked: no authority is not any authority', async (t) => {
  requirement('federation.endpoint-proved')
  const opened = await openEndpoint(t, page)
  for (const proof of [
    { profile: 'https_web', caPem: '' },
    bySpiffe(bundleOf(domain.trustDomain, [])),
  ] as const) {
    await assert.rejects(fetchOf(opened.url, proof), /no authority that it could be known by/)
  }
  assert.equal(opened.asked, 0)
})

/** A follower whose waits a test ends. */
class Follower {
  readonly waits: number[] = []
  passed = 0
  changes = 0
  readonly followed: FollowedBundle
  #goOn: () => void = () => {}
  #waiting = Promise.withResolvers<void>()

  constructor(
    url: URL,
    proofOf: (last: Bundle | undefined) => EndpointProof = () => byWeb,
    metrics = silentMetrics,
  ) {
    this.followed = followBundle({
      trustDomain: domain.trustDomain,
      url,
      proofOf,
      ageSecondsMax: 600,
      log: silentLog,
      metrics,
      now: Date.now,
      clock: () => this.passed * 1000,
      random: () => 0,
      delay: (milliseconds, signal) => this.#wait(milliseconds, signal),
    })
    this.followed.onChange(() => (this.changes += 1))
  }

  get anchors(): readonly string[] | undefined {
    return this.followed.current()?.anchors.map(({ sha256 }) => sha256)
  }

  async started(): Promise<this> {
    await this.#waiting.promise
    return this
  }

  async read(): Promise<void> {
    this.#waiting = Promise.withResolvers()
    this.#goOn()
    await this.#waiting.promise
  }

  #wait(milliseconds: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    this.waits.push(milliseconds / 1000)
    this.#goOn = resolve
    this.#waiting.resolve()
    return promise
  }
}

const shaOf = (...of: readonly (typeof domain)[]): readonly string[] =>
  of.flatMap(({ bundle }) => bundle.anchors.map(({ sha256 }) => sha256))

async function follow(
  t: TestContext,
  ...made: ConstructorParameters<typeof Follower>
): Promise<Follower> {
  const follower = await new Follower(...made).started()
  t.after(() => follower.followed[Symbol.asyncDispose]())
  return follower
}

test('a bundle is read again at its hint; what is the same is no change, a withdrawn anchor is gone', async (t) => {
  const opened = await openEndpoint(t, page)
  const metrics = createMetrics()
  const follower = await follow(t, opened.url, () => byWeb, metrics)
  assert.deepEqual(follower.anchors, shaOf(domain))
  const same = follower.followed.current()
  await follower.read()
  assert.equal(follower.followed.current(), same)
  assert.equal(follower.changes, 1)
  opened.answer = say(documentOf(2, domain, next))
  await follower.read()
  assert.deepEqual(follower.anchors, shaOf(domain, next))
  opened.answer = say(documentOf(3, next))
  await follower.read()
  assert.deepEqual(follower.anchors, shaOf(next))
  assert.equal(follower.changes, 3)
  assert.deepEqual(new Set(follower.waits), new Set([30]))
  opened.answer = say(documentOf(4))
  await follower.read()
  assert.deepEqual(follower.anchors, [])
  assert.deepEqual(follower.followed.condition(), {
    name: 'trust-domain b.example',
    ok: false,
    optional: true,
    reason: 'nobody of it is let in: its bundle has no anchor',
  })
  assert.match(
    await metrics.page(),
    /federation_reads_total\{trust_domain="b.example",result="read"\} 5/,
  )
})

test('a hint is followed within bounds, and without one every five minutes', async (t) => {
  const opened = await openEndpoint(t, page)
  const waits: (number | undefined)[] = []
  const follower = await follow(t, opened.url)
  for (const hint of ['0', '1', '86400', undefined]) {
    const text = documentOf(1, domain)
    opened.answer = say(
      hint === undefined
        ? text.replace('"spiffe_refresh_hint":30,', '')
        : text.replace('_hint":30', `_hint":${hint}`),
    )
    await follower.read()
    waits.push(follower.waits.at(-1))
  }
  assert.deepEqual(waits, [10, 10, 3600, 300])
})

test('what is older than what was read before is refused, and so is what has no number any more', async (t) => {
  requirement('federation.no-older-bundle')
  const opened = await openEndpoint(t, page)
  opened.answer = say(documentOf(5, domain, next))
  const follower = await follow(t, opened.url)
  opened.answer = say(documentOf(6, next))
  await follower.read()
  for (const older of [
    documentOf(5, domain, next),
    documentOf(7, domain).replace(/"spiffe_sequence":7,/, ''),
  ]) {
    opened.answer = say(older)
    await follower.read()
    assert.deepEqual(follower.anchors, shaOf(next))
    assert.match(follower.followed.condition().reason, /older than what was read before/)
  }
  opened.answer = say(documentOf(6, next))
  await follower.read()
  assert.equal(follower.followed.condition().ok, true)
})

test('what is in force no more forbids no lower number', async (t) => {
  requirement('federation.no-older-bundle')
  const opened = await openEndpoint(t, page)
  opened.answer = say(documentOf(9, domain))
  const follower = await follow(t, opened.url)
  opened.answer = say(documentOf(1, next))
  follower.passed = 599
  await follower.read()
  assert.deepEqual(follower.anchors, shaOf(domain))
  follower.passed = 600
  await follower.read()
  assert.deepEqual(follower.anchors, shaOf(next))
})

test('by another first bundle a lower number is read once, and what is older than that is refused', async (t) => {
  requirement('federation.no-older-bundle')
  const opened = await openEndpoint(t, endpoint)
  opened.answer = say(documentOf(9, domain))
  const newest = createNewestBundle()
  let first = domain.bundle
  const follower = await follow(t, opened.url, (last) => bySpiffe(newest(first, last)))
  opened.answer = say(documentOf(5, domain))
  await follower.read()
  assert.match(follower.followed.condition().reason, /older than what was read before/)
  first = bundleOf(domain.trustDomain, domain.bundle.anchors)
  await follower.read()
  assert.equal(follower.followed.condition().ok, true)
  opened.answer = say(documentOf(4, domain, next))
  await follower.read()
  assert.deepEqual(follower.anchors, shaOf(domain))
  assert.match(follower.followed.condition().reason, /older than what was read before/)
})

test('the last good one is used for so long, and then nobody of its trust domain is known', async (t) => {
  requirement('federation.ends-with-anchors')
  const opened = await openEndpoint(t, page)
  const follower = await follow(t, opened.url)
  opened.answer = say('no document')
  follower.passed = 599
  await follower.read()
  assert.deepEqual(follower.anchors, shaOf(domain))
  assert.match(
    follower.followed.condition().reason,
    /but not the newest: bundle document is not JSON/,
  )
  follower.passed = 600
  assert.equal(follower.anchors, undefined)
  assert.match(follower.followed.condition().reason, /^nobody of it is let in/)
  opened.answer = say(documentOf(1, domain))
  await follower.read()
  assert.deepEqual(follower.anchors, shaOf(domain))
  assert.equal(follower.changes, 2)
})

test('listeners are told when the last good one has become too old', async (t) => {
  requirement('federation.ends-with-anchors')
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const opened = await openEndpoint(t, page)
  const follower = await follow(t, opened.url)
  const before = follower.changes
  t.mock.timers.tick(600_000)
  assert.equal(follower.changes, before)
  t.mock.timers.tick(1)
  assert.equal(follower.changes, before + 1)
})

test('after failures it asks again soon, then less often, and never less than at its hint', async (t) => {
  const opened = await openEndpoint(t, page)
  const follower = await follow(t, opened.url)
  opened.answer = say('no document')
  for (let round = 0; round < 5; round += 1) await follower.read()
  assert.deepEqual(follower.waits, [30, 5, 10, 20, 30, 30])
})

test('an endpoint of https_spiffe is known by the bundle that was read last', async (t) => {
  requirement('federation.endpoint-proved')
  const opened = await openEndpoint(t, endpoint)
  opened.answer = say(documentOf(1, domain, next))
  const follower = await follow(t, opened.url, (last) => bySpiffe(last ?? domain.bundle))
  opened.show(next.issue({ serviceAccount: 'endpoint' }).credential)
  opened.answer = say(documentOf(2, next))
  await follower.read()
  assert.deepEqual(follower.anchors, shaOf(next))
  // The first one counts no more: its anchor was withdrawn.
  opened.show(endpoint)
  opened.answer = say(documentOf(3, domain))
  await follower.read()
  assert.deepEqual(follower.anchors, shaOf(next))
})
