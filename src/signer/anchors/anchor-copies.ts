import { hash } from 'node:crypto'
import { CountersignError } from '../../errors.ts'
import type { TrustDomain } from '../../identity/trust-domain.ts'
import type { ApiClient } from '../../kubernetes/api-client.ts'
import { ApiError, isNotFound } from '../../kubernetes/api-error.ts'
import { configMaps } from '../../kubernetes/config-map.ts'
import { listPages } from '../../kubernetes/list-pages.ts'
import { mergeObject } from '../../kubernetes/objects.ts'
import { keepingOnly, type KubernetesObject, type Resource } from '../../kubernetes/resource.ts'
import type { Log } from '../../log.ts'
import { anchorsKey } from './anchor-place.ts'

/** By which a ConfigMap asks: for the anchors of which trust domain. */
export const asksForAnnotation = 'countersign.dev/trust-bundle'

/** Between two looks for who asks, while nothing changes. */
const lookSeconds = 15

/** So often one may fail by itself before the others go on without it: whoever may change it could keep it from being written. */
const failuresMax = 3

/** More names than these are no help to anybody. */
const namedMax = 5

/** The anchors in the ConfigMaps that ask for them, one in a namespace, for pods that mount no ClusterTrustBundle. */
export interface AnchorCopies {
  /**
   * Has every ConfigMap that asks say `text`, and writes those alone that do not. Throws while one may be written yet; one that cannot be
   * keeps nobody else waiting, and is told.
   */
  spread(text: string, signal: AbortSignal): Promise<void>
  /** What keeps how many from having it; undefined where all do. */
  problem(): string | undefined
}

interface AskingConfigMap extends KubernetesObject {
  readonly sha256: string
}

/** What a namespace has in it may weigh a mebibyte: of each its digest is kept. */
const asking: Resource<AskingConfigMap> = keepingOnly(
  {
    ...configMaps,
    parse(raw) {
      const { metadata, data } = configMaps.parse(raw)
      return { metadata, sha256: hash('sha256', data[anchorsKey] ?? '') }
    },
  },
  { annotations: (key) => key === asksForAnnotation },
)

export interface AnchorCopiesOptions {
  readonly client: ApiClient
  /** Of all the ConfigMaps. */
  readonly name: string
  readonly trustDomain: TrustDomain
  /** Where the publisher itself writes the one of that name. */
  readonly exceptNamespace?: string | undefined
  readonly log: Log
  /** A clock that only goes forward. */
  readonly steadyNow: () => number
}

/** What a ConfigMap of that name holds is never read as anchors: whoever may write it says what its own pods trust, and nobody else's. */
export function createAnchorCopies(options: AnchorCopiesOptions): AnchorCopies {
  const { name, steadyNow } = options
  let last: { readonly text: string; readonly at: number } | undefined
  let stay: readonly string[] = []
  /** How often in a row each has failed by itself, by namespace. */
  let failed: ReadonlyMap<string, number> = new Map()
  let of = 0
  return {
    problem() {
      if (stay.length === 0) return undefined
      const named = stay.slice(0, namedMax).join('; ')
      return `${stay.length} of ${of} ConfigMaps ${name} that ask do not have the anchors: ${named}`
    },
    async spread(text, signal) {
      if (last?.text === text && steadyNow() - last.at < lookSeconds * 1000) return
      last = undefined
      const at = steadyNow()
      const found = await listAsking(options, signal)
      const sha256 = hash('sha256', text)
      const waits: string[] = []
      const goOn: string[] = []
      const again = new Map<string, number>()
      for (const each of found.filter((one) => one.sha256 !== sha256)) {
        signal.throwIfAborted()
        const error = await write(each, text, options, signal)
        if (error === undefined) continue
        const { namespace = '' } = each.metadata
        const failures = (failed.get(namespace) ?? 0) + (isItsOwn(error) ? 1 : 0)
        again.set(namespace, failures)
        const goesOn = failures >= failuresMax || isInvalid(error)
        const said = goesOn ? goOn : waits
        said.push(`${namespace}: ${error.message}`)
      }
      failed = again
      stay = goOn
      of = found.length
      if (waits.length > 0) {
        const message = `${waits.length} of ${of} ConfigMaps ${name} may not have the anchors yet: ${waits[0]}`
        throw new CountersignError('pki/authority-unavailable', message)
      }
      last = { text, at }
    },
  }
}

async function listAsking(
  options: AnchorCopiesOptions,
  signal: AbortSignal,
): Promise<readonly AskingConfigMap[]> {
  const { client, name, trustDomain, exceptNamespace } = options
  const fieldSelector = `metadata.name=${name}`
  const { readings } = await listPages(client, asking, { fieldSelector, signal })
  return readings
    .flatMap((reading) => ('object' in reading ? [reading.object] : []))
    .filter(({ metadata }) => metadata.annotations[asksForAnnotation] === trustDomain)
    .filter(({ metadata }) => metadata.namespace !== exceptNamespace)
}

/** Undefined where it is written, or is gone; else why it is not. */
async function write(
  { metadata }: AskingConfigMap,
  text: string,
  { client, name, log }: AnchorCopiesOptions,
  signal: AbortSignal,
): Promise<Error | undefined> {
  const { namespace } = metadata
  try {
    const patch = { data: { [anchorsKey]: text } }
    await mergeObject(client, configMaps, { metadata, patch, signal })
    log.info({ namespace, configMap: name }, 'anchors are written')
    return undefined
  } catch (error) {
    if (!(error instanceof Error)) throw error
    if (isNotFound(error)) return undefined
    log.warn({ namespace, configMap: name, error }, 'anchors are not written')
    return error
  }
}

/** The API server takes no such change of it: it is immutable, or full. */
function isInvalid(error: Error): boolean {
  return error instanceof ApiError && error.status === 422
}

/** Answered, and not for want of time: what keeps one from being written may be of its own making. */
function isItsOwn(error: Error): boolean {
  return error instanceof ApiError && error.status !== 429 && error.status !== 401
}
