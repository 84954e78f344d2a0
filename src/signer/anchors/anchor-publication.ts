import { createListeners } from '../../listeners.ts'
import { CountersignError } from '../../errors.ts'
import { discoverClusterTrustBundleVersion } from '../../kubernetes/api-discovery.ts'
import { realDelay } from '../../kubernetes/backoff.ts'
import type { AuthoritySource } from '../../pki/authority.ts'
import type { Condition } from '../../readiness.ts'
import { untilAnswered } from '../until-answered.ts'
import type { CountedAnchors } from './bundle-sequence.ts'
import type { Delivery } from './delivery.ts'
import {
  startTrustBundlePublisher,
  type TrustBundleOptions,
  type TrustBundlePublisher,
} from './trust-bundle.ts'

/** Anchors on their way to readers, by the means that the cluster has. */
export interface AnchorPublication extends AsyncDisposable {
  /** Resolves when readers can have the anchors, or when the cluster has no means to give them. */
  readonly settled: Promise<void>
  /** The authority that may sign. */
  readonly authorities: AuthoritySource
  /** What was published at the last look, with its number; undefined while nothing is that. */
  counted(): CountedAnchors | undefined
  condition(): Condition
  /** Of the replica that writes the bundle now: for how long it has seen each anchor there. Undefined where none is served. */
  held(): Delivery | undefined
  /** The same, of the replica that asks for a CA: where none is served each of them may, and nothing is proved. */
  asks(): Delivery | undefined
}

const nothingProved: Delivery = { bundle: undefined, secondsOf: () => undefined }

/** An API server that begins to serve ClusterTrustBundles was started anew: nobody does that every minute. */
const askAgainMilliseconds = 60_000

/** Publishes as soon as ClusterTrustBundles are served. Where they are not, it says so and lets the authority sign. */
export function startAnchorPublication(
  options: Omit<TrustBundleOptions, 'version'>,
): AnchorPublication {
  const closing = new AbortController()
  const { signal } = closing
  const settled = Promise.withResolvers<void>()
  settled.promise.catch(() => {})
  const listeners = createListeners()
  let publisher: TrustBundlePublisher | undefined
  let source: AuthoritySource | undefined
  let problem: string | undefined

  async function run(): Promise<void> {
    const { client, log, delay = realDelay } = options
    const ask = (): ReturnType<typeof discoverClusterTrustBundleVersion> =>
      discoverClusterTrustBundleVersion(client, signal)
    const told = (why: string): unknown => (problem = why)
    while (!signal.aborted) {
      const version = await untilAnswered(ask, { signal, log, delay, told })
      if (signal.aborted) return
      if (version !== undefined) {
        publisher = startTrustBundlePublisher({ ...options, version })
        source = publisher.authorities
        publisher.authorities.onChange(listeners.tell)
        await publisher.published.then(settled.resolve, settled.reject)
        return
      }
      if (source === undefined) log.warn({}, notServed)
      problem = notServed
      source = options.authorities
      settled.resolve()
      await delay(askAgainMilliseconds, signal).catch(() => {})
    }
  }
  const done = run().catch(settled.reject)
  const stopListening = options.authorities.onChange(listeners.tell)
  return {
    settled: settled.promise,
    authorities: {
      current() {
        if (source !== undefined) return source.current()
        throw new CountersignError('pki/authority-unavailable', 'trust bundle is not published yet')
      },
      anchors: () => options.authorities.anchors(),
      onChange: listeners.onChange,
    },
    counted: () => publisher?.counted(),
    condition() {
      if (publisher !== undefined) return publisher.condition()
      const name = 'trust-bundle'
      return {
        name,
        ok: false,
        reason: problem ?? 'not published yet',
        optional: source !== undefined,
      }
    },
    held: () => publisher?.held(),
    asks: () => (publisher === undefined ? source && nothingProved : publisher.held()),
    async [Symbol.asyncDispose]() {
      stopListening()
      closing.abort()
      settled.reject(new CountersignError('signer/stopped', 'publication of anchors is stopped'))
      await publisher?.[Symbol.asyncDispose]()
      await done
    },
  }
}

const notServed =
  'clustertrustbundles.certificates.k8s.io are not served: give the anchors of the authority to their readers by other means'
