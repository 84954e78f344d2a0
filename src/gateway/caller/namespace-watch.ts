import { createListeners } from '../../listeners.ts'
import { annotationKeys, isGovernanceKey } from '../../identity/governance-key.ts'
import type { WorkloadIdentity } from '../../identity/workload-identity.ts'
import type { ApiClient } from '../../kubernetes/api-client.ts'
import { startInformer } from '../../kubernetes/informer.ts'
import type { ObjectEvent } from '../../kubernetes/object-store.ts'
import { readObject } from '../../kubernetes/objects.ts'
import { keepingOnly } from '../../kubernetes/resource.ts'
import { namespaces, type Namespace } from '../../kubernetes/workloads.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import { createAskInTurn } from './ask-in-turn.ts'
import { findDrift, type LiveClaim, type NamespaceSource } from './workload-sources.ts'
import { firstList, idleSeconds, staleSecondsOf, type Watched } from './revocation-watch.ts'

/** Of a namespace only its labels of governance are kept. */
const governed = keepingOnly(namespaces, { labels: isGovernanceKey })

/** How long an answer of the API server stands, where the cache says otherwise. */
const answerMilliseconds = 2000
const answersMax = 1000

const gone = 'namespace of the certificate is gone'

/**
 * Follows the labels of namespaces, which prove roles and tenants. What the cache does not prove is asked for before anybody is refused
 * for it: a label may be younger than the cache.
 */
export async function watchNamespaces(options: {
  readonly client: ApiClient
  readonly log: Log
  readonly metrics: Metrics
  /** Milliseconds of a clock that only goes forward. */
  readonly clock?: () => number
  /** How long the start waits for the first list; until it is there nobody is served. Default 10. */
  readonly firstListSeconds?: number
}): Promise<NamespaceSource & Watched & AsyncDisposable> {
  const { client, clock = () => performance.now() } = options
  const listeners = createListeners()
  const changed = listeners.tell
  const asker = createAsker(client, clock)
  const informer = startInformer({
    ...options,
    resource: governed,
    idleSeconds,
    onUnreadable() {
      asker.forgetAll()
      changed()
    },
  })
  informer.onEvent((event) => {
    // Before anybody is told: what is asked for on an event must not be answered with what was asked before it.
    asker.forget(event.object.metadata.name)
    if (mayDrift(event)) changed()
  })
  await firstList(informer, options.firstListSeconds)
  return {
    drift(identity, claim) {
      const cached = informer.get(identity.namespace.name)
      return driftOf(identity, cached, claim) === undefined
        ? undefined
        : asker.ask(identity).then((asked) => driftOf(identity, asked, claim))
    },
    get staleSeconds() {
      return staleSecondsOf(informer)
    },
    condition: (staleSecondsMax) => informer.condition(staleSecondsMax),
    onChange: listeners.onChange,
    async [Symbol.asyncDispose]() {
      await informer[Symbol.asyncDispose]()
      listeners.clear()
    },
  }
}

/** Controllers write to namespaces all the time; of that only the labels of governance matter here. */
function mayDrift({ type, object, old }: ObjectEvent<Namespace>): boolean {
  if (type !== 'modified') return type === 'deleted'
  const { labels } = object.metadata
  // A tenant that it gets now takes those of claims away.
  if (labels[annotationKeys.tenant] !== old?.metadata.labels[annotationKeys.tenant]) return true
  const before = Object.entries(old?.metadata.labels ?? {})
  return before.some(([key, value]) => labels[key] !== value)
}

function driftOf(
  identity: WorkloadIdentity,
  namespace: Namespace | undefined,
  claim: LiveClaim | undefined,
): string | undefined {
  // Under the name of one that is gone there may be another, with other people in it.
  return namespace?.metadata.uid === identity.namespace.uid
    ? findDrift(identity, namespace.metadata.labels, claim)
    : gone
}

interface Asker {
  /** About the namespace of a workload, in the turn of its tenant. */
  ask(identity: WorkloadIdentity): Promise<Namespace | undefined>
  /** It is another now: neither an answer nor a question of before counts any more. */
  forget(name: string): void
  forgetAll(): void
}

/** Asks the API server about namespaces, each at most once at a time, and again when the answer is old. */
function createAsker(client: ApiClient, clock: () => number): Asker {
  const asked = new Map<
    string,
    { readonly answer: Promise<Namespace | undefined>; until: number }
  >()

  const askInTurn = createAskInTurn()

  return {
    ask({ tenant, namespace: { name } }) {
      const known = asked.get(name)
      if (known !== undefined && clock() < known.until) return known.answer
      const answer = askInTurn({ tenant, namespace: name, about: name }, (signal) =>
        readObject(client, governed, { name, signal }),
      )
      const made = { answer, until: Number.POSITIVE_INFINITY }
      if (asked.size >= answersMax) asked.clear()
      asked.set(name, made)
      made.answer.then(
        () => (made.until = clock() + answerMilliseconds),
        () => {
          if (asked.get(name) === made) asked.delete(name)
        },
      )
      return made.answer
    },
    forget: (name) => void asked.delete(name),
    forgetAll: () => asked.clear(),
  }
}
