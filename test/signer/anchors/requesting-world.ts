import { clusterTrustBundlePlace } from '../../../src/signer/anchors/anchor-place.ts'
import assert from 'node:assert/strict'
import { parseTrustDomain, type TrustDomain } from '../../../src/identity/trust-domain.ts'
import type { ApiProbe } from '../../../src/kubernetes/api-client.ts'
import { trustBundleName } from '../../../src/kubernetes/cluster-trust-bundle.ts'
import type { Delay } from '../../../src/kubernetes/backoff.ts'
import { createListeners } from '../../../src/listeners.ts'
import { silentLog } from '../../../src/log.ts'
import { createMetrics, type Metrics, type MetricsPage } from '../../../src/metrics.ts'
import { parseJournal } from '../../../src/pki/authority-journal.ts'
import { parseBundle, type Bundle } from '../../../src/pki/bundle.ts'
import type { AuthoritySource } from '../../../src/pki/authority.ts'
import { createRevocationFinder, type Revocation } from '../../../src/pki/revocation.ts'
import type { AuthoritySecretOptions } from '../../../src/signer/anchors/authority-secret.ts'
import { readPublishedAnchors } from '../../../src/signer/anchors/published-anchors.ts'
import {
  startAuthorityRequests,
  type AuthorityRequests,
} from '../../../src/signer/anchors/request-authority.ts'
import { revocationOf, withoutRevoked } from '../../../src/signer/anchors/revoked-authority.ts'
import { openRequestedAuthorities } from '../../../src/signer/anchors/secret-authorities.ts'
import {
  startTrustBundlePublisher,
  type TrustBundlePublisher,
} from '../../../src/signer/anchors/trust-bundle.ts'
import { FakeCluster, type RawObject } from '../../support/fake-cluster.ts'
import { createParentCa, type AnswerOptions, type ParentCa } from '../../support/parent-ca.ts'
import { signerName } from '../asked.ts'

export const trustDomain: TrustDomain = parseTrustDomain('example.org')
export const place = { namespace: 'countersign-system', name: 'countersign-intermediate' }
const lease = { namespace: 'countersign-system', name: 'countersign-trust-bundle' }
export const parentName = 'clusterissuers.cert-manager.io/platform'
export const day = 86_400
export const propagationSeconds = 300
const start = Date.parse('2026-11-30T06:00:00Z')
const requestsPlural = 'certificatesigningrequests'

/** One signer as far as it asks for its CA. */
export interface Replica extends AsyncDisposable {
  readonly source: AuthoritySource
  readonly publisher: TrustBundlePublisher
  readonly requests: AuthorityRequests
}

/** Signers that ask, an API server in memory, and a CA above them that answers when it is told to. */
export class World implements AsyncDisposable {
  readonly cluster: FakeCluster = new FakeCluster()
  readonly replicas: Replica[] = []
  readonly metrics: Metrics & MetricsPage = createMetrics()
  readonly parent: ParentCa = createParentCa({ seed: 1, trustDomain, now: start })
  readonly otherParent: ParentCa = createParentCa({ seed: 2, trustDomain, now: start })
  /** Without, each replica asks, and nobody proves anything of anchors. */
  servesBundles = true
  /** Of everybody, in seconds. */
  passed = 0
  /** Where the CAs are kept. */
  readonly secret: AuthoritySecretOptions
  /** By issuance, which the serial number of a CA is. */
  revoked: readonly Revocation[] = []
  readonly #revokedChanged = createListeners()
  readonly #anchorsChanged = createListeners()
  #configured: Bundle
  #next = Promise.withResolvers<void>()
  /** When each anchor was first in the bundle. */
  readonly #publishedAt = new Map<string, number>()
  readonly #signed = new Set<string>()

  constructor() {
    this.#configured = bundleOf([this.parent])
    const creationTimestamp = new Date(start).toISOString()
    this.cluster.put('secrets', { metadata: { ...place, creationTimestamp } })
    this.cluster.put('leases', { metadata: lease })
    this.secret = {
      client: this.cluster,
      ...place,
      trustDomain,
      kind: 'requested',
      lifetimeSeconds: 90 * day,
      dnsSuffixes: ['svc'],
      now: this.now,
    }
  }

