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

/**
 * Keeps the signer's ClusterTrustBundle equal to the anchors of its authorities: before the first certificate, after every
 * change, and every five minutes. It writes only on difference, because every write reaches every kubelet.
 */
export function startTrustBundlePublisher(options: {
  readonly client: ApiClient
  readonly version: ClusterTrustBundleVersion
  readonly signerName: string
  readonly trustDomain: TrustDomain
  readonly authorities: AuthoritySource
  readonly log: Log
  readonly delay?: Delay
  readonly random?: () => number
}): TrustBundlePublisher {
  const { client, version, signerName, trustDomain, authorities, log } = options
  const { delay = realDelay, random = Math.random } = options
  const name = trustBundleName(signerName, trustDomain)
  const closing = new AbortController()
  const first = Promise.withResolvers<void>()
  const listeners = new Set<() => void>()
  let active: Authority | undefined
  let wakeUp = new AbortController()
  const stopListening = authorities.onChange(() => wakeUp.abort())

  async function publishOnce(): Promise<void> {
    const authority = authorities.current()
    const trustBundle = anchorsPem(authorities.anchors())
    const change = await publishClusterTrustBundle(client, {
      version,
      name,
      signerName,
      trustBundle,
      signal: closing.signal,
    })
    if (change !== 'unchanged') log.info({ name, change }, 'trust bundle is published')
    const changed = active !== authority
    active = authority
    first.resolve()
    if (changed) for (const listener of listeners) listener()
  }

  async function run(): Promise<void> {
    let failures = 0
    while (!closing.signal.aborted) {
      wakeUp = new AbortController()
      const signal = AbortSignal.any([closing.signal, wakeUp.signal])
      try {
        await publishOnce()
        failures = 0
        await delay(resyncSeconds * 1000, signal).catch(() => {})
      } catch (error) {
        if (closing.signal.aborted) return
        failures += 1
        log.warn({ name, failures, error }, 'trust bundle is not published')
        await delay(backoffMilliseconds(backoff, failures, random), signal).catch(() => {})
      }
    }
  }

  first.promise.catch(() => {})
  const done = run()
  return {
    published: first.promise,
    authorities: {
      current() {
        if (active !== undefined) return active
        throw new CountersignError('pki/authority-unavailable', 'trust bundle is not published yet')
      },
      anchors: () => authorities.anchors(),
      onChange(listener) {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
    },
    async [Symbol.asyncDispose]() {
      stopListening()
      closing.abort()
      first.reject(new CountersignError('signer/stopped', 'trust bundle publisher is stopped'))
      await done
    },
  }
}

/** Sorted, so that replicas that know the same anchors agree on every octet. */
function anchorsPem(anchors: readonly Buffer[]): string {
  const blocks = anchors.map((der) => formatPem('CERTIFICATE', der))
  return [...new Set(blocks)].toSorted().join('')
}
