import { CountersignError } from '../../errors.ts'
import type { Bundle, BundleSource } from '../../pki/bundle.ts'
import { verifyX509Svid, type X509Svid } from '../../pki/x509-svid.ts'
import { identityRefusal, unavailable, type Refusal, type Soon } from '../refusal.ts'
import type { Caller } from './caller.ts'
import type { PodSource, RevocationSource } from './revocation.ts'

export interface JudgeOptions {
  readonly trustBundle: BundleSource
  readonly revocations: RevocationSource
  readonly pods: PodSource
  /** How long revocations and pods may be out of touch with the cluster before nobody is served. */
  readonly staleSecondsMax: number
  readonly now: () => number
}

/** What a judge says; a promise only when a pod must be asked for. */
export type Judgement = Soon<Refusal | undefined>

/** Judges a caller at this moment: validity, trust, revocation, its pod. What cannot be known is refused. */
export function createJudge(options: JudgeOptions): (caller: Caller) => Judgement {
  const { trustBundle, revocations, pods, now } = options
  return (caller) => {
    const { svid, identity } = caller
    if (now() >= svid.notAfter.getTime()) return identityRefusal('certificate has expired')
    const untrusted = verifyWith(caller, trustBundle.current(), now())
    if (untrusted !== undefined) return untrusted
    const revocation = revocations.find(svid)
    if (revocation !== undefined) {
      return identityRefusal('certificate is revoked', `revocation ${revocation.name}`)
    }
    const unknown = judgeSources(options)
    if (unknown !== undefined) return unknown
    const alive = pods.alive(identity.pod.uid, identity.namespace.name, identity.pod.name)
    if (alive === true) return undefined
    return alive === false ? podGone : askedPod(alive)
  }
}

/** Whether a tool server's certificate still counts, beyond what it says itself: why not, if not. */
export type ServerJudge = (svid: X509Svid) => Soon<string | undefined>

/**
 * Judges a tool server as a caller is: by revocations, and by its pod. Without our extension it names no pod. While revocations and
 * pods are too old no caller is served, so nobody is harmed by a server that stays connected.
 */
export function createServerJudge({
  revocations,
  pods,
}: Pick<JudgeOptions, 'revocations' | 'pods'>): ServerJudge {
  return (svid) => {
    const { identity } = svid
    const found = revocations.find(svid)
    if (found !== undefined) return `certificate is revoked: revocation ${found.name}`
    if (identity === undefined) return undefined
    const { pod, namespace } = identity
    const alive = pods.alive(pod.uid, namespace.name, pod.name)
    if (typeof alive === 'boolean') return alive ? undefined : podGone.message
    return askedPod(alive).then((refusal) => refusal?.message)
  }
}

/** Whether revocations and pods are known well enough to serve anybody. */
export function judgeSources(
  options: Pick<JudgeOptions, 'revocations' | 'pods' | 'staleSecondsMax'>,
): Refusal | undefined {
  const { revocations, pods, staleSecondsMax } = options
  if (revocations.staleSeconds > staleSecondsMax) {
    return unavailable(503, 'revocations are not known', { detail: 'watch is stale' })
  }
  if (pods.staleSeconds > staleSecondsMax) {
    return unavailable(503, 'pods are not known', { detail: 'watch is stale' })
  }
  return undefined
}

const podGone: Refusal = identityRefusal('pod of the certificate is gone')

async function askedPod(alive: Promise<boolean>): Promise<Refusal | undefined> {
  try {
    return (await alive) ? undefined : podGone
  } catch (error) {
    return unavailable(503, 'pods are not known', { detail: String(error) })
  }
}

function verifyWith(caller: Caller, bundle: Bundle, now: number): Refusal | undefined {
  if (caller.verifiedWith === bundle) return undefined
  try {
    verifyX509Svid(caller.svid, { bundle, intermediates: caller.intermediates, now })
    caller.verifiedWith = bundle
    return undefined
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    return identityRefusal('certificate is not trusted', error.message)
  }
}