  readonly now = (): number => start + this.passed * 1000

  /** Who waits takes one turn when it is told to, and does not live by the length of what it waits. */
  readonly delay: Delay = (_, signal) => {
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    return Promise.race([this.#next.promise, aborted]).then(() => signal.throwIfAborted())
  }

  readonly probe: ApiProbe = {
    ask: () =>
      Promise.resolve({
        status: 200,
        headers: { date: new Date(this.now()).toUTCString() },
        text: '{}',
      }),
  }

  /** Another file of anchors, everywhere at once. */
  configure(...parents: readonly ParentCa[]): void {
    this.#configured = bundleOf(parents)
    this.#anchorsChanged.tell()
  }

  revoke(issuanceId: string): void {
    this.revoked = [...this.revoked, { name: 'leaked', issuanceId, reason: '' }]
    this.#revokedChanged.tell()
  }

  async open(holder: string): Promise<Replica> {
    const { cluster, delay, probe, secret, now } = this
    const configured = {
      current: () => this.#configured,
      problem: undefined,
      onChange: this.#anchorsChanged.onChange,
    }
    const clocks = { now, steadyNow: now }
    const following = { ...secret, ...clocks, configured, delay, log: silentLog }
    const revocations = {
      find: createRevocationFinder(() => this.revoked),
      staleSeconds: 0,
      onChange: this.#revokedChanged.onChange,
    }
    const source = withoutRevoked(await openRequestedAuthorities(following), revocations)
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
      lease: {
        ...lease,
        holder,
      },
      propagationSeconds,
      ...clocks,
      log: silentLog,
      delay,
      random: () => 0,
    })
    publisher.published.catch(() => {})
    const requests = startAuthorityRequests({
      request: {
        signerName: parentName,
        keyType: 'ECDSAP256',
        annotations: { a: 'b' },
      },
      secret,
      configured,
      client: cluster,
      probe,
      authorities: source,
      held: () =>
        this.servesBundles ? publisher.held() : { bundle: undefined, secondsOf: () => undefined },
      propagationSeconds,
      isRevoked: (ca) => revocationOf([ca], revocations) !== undefined,
      log: silentLog,
      metrics: this.metrics,
      now,
      delay,
      random: () => 0,
    })
    const replica: Replica = {
      source,
      publisher,
      requests,
      async [Symbol.asyncDispose]() {
        await requests[Symbol.asyncDispose]()
        await publisher[Symbol.asyncDispose]()
        await source[Symbol.asyncDispose]()
      },
    }
    this.replicas.push(replica)
    await this.turn()
    return replica
  }

  async end(replica: Replica): Promise<void> {
    this.replicas.splice(this.replicas.indexOf(replica), 1)
    await replica[Symbol.asyncDispose]()
  }

  async turn(): Promise<void> {
    const { resolve } = this.#next
    this.#next = Promise.withResolvers()
    resolve()
    // Everything behind it is promises and one turn of `setImmediate` each: nothing here waits for a clock.
    for (let turns = 0; turns < 20; turns += 1) await new Promise(setImmediate)
  }

  /** Lets so much time pass, and everybody look; what has to hold at any time is checked. */
  async pass(seconds: number): Promise<void> {
    this.passed += seconds
    await this.turn()
    await this.turn()
    this.check()
  }

  /** Until it is so, a few seconds at a time. */
  async until(
    what: string,
    is: () => Promise<boolean> | boolean,
    turnsMax = 20,
    seconds = 5,
  ): Promise<void> {
    for (let turns = 0; turns < turnsMax; turns += 1) {
      if (await is()) return
      await this.pass(seconds)
    }
    const why = this.replicas.map(({ requests }) => requests.condition().reason)
    assert.fail(`never: ${what}; ${why.join('; ')}`)
  }

  /** The requests that are there, the last one last. */
  requests(): readonly RawObject[] {
    return this.cluster.list(requestsPlural)
  }

  /** The one that waits for an answer; undefined while there is none. */
  waiting(): RawObject | undefined {
    const isOpen = ({ status }: RawObject): boolean => status === undefined
    const open = this.requests().filter(isOpen)
    assert.ok(open.length <= 1, 'never two requests wait at once')
    return open[0]
  }

