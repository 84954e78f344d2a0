import { CountersignError, cut } from '../errors.ts'
import { ApiError } from '../kubernetes/api-error.ts'
import type { ApiClient } from '../kubernetes/api-client.ts'
import { evictPod } from '../kubernetes/eviction.ts'
import type { IssuedCertificate } from '../kubernetes/issued-certificate.ts'
import { listPages } from '../kubernetes/list-pages.ts'
import { readObject } from '../kubernetes/objects.ts'
import { podControllers } from '../kubernetes/pod-controller.ts'
import { keepingOnly } from '../kubernetes/resource.ts'
import { servingPods, type ServingPod } from '../kubernetes/serving-pod.ts'
import { chooseBounce, seeBounce, type Bounce, type BounceSeen, type Chosen } from './bounce.ts'

export interface RestartOptions {
  readonly client: ApiClient
  /** Whether pods may be evicted at all. */
  readonly bouncePods: boolean
}

/** What is to be done next with the pods of an issuance; undefined where nothing is left. */
export async function lookAtBounce(
  { client, bouncePods }: RestartOptions,
  { metadata: { namespace }, spec: { podsToBounce: selectors } }: IssuedCertificate,
  { bounce, signal }: { readonly bounce: Bounce | undefined; readonly signal: AbortSignal },
): Promise<BounceSeen | undefined> {
  if (bounce === undefined || selectors.length === 0) return undefined
  if (!bouncePods) {
    const why =
      'podsToBounce: no pod is restarted: want=bouncePods in the configuration of the agent'
    return { kind: 'stuck', why, left: undefined }
  }
  try {
    const pods = await readablePods(client, { namespace, signal })
    if (bounce === 'due') return chooseBounce(selectors, pods)
    const wanted = await wantedOf(client, bounce, { namespace, signal })
    return seeBounce(bounce, { selectors, pods, wanted })
  } catch (error) {
    if (signal.aborted || !(error instanceof CountersignError)) throw error
    // The next certificate does not wait for whoever cannot look at pods.
    const why = `pods cannot be looked at: ${cut(error.message, refusalCharactersMax)}`
    return { kind: 'wait', why, left: undefined }
  }
}

/** By labels they are chosen. */
const podsByLabels = keepingOnly(servingPods, { labels: () => true })

/** Whoever may create a pod can make one that is too large to be read: it keeps no other from being restarted, and is missing where it counts. */
async function readablePods(
  client: ApiClient,
  where: { readonly namespace: string | undefined; readonly signal: AbortSignal },
): Promise<readonly ServingPod[]> {
  const { readings } = await listPages(client, podsByLabels, where)
  return readings.flatMap((reading) => ('object' in reading ? [reading.object] : []))
}

async function wantedOf(
  client: ApiClient,
  chosen: readonly Chosen[],
  where: { readonly namespace: string | undefined; readonly signal: AbortSignal },
): Promise<ReadonlyMap<string, number>> {
  const wanted = new Map<string, number>()
  for (const { controller } of chosen) {
    if (controller === undefined) continue
    const { kind, name, uid } = controller
    // A pod says what its controller is, in whatever words.
    const resource = Object.hasOwn(podControllers, kind) ? podControllers[kind] : undefined
    if (resource === undefined) continue
    const found = await readObject(client, resource, { ...where, name })
    if (found?.metadata.uid === uid) wanted.set(uid, found.wanted)
  }
  return wanted
}

/** Whatever an API server asks for. */
const afterSecondsMax = 60
const refusalCharactersMax = 1024

export type Eviction =
  'evicted' | 'changed' | { readonly refused: string; readonly afterSeconds: number }

/** One eviction after the other, whatever they are for: what was seen before somebody else's is looked at again. */
export function createRestart(options: RestartOptions): (
  certificate: IssuedCertificate,
  asked: {
    readonly bounce: Bounce | undefined
    readonly uid: string
    readonly signal: AbortSignal
  },
) => Promise<Eviction> {
  let last: Promise<unknown> = Promise.resolve()
  return (certificate, asked) => {
    const { uid, signal } = asked
    const turn = async (): Promise<Eviction> => {
      const seen = await lookAtBounce(options, certificate, asked)
      if (seen?.kind !== 'evict' || seen.pod.uid !== uid) return 'changed'
      try {
        await evictPod(options.client, seen.pod, signal)
        return 'evicted'
      } catch (error) {
        if (!(error instanceof ApiError)) throw error
        // It is gone, or it is another one: the next look tells.
        if (error.status === 404 || error.status === 409) return 'changed'
        const { name } = seen.pod
        const why = cut(error.message, refusalCharactersMax)
        const refused = `podsToBounce: pod ${name} may not be evicted: ${why}`
        return { refused, afterSeconds: Math.min(error.retryAfterSeconds ?? 0, afterSecondsMax) }
      }
    }
    const done = last.then(turn, turn)
    last = done
    return done
  }
}
