import assert from 'node:assert/strict'
import { parseTrustDomain } from '../../../src/identity/trust-domain.ts'
import type { TrustDomain } from '../../../src/identity/trust-domain.ts'
import type { ApiClient, ApiRequest, ApiStream } from '../../../src/kubernetes/api-client.ts'
import { silentLog } from '../../../src/log.ts'
import type { AuthorityState, Journal } from '../../../src/pki/authority-journal.ts'
import type { Authority, AuthoritySource, Rotation } from '../../../src/pki/authority.ts'
import {
  bundleSequenceAnnotation,
  countAnchors,
} from '../../../src/signer/anchors/bundle-sequence.ts'
import {
  formatAnchors,
  readPublishedAnchors,
} from '../../../src/signer/anchors/published-anchors.ts'
import { trustBundleName } from '../../../src/kubernetes/cluster-trust-bundle.ts'
import { asksForAnnotation, createAnchorCopies } from '../../../src/signer/anchors/anchor-copies.ts'
import {
  anchorsKey,
  clusterTrustBundlePlace,
  configMapPlace,
} from '../../../src/signer/anchors/anchor-place.ts'
import { startTrustBundlePublisher } from '../../../src/signer/anchors/trust-bundle.ts'
import type {
  TrustBundleOptions,
  TrustBundlePublisher,
} from '../../../src/signer/anchors/trust-bundle.ts'
import { FakeCluster } from '../../support/fake-cluster.ts'
import type { RawObject } from '../../support/fake-cluster.ts'
import { newAuthority } from '../signer-world.ts'
import { signerName } from '../asked.ts'

export const trustDomain: TrustDomain = parseTrustDomain('example.org')
export const bundleName: string = trustBundleName(signerName, trustDomain)
export const lease = { namespace: 'countersign-system', name: 'countersign-trust-bundle' } as const

/** A source whose authority changes when it is told to. */
export class Rotating implements AuthoritySource {
  authority: Authority
  readonly #listeners = new Set<() => void>()
  constructor(authority: Authority = newAuthority()) {
    this.authority = authority
  }
  current(): Authority {
    return this.authority
  }
  anchors(): readonly Buffer[] {
    return this.authority.anchors
  }
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
  rotate(authority: Authority = newAuthority()): void {
    this.authority = authority
    for (const listener of this.#listeners) listener()
  }
}

/** One whose authorities are in a journal, and go when the journal says so. */
export class Journaled extends Rotating implements Rotation {
  fresh = true
  /** Those that sign no more. */
  ended: Authority[] = []
  gone: Authority[] = []
  readonly rotation: Rotation = this
  isFresh(): boolean {
    return this.fresh
  }
  isDelivered(): boolean {
    return false
  }
  journal(): Journal {
    return []
  }
  states(): ReadonlyMap<string, AuthorityState> {
    return new Map()
  }
  maySign(authority: Authority): boolean {
    return !this.ended.includes(authority)
  }
  withdrawn(): readonly string[] {
    return this.gone.map(({ certificate }) => certificate.sha256)
  }
}

/** In the namespace of the Lease that in which anchors are published, elsewhere those that ask for them. */
export const configMap = 'countersign-trust-bundle'

/** Picks writes of the bundle. */
export function bundleWrites({ method, path }: ApiRequest): boolean {
  const isBundle = path.includes('/clustertrustbundles') || path.endsWith(ownConfigMap)
  return method !== 'GET' && isBundle
}

const ownConfigMap = `/namespaces/${lease.namespace}/configmaps/${configMap}`

/** Picks every request about the lease. */
export function leaseRequests({ path }: ApiRequest): boolean {
  return path.includes('/leases')
}

/**
 * Replicas of one signer, each of which looks at the bundle when it is told to. What must always hold is checked before every
 * write of the bundle and after every look.
 */
export class World implements AsyncDisposable {
  readonly cluster: FakeCluster = new FakeCluster()
  readonly #isIn: 'cluster-trust-bundle' | 'config-map'
  /** Whether namespaces may ask for the anchors. */
  readonly copies: boolean
  readonly replicas: Replica[] = []
  /** Milliseconds that the clocks are ahead. */
  passed = 0
  /** What was broken by a write: the publisher that made it may catch anything that is thrown there. */
  readonly #broken: unknown[] = []

