import { CountersignError } from '../errors.ts'
import type { TrustDomain } from '../identity/trust-domain.ts'
import type { ApiClient } from '../kubernetes/api-client.ts'
import { backoffMilliseconds, realDelay } from '../kubernetes/backoff.ts'
import type { Delay } from '../kubernetes/backoff.ts'
import { publishClusterTrustBundle } from '../kubernetes/cluster-trust-bundle.ts'
import type { ClusterTrustBundleVersion } from '../kubernetes/cluster-trust-bundle.ts'
import type { Log } from '../log.ts'
import type { Authority, AuthoritySource } from '../pki/authority.ts'
import { formatPem } from '../pki/pem.ts'

const backoff = { baseSeconds: 0.5, maxSeconds: 30 }

/** Whoever deleted or changed the bundle finds it restored after so long. */
const resyncSeconds = 300

export interface TrustBundlePublisher extends AsyncDisposable {
  /** Resolves when readers can have the anchors of the first authority; rejects when disposed before. */
  readonly published: Promise<void>
  /** The authority whose anchors are published: a new one signs nothing before readers can know it. */
  readonly authorities: AuthoritySource
}

/** `<domain>:<path>:<trust domain>`, the form that the API server demands of a bundle with a signer. */
export function trustBundleName(signerName: string, trustDomain: TrustDomain): string {
  // A trust domain may hold underscores, the name of an object may not.
  return `${signerName.replace('/', ':')}:${trustDomain.replaceAll('_', '-')}`
}

export interface TrustBundleOptions {
  readonly client: ApiClient
  readonly version: ClusterTrustBundleVersion
  readonly signerName: string
  readonly trustDomain: TrustDomain
  readonly authorities: AuthoritySource
  readonly log: Log
  readonly delay?: Delay
  readonly random?: () => number
}

/**
 * Keeps the signer's ClusterTrustBundle equal to the anchors of its authorities: before the first certificate, after every
 * change, and every five minutes. It writes only on difference, because every write reaches every kubelet.
 */
export function startTrustBundlePublisher(options: TrustBundleOptions): TrustBundlePublisher {
  return new Publisher(options)
}

class Publisher implements TrustBundlePublisher {
  readonly authorities: AuthoritySource
  readonly #options: TrustBundleOptions
  readonly #name: string
  readonly #closing = new AbortController()
  readonly #first = Promise.withResolvers<void>()
  readonly #listeners = new Set<() => void>()
  readonly #stopListening: () => void
  readonly #done: Promise<void>
  #active: Authority | undefined
  #wakeUp = new AbortController()

  constructor(options: TrustBundleOptions) {
    this.#options = options
    this.#name = trustBundleName(options.signerName, options.trustDomain)
    this.authorities = {
      current: () => this.#current(),
      anchors: () => options.authorities.anchors(),
      onChange: (listener) => {
        this.#listeners.add(listener)
        return () => this.#listeners.delete(listener)
      },
    }
    this.#stopListening = options.authorities.onChange(() => this.#wakeUp.abort())
    this.#first.promise.catch(() => {})
    this.#done = this.#run()
  }

  get published(): Promise<void> {
    return this.#first.promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopListening()
    this.#closing.abort()
    const stopped = new CountersignError('signer/stopped', 'trust bundle publisher is stopped')
    this.#first.reject(stopped)
    await this.#done
  }

  #current(): Authority {
    if (this.#active !== undefined) return this.#active
    throw new CountersignError('pki/authority-unavailable', 'trust bundle is not published yet')
  }

  async #run(): Promise<void> {
    const { log, delay = realDelay, random = Math.random } = this.#options
    let failures = 0
    while (!this.#closing.signal.aborted) {
      // Before the authority is looked at, so that no change falls between.
      this.#wakeUp = new AbortController()
      const signal = AbortSignal.any([this.#closing.signal, this.#wakeUp.signal])
      try {
        await this.#publish()
        failures = 0
        await delay(resyncSeconds * 1000, signal).catch(() => {})
      } catch (error) {
        if (this.#closing.signal.aborted) return
        failures += 1
        log.warn({ name: this.#name, failures, error }, 'trust bundle is not published')
        await delay(backoffMilliseconds(backoff, failures, random), signal).catch(() => {})
      }
    }
  }

  async #publish(): Promise<void> {
    const { client, version, signerName, authorities, log } = this.#options
    const authority = authorities.current()
    const change = await publishClusterTrustBundle(client, {
      version,
      name: this.#name,
      signerName,
      trustBundle: anchorsPem(authorities.anchors()),
      signal: this.#closing.signal,
    })
    if (change !== 'unchanged') log.info({ name: this.#name, change }, 'trust bundle is published')
    const changed = this.#active !== authority
    this.#active = authority
    this.#first.resolve()
    if (changed) for (const listener of this.#listeners) listener()
  }
}

/** Sorted, so that replicas that know the same anchors agree on every octet. */
function anchorsPem(anchors: readonly Buffer[]): string {
  const blocks = anchors.map((der) => formatPem('CERTIFICATE', der))
  return [...new Set(blocks)].toSorted().join('')
}
