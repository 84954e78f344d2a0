import { createListeners } from '../../listeners.ts'
import type { ApiClient } from '../../kubernetes/api-client.ts'
import { startInformer, type Informer } from '../../kubernetes/informer.ts'
import {
  readFields,
  readOptionalFields,
  readOptionalText,
  readOptionalTime,
  readText,
} from '../../kubernetes/read-field.ts'
import {
  keepingOnly,
  readMetadata,
  type KubernetesObject,
  type Resource,
} from '../../kubernetes/resource.ts'
import { revocationKind } from '../../kubernetes/revocation.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import { CountersignError, quoted } from '../../errors.ts'
import {
  createRevocationFinder,
  revocationNames as names,
  type Revocation,
  type RevocationSource,
} from '../../pki/revocation.ts'

type RevocationObject = KubernetesObject & Revocation

const revocationResource: Resource<RevocationObject> = {
  ...revocationKind,
  parse: parseRevocation,
}

/** What ends an identity must not wait for the usual time-out of a watch whose other end is gone. */
export const idleSeconds = 15

/**
 * Follows the Revocations of the cluster. Whom one means that cannot be read nobody knows, so it means everybody: until it is
 * mended or deleted the source is not complete, and nobody is served.
 */
export async function watchRevocations(options: {
  readonly client: ApiClient
  readonly log: Log
  readonly metrics: Metrics
  /** Milliseconds of a clock that only goes forward. */
  readonly clock?: () => number
  /** How long the start waits for the first list; until it is there nobody is served. Default 10. */
  readonly firstListSeconds?: number
}): Promise<RevocationSource & Watched & AsyncDisposable> {
  const listeners = createListeners()
  const changed = listeners.tell
  const informer = startInformer({
    ...options,
    resource: keepingOnly(revocationResource, {}),
    idleSeconds,
    onUnreadable: changed,
  })
  informer.onEvent(changed)
  await firstList(informer, options.firstListSeconds)
  return {
    find: createRevocationFinder(() => informer.list()),
    get staleSeconds() {
      return informer.unreadable.size > 0 ? Number.POSITIVE_INFINITY : staleSecondsOf(informer)
    },
    condition(staleSecondsMax) {
      const condition = informer.condition(staleSecondsMax)
      if (!condition.ok || informer.unreadable.size === 0) return condition
      const reason = `${condition.reason}: nobody is served until they are mended or deleted`
      return { ...condition, ok: false, reason }
    },
    onChange: listeners.onChange,
    async [Symbol.asyncDispose]() {
      await informer[Symbol.asyncDispose]()
      listeners.clear()
    },
  }
}

/** What can be said of a watch on the admin listener. */
export type Watched = Pick<Informer<unknown>, 'condition'>

/** Before the first list nothing is known, however young the watch is. */
export function staleSecondsOf(informer: Informer<unknown>): number {
  return informer.hasSynced ? informer.staleSeconds : Number.POSITIVE_INFINITY
}

/** Resolves when the first list is there, or when it has not come for a while. */
export async function firstList(informer: Informer<unknown>, seconds = 10): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, seconds * 1000)
  })
  try {
    await Promise.race([informer.synced, late])
  } finally {
    clearTimeout(timer)
  }
}

function parseRevocation(raw: unknown): RevocationObject {
  const metadata = readMetadata(raw)
  const spec = readFields(readFields(raw, 'revocation')['spec'], 'spec')
  const podUid = readName(spec['podUID'], 'spec.podUID', names.podUid)
  const tenant = readName(spec['tenant'], 'spec.tenant', names.tenant)
  const issuanceId = readName(spec['issuanceID'], 'spec.issuanceID', names.issuanceId)
  const issuedBefore = readOptionalTime(spec['issuedBefore'], 'spec.issuedBefore')
  const account = readOptionalFields(spec['serviceAccount'], 'spec.serviceAccount')
  const given = {
    ...(podUid === undefined ? {} : { podUid }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(issuanceId === undefined ? {} : { issuanceId }),
    ...(issuedBefore === undefined ? {} : { issuedBefore }),
    ...(Object.keys(account).length === 0 ? {} : { serviceAccount: readAccount(account) }),
  }
  if (Object.keys(given).length === 0) {
    throw new CountersignError('kubernetes/object', 'spec: want=at least one matcher got=none')
  }
  const reason = readOptionalText(spec['reason'], 'spec.reason') ?? ''
  return { metadata, name: metadata.name, reason, ...given }
}

function readAccount(account: Readonly<Record<string, unknown>>): {
  readonly namespace: string
  readonly name: string
} {
  const read = (member: string, isName: (text: string) => boolean): string => {
    const path = `spec.serviceAccount.${member}`
    return checkName(readText(account[member], path), path, isName)
  }
  return {
    namespace: read('namespace', names.namespace),
    name: read('name', names.serviceAccount),
  }
}

function readName(
  value: unknown,
  path: string,
  isName: (text: string) => boolean,
): string | undefined {
  const text = readOptionalText(value, path)
  return text === undefined ? undefined : checkName(text, path, isName)
}

function checkName(text: string, path: string, isName: (text: string) => boolean): string {
  if (isName(text)) return text
  throw new CountersignError('kubernetes/object', `${path}: want=name got=${quoted(text)}`)
}