  /** Has the CA above sign what waits. */
  issue(told: Partial<AnswerOptions> = {}, parent: ParentCa = this.parent): void {
    this.#answer((request) => {
      const options = { notBefore: this.now(), lifetimeSeconds: 90 * day, ...told }
      return { certificate: base64(parent.answer(request, options)) }
    })
  }

  /** Answers with a text as it is. */
  issueText(pem: string): void {
    this.#answer(() => ({ certificate: base64(pem) }))
  }

  refuse(type: 'Denied' | 'Failed'): void {
    const condition = { type, status: 'True', reason: 'Policy', message: 'not for you' }
    this.#answer(() => ({ conditions: [condition] }))
  }

  #answer(make: (requestPem: string) => object): void {
    const waiting = this.waiting()
    assert.ok(waiting !== undefined, 'a request waits')
    const { request } = waiting['spec'] as { readonly request: string }
    const status = make(Buffer.from(request, 'base64').toString('utf8'))
    this.cluster.put(requestsPlural, { ...waiting, status })
  }

  collect(): void {
    const name = this.waiting()?.metadata.name
    if (name !== undefined) this.cluster.remove(requestsPlural, name)
  }

  states(): string {
    const journal = this.#journalText()
    if (journal === '') return ''
    return parseJournal(journal, trustDomain, 'requested')
      .map(({ state }) => state)
      .join()
  }

  #secretData(): Readonly<Record<string, string>> {
    const data = this.cluster.get('secrets', place.name, place.namespace)?.['data']
    return (data ?? {}) as Readonly<Record<string, string>>
  }

  #journalText(): string {
    return Buffer.from(this.#secretData()['authorities.json'] ?? '', 'base64').toString('utf8')
  }

  /** Short, of what each replica signs with. */
  signs(): readonly string[] {
    return this.replicas.map(({ publisher }) => {
      try {
        return publisher.authorities.current().certificate.sha256
      } catch {
        return 'nothing'
      }
    })
  }

  published(): ReadonlySet<string> {
    const name = trustBundleName(signerName, trustDomain)
    const spec = this.cluster.get('clustertrustbundles', name)?.['spec']
    const text = (spec as { trustBundle?: string } | undefined)?.trustBundle ?? ''
    return new Set(readPublishedAnchors(text, trustDomain).map(({ sha256 }) => sha256))
  }

  /** What may be at no moment. */
  check(): void {
    const published = this.published()
    for (const sha256 of published) {
      if (!this.#publishedAt.has(sha256)) this.#publishedAt.set(sha256, this.now())
    }
    this.waiting()
    const { anchors: configured } = this.#configured
    for (const { publisher } of this.replicas) {
      const authority = (() => {
        try {
          return publisher.authorities.current()
        } catch {
          return undefined
        }
      })()
      if (authority === undefined) continue
      const root = authority.path.at(-1)
      assert.ok(root !== undefined && published.has(root.sha256), 'who signs has published anchors')
      assert.ok(
        configured.some(({ sha256 }) => sha256 === root.sha256),
        'and configured ones',
      )
      const seconds = (this.now() - (this.#publishedAt.get(root.sha256) ?? NaN)) / 1000
      const isNew = this.#signed.size > 0 && !this.#signed.has(root.sha256)
      assert.ok(!isNew || seconds >= propagationSeconds, `readers had ${seconds} s`)
      this.#signed.add(root.sha256)
    }
    const hasPrepared = this.#journalText().includes('"prepared"')
    const hasKey = this.#secretData()['prepared.key'] !== undefined
    assert.equal(hasKey, hasPrepared, 'a key for what is prepared alone')
  }

  async outcomes(): Promise<string> {
    const page = await this.metrics.page()
    const found = page.matchAll(/authority_requests_total\{outcome="(\w+)"\} (\d+)/g)
    return [...found].map(([, outcome, count]) => `${outcome} ${count}`).join(', ')
  }

  events(): readonly string[] {
    return this.cluster.list('events').map((event) => String(event['reason']))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const replica of this.replicas) await replica[Symbol.asyncDispose]()
  }
}

function bundleOf(parents: readonly ParentCa[]): Bundle {
  return parseBundle(parents.map(({ rootPem }) => rootPem).join(''), trustDomain)
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}
