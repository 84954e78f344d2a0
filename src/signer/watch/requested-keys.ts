import type { Informer } from '../../kubernetes/informer.ts'
import type { PodCertificateRequest } from '../../kubernetes/pod-certificate-request.ts'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import { rememberIssued } from '../issue/history.ts'
import type { KeyHistory } from '../issue/key-history.ts'
import { askedKeySha256, holderUid } from '../verdict/asked-key.ts'

export interface RequestedKeysOptions {
  /** Of every way in which certificates are asked for. */
  readonly requests: readonly Pick<Informer<PodCertificateRequest>, 'list' | 'onEvent'>[]
  readonly keys: KeyHistory
  /** A certificate whose end is not told lives no longer. */
  readonly lifetimeSecondsMax: number
  readonly now: () => number
  readonly log: Log
  readonly metrics: Metrics
}

/**
 * The keys of all requests that the API server shows, whichever replica answers them. A watch tells of requests in the order in which they
 * were made, so whoever sees one has seen each that was made before: of two for one key at most one is signed, also while replicas disagree
 * about who is whose.
 */
export interface RequestedKeys extends Disposable {
  /** What a request falls to a replica by: its key, so that all requests for one key fall to one; its UID where no key can be read. */
  readonly shareOf: (request: PodCertificateRequest) => string
  /** `<namespace>/<name>` of a request for the same key that was made before for somebody else, and is not answered yet. */
  readonly earlier: (request: PodCertificateRequest) => string | undefined
}

interface Asked {
  readonly name: string
  readonly sha256: string
  readonly holder: string
  /** The resource version at which it was seen first: that of its creation, unless it came in a list. */
  readonly version: string
  readonly isIssued: boolean
}

export function followRequestedKeys(options: RequestedKeysOptions): RequestedKeys {
  /** By the request's UID, of every request that is there and was not refused. */
  const asked = new Map<string, Asked>()
  /** By the key: UIDs of requests that nobody has answered. */
  const pending = new Map<string, Set<string>>()
  const drop = (uid: string): void => {
    const sha256 = asked.get(uid)?.sha256
    asked.delete(uid)
    if (sha256 === undefined) return
    const uids = pending.get(sha256)
    uids?.delete(uid)
    if (uids?.size === 0) pending.delete(sha256)
  }
  const see = (request: PodCertificateRequest): void => {
    const { metadata, status } = request
    const { uid, namespace, name, resourceVersion } = metadata
    const known = asked.get(uid)
    if (known?.isIssued === true) return
    const sha256 = known?.sha256 ?? askedKeySha256(request)
    const condition = status.terminal?.condition
    drop(uid)
    if (sha256 === undefined || (condition !== undefined && condition !== 'Issued')) return
    const isIssued = condition === 'Issued'
    const version = known?.version ?? resourceVersion
    const holder = holderUid(request)
    asked.set(uid, { name: `${namespace}/${name}`, sha256, holder, version, isIssued })
    if (isIssued) return rememberAnswered(options, request, { sha256, holder })
    pending.set(sha256, (pending.get(sha256) ?? new Set()).add(uid))
  }
  const stop = options.requests.map((requests) =>
    requests.onEvent(({ type, object }) => {
      if (type === 'deleted') drop(object.metadata.uid)
      else see(object)
    }),
  )
  for (const requests of options.requests) for (const request of requests.list()) see(request)
  return {
    shareOf: ({ metadata: { uid } }) => asked.get(uid)?.sha256 ?? uid,
    earlier(request) {
      const { uid } = request.metadata
      const own = asked.get(uid)
      if (own === undefined) return undefined
      // A pod that asks by itself makes a key for each request.
      const isOwn = (other: Asked): boolean =>
        request.stated === undefined && other.holder === own.holder
      for (const each of pending.get(own.sha256) ?? []) {
        const other = asked.get(each)
        if (each === uid || other === undefined || isOwn(other)) continue
        if (isBefore(other.version, own.version)) return other.name
      }
      return undefined
    },
    [Symbol.dispose]() {
      for (const each of stop) each()
    },
  }
}

/** Resource versions are decimal numbers that grow (KEP-5504). */
function isBefore(left: string, right: string): boolean {
  return left.length === right.length ? left < right : left.length < right.length
}

/** By whichever replica: what it may be used for is the same. */
function rememberAnswered(
  { keys, lifetimeSecondsMax, now, log, metrics }: RequestedKeysOptions,
  { metadata, status, stated }: PodCertificateRequest,
  { sha256, holder }: { readonly sha256: string; readonly holder: string },
): void {
  const { namespace, name, uid } = metadata
  const requestUid = stated === undefined ? '' : uid
  const endsAt = status.notAfter?.getTime() ?? now() + lifetimeSecondsMax * 1000
  const first = keys.ownerOf(sha256)
  rememberIssued(keys, sha256, { podUid: holder, requestUid, endsAt })
  if (first === undefined || first === holder) return
  metrics.count('countersign_signer_errors_total', { code: 'signer/key-of-two-pods' })
  log.error(
    { namespace, request: name, podUid: holder, firstPodUid: first, spkiSha256: sha256 },
    'a key was certified for two pods: it was copied',
  )
}