  constructor(
    place: 'cluster-trust-bundle' | 'config-map' = 'cluster-trust-bundle',
    { copies = false }: { readonly copies?: boolean } = {},
  ) {
    this.#isIn = place
    this.copies = copies
    if (place === 'config-map') this.text = ''
  }

  now(): number {
    return Date.now() + this.passed
  }

  /** As one replica knows it. */
  placeOf(client: ApiClient): Pick<TrustBundleOptions, 'place' | 'copies'> {
    const parts = { client, signerName, trustDomain, log: silentLog, steadyNow: () => this.now() }
    const own = { namespace: lease.namespace, name: configMap }
    const isOwn = this.#isIn === 'config-map'
    const place = isOwn
      ? configMapPlace(client, own)
      : clusterTrustBundlePlace({ ...parts, version: 'v1' })
    if (!this.copies) return { place }
    const exceptNamespace = isOwn ? own.namespace : undefined
    return { place, copies: createAnchorCopies({ ...parts, name: configMap, exceptNamespace }) }
  }

  get bundle(): RawObject | undefined {
    return this.#isIn === 'config-map'
      ? this.cluster.get('configmaps', configMap, lease.namespace)
      : this.cluster.get('clustertrustbundles', bundleName)
  }

  /** What the API server says of the clock of every replica. */
  clockProblem: string | undefined

  /** How long readers are given to take up what is added. */
  propagationSeconds = 0

  replica(name: string, authority?: Authority | Rotating): Replica {
    const authorities = authority instanceof Rotating ? authority : new Rotating(authority)
    const replica = new Replica(this, name, authorities)
    this.replicas.push(replica)
    return replica
  }

  /** The text of the published bundle, empty when there is none. */
  get text(): string {
    return textOf(this.bundle)
  }

  set text(trustBundle: string) {
    if (this.#isIn === 'config-map') {
      // As the chart makes it.
      const annotations = { [asksForAnnotation]: trustDomain }
      const metadata = { name: configMap, namespace: lease.namespace, annotations }
      const data = trustBundle === '' ? {} : { data: { [anchorsKey]: trustBundle } }
      this.cluster.put('configmaps', { metadata, ...data })
    } else {
      const spec = { signerName, trustBundle }
      this.cluster.put('clustertrustbundles', { metadata: { name: bundleName }, spec })
    }
  }

  /** The published bundle's number; undefined where its text was written without one. */
  get counted(): bigint | undefined {
    const annotations = this.bundle?.metadata['annotations']
    const said = (annotations as Readonly<Record<string, string>> | undefined) ?? {}
    const annotation = said[bundleSequenceAnnotation]
    return countAnchors([], { trustBundle: this.text, annotation, seenAt: 0 })?.sequence
  }

  get holder(): string | undefined {
    const spec = this.cluster.get('leases', lease.name, lease.namespace)?.['spec']
    return (spec as { holderIdentity?: string } | undefined)?.holderIdentity
  }

  publishes(...authorities: readonly Authority[]): boolean {
    const published = readPublishedAnchors(this.text, trustDomain)
    return authorities.every(({ certificate }) =>
      published.some(({ sha256 }) => sha256 === certificate.sha256),
    )
  }

  /** Before a replica writes the bundle. */
  checkWrite(replica: string, request: ApiRequest): void {
    try {
      this.#checkWrite(replica, request)
    } catch (error) {
      this.#broken.push(error)
    }
  }

