import { createListeners } from '../../listeners.ts'
import { CountersignError } from '../../errors.ts'
import { discoverClusterTrustBundleVersion } from '../../kubernetes/api-discovery.ts'
import { realDelay } from '../../kubernetes/backoff.ts'
import type { LeasePlace } from '../../kubernetes/lease.ts'
import type { AuthoritySource } from '../../pki/authority.ts'
import type { Condition } from '../../readiness.ts'
import { untilAnswered } from '../until-answered.ts'
import { createAnchorCopies, type AnchorCopies } from './anchor-copies.ts'
import { systemSteadyNow } from './anchor-ages.ts'
import { clusterTrustBundlePlace, configMapPlace, type AnchorPlace } from './anchor-place.ts'
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

export interface AnchorPublicationOptions extends Omit<TrustBundleOptions, 'place' | 'copies'> {
  readonly signerName: string
  /** Name of a ClusterRole that a bundle ends with. */
  readonly owner?: string | undefined
  /**
   * Name of the ConfigMaps by which namespaces ask for the anchors; of that in the namespace of the Lease, in which they are published where
   * ClusterTrustBundles are not served. Without it they are published in ClusterTrustBundles alone.
   */
  readonly configMap?: string | undefined
}

type Asked = ReturnType<typeof discoverClusterTrustBundleVersion>

/** One publisher after the other: whoever publishes already does so until the next one does. */
interface Relay extends AsyncDisposable {
  /** Resolves once it has published. */
  publish(place: AnchorPlace, copies: AnchorCopies | undefined): Promise<void>
  readonly publisher: TrustBundlePublisher | undefined
}

function createRelay(options: AnchorPublicationOptions, tell: () => void): Relay {
  const publishers: TrustBundlePublisher[] = []
  let publisher: TrustBundlePublisher | undefined
  return {
    get publisher() {
      return publisher
    },
    async publish(place, copies) {
      const next = startTrustBundlePublisher({ ...options, place, copies })
      publishers.push(next)
      next.authorities.onChange(tell)
      const before = publisher
      publisher ??= next
      await next.published
      if (publishers.at(-1) !== next) return
      publisher = next
      tell()
      await before?.[Symbol.asyncDispose]()
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(publishers.map((each) => each[Symbol.asyncDispose]()))
    },
  }
}

/**
 * Publishes as soon as there is a place for it: a ClusterTrustBundle where they are served, else a ConfigMap. Where there is neither, it says so
 * and lets the authority sign.
 */
export function startAnchorPublication(options: AnchorPublicationOptions): AnchorPublication {
  const closing = new AbortController()
  const { signal } = closing
  const settled = Promise.withResolvers<void>()
  settled.promise.catch(() => {})
  const listeners = createListeners()
  const relay = createRelay(options, listeners.tell)
  /** Why the authority signs though nobody publishes its anchors. */
  let unpublished: string | undefined
  let problem: string | undefined

  async function run(): Promise<void> {
    const { client, log, delay = realDelay } = options
    const own = ownConfigMap(options)
    const ask = (): Asked => discoverClusterTrustBundleVersion(client, signal)
    const told = (why: string): unknown => (problem = why)
    while (!signal.aborted) {
      const version = await untilAnswered(ask, { signal, log, delay, told })
      if (signal.aborted) return
      if (version !== undefined) {
        const place = clusterTrustBundlePlace({ ...options, version, earlier: own })
        return relay.publish(place, copiesOf(options)).then(settled.resolve)
      }
      if (own === undefined) {
        if (unpublished === undefined) log.warn({}, notServed)
        unpublished = notServed
        settled.resolve()
      } else if (relay.publisher === undefined) {
        // It may wait for long, and what is served meanwhile is looked for.
        const begun = relay.publish(configMapPlace(client, own), copiesOf(options, own.namespace))
        begun.then(settled.resolve, settled.reject)
      }
      await delay(askAgainMilliseconds, signal).catch(() => {})
    }
  }
  const done = run().catch(settled.reject)
  const stopListening = options.authorities.onChange(listeners.tell)
  return {
    settled: settled.promise,
    authorities: {
      current() {
        if (relay.publisher !== undefined) return relay.publisher.authorities.current()
        if (unpublished !== undefined) return options.authorities.current()
        throw new CountersignError('pki/authority-unavailable', 'trust bundle is not published yet')
      },
      anchors: () => options.authorities.anchors(),
      onChange: listeners.onChange,
    },
    counted: () => relay.publisher?.counted(),
    condition() {
      if (relay.publisher !== undefined) return relay.publisher.condition()
      const reason = unpublished ?? problem ?? 'not published yet'
      return { name: 'trust-bundle', ok: false, reason, optional: unpublished !== undefined }
    },
    held: () => relay.publisher?.held(),
    asks() {
      if (relay.publisher !== undefined) return relay.publisher.held()
      return unpublished === undefined ? undefined : nothingProved
    },
    async [Symbol.asyncDispose]() {
      stopListening()
      closing.abort()
      settled.reject(new CountersignError('signer/stopped', 'publication of anchors is stopped'))
      await relay[Symbol.asyncDispose]()
      await done
    },
  }
}

/** In which anchors are published where no ClusterTrustBundle can be. */
function ownConfigMap({
  configMap: name,
  lease,
}: AnchorPublicationOptions): LeasePlace | undefined {
  return name === undefined ? undefined : { namespace: lease.namespace, name }
}

function copiesOf(
  options: AnchorPublicationOptions,
  exceptNamespace?: string,
): AnchorCopies | undefined {
  const { configMap: name, steadyNow = systemSteadyNow } = options
  if (name === undefined) return undefined
  return createAnchorCopies({ ...options, name, exceptNamespace, steadyNow })
}

const notServed =
  'clustertrustbundles.certificates.k8s.io are not served: publish the anchors in ConfigMaps (trustBundle.configMap), or give them to their readers by other means'