  #checkWrite(replica: string, { body }: ApiRequest): void {
    assert.equal(this.holder, replica, 'only the holder of the lease writes')
    const { metadata } = body as RawObject
    const present = this.bundle
    // What the API server answers with a conflict writes nothing.
    if (present?.metadata['resourceVersion'] !== metadata['resourceVersion']) return
    const trustBundle = textOf(body as RawObject)
    const differs = trustBundle !== this.text || this.counted === undefined
    assert.ok(differs, 'only a difference is written')
    const written = readPublishedAnchors(trustBundle, trustDomain)
    const source: AuthoritySource | undefined = this.replicas.find(
      ({ name }) => name === replica,
    )?.authorities
    const withdrawn = source?.rotation?.withdrawn() ?? []
    for (const { sha256, notAfter } of readPublishedAnchors(this.text, trustDomain)) {
      const kept = written.some((anchor) => anchor.sha256 === sha256)
      const gone = notAfter.getTime() < this.now() || withdrawn.includes(sha256)
      assert.ok(kept || gone, 'a valid anchor stays')
    }
    assert.equal(trustBundle, formatAnchors(written), 'what is written is in one order')
  }

  check(): void {
    for (const error of this.#broken) throw error
    for (const { publisher, authorities } of this.replicas) {
      // An anchor that is taken out is missed at the next look.
      if (authorities instanceof Journaled) continue
      const active = activeOf(publisher)
      if (active === undefined) continue
      const valid = active.certificate.notAfter.getTime() >= this.now()
      assert.ok(!valid || this.publishes(active), 'whoever signs has published anchors')
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { publisher } of this.replicas) await publisher[Symbol.asyncDispose]()
    this.check()
  }
}

export class Replica {
  readonly name: string
  readonly authorities: Rotating
  readonly publisher: TrustBundlePublisher
  /** How long it meant to wait, each time. */
  readonly waits: number[] = []
  writes = 0
  readonly #world: World
  #goOn: () => void = () => {}
  /** Resolves when it next means to wait. */
  #looked = Promise.withResolvers<void>()

  constructor(world: World, name: string, authorities: Rotating) {
    this.#world = world
    this.name = name
    this.authorities = authorities
    const client = this.#client()
    this.publisher = startTrustBundlePublisher({
      client,
      ...world.placeOf(client),
      trustDomain,
      authorities,
      lease: { ...lease, holder: name },
      propagationSeconds: world.propagationSeconds,
      log: silentLog,
      serverClock: { problem: () => world.clockProblem },
      now: () => world.now(),
      steadyNow: () => world.now(),
      delay: (milliseconds, signal) => this.#wait(milliseconds, signal),
      random: () => 0,
    })
  }

  /** Undefined until something may be signed with it. */
  get active(): Authority | undefined {
    return activeOf(this.publisher)
  }

  /** Waits for its first look. */
  async started(): Promise<this> {
    if (this.waits.length === 0) await this.#looked.promise
    this.#world.check()
    return this
  }

  /** Lets it look once more. */
  async look(): Promise<void> {
    await this.#lookAfter(() => this.#goOn())
  }

  /** Gives it another authority, at which it looks at once. */
  async rotate(authority?: Authority): Promise<void> {
    await this.#lookAfter(() => this.authorities.rotate(authority))
  }

  async #lookAfter(cause: () => void): Promise<void> {
    const looked = this.#looked.promise
    cause()
    await looked
    this.#world.check()
  }

  async #wait(milliseconds: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    this.#goOn = resolve
    this.waits.push(milliseconds)
    this.#looked.resolve()
    this.#looked = Promise.withResolvers()
    return promise
  }

  #client(): ApiClient {
    const { cluster } = this.#world
    return {
      server: cluster.server,
      request: async <T>(request: ApiRequest): Promise<T> => {
        if (bundleWrites(request)) {
          this.#world.checkWrite(this.name, request)
          this.writes += 1
        }
        return cluster.request<T>(request)
      },
      stream: (request: ApiStream) => cluster.stream(request),
      close: () => {},
    }
  }
}

/** Of the one object or the other. */
export function textOf(object: RawObject | undefined): string {
  const { spec, data } = (object ?? {}) as {
    spec?: { trustBundle?: string }
    data?: Readonly<Record<string, string>>
  }
  return spec?.trustBundle ?? data?.[anchorsKey] ?? ''
}

function activeOf(publisher: TrustBundlePublisher): Authority | undefined {
  try {
    return publisher.authorities.current()
  } catch {
    return undefined
  }
}
