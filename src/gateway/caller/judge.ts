import { CountersignError } from '../../errors.ts'
import type { ForeignDomains } from '../../federation/foreign-domains.ts'
import type { Bundle, BundleSource } from '../../pki/bundle.ts'
import { verifyX509Svid, type X509Svid } from '../../pki/x509-svid.ts'
import { identityRefusal, unavailable, type Refusal } from '../refusal.ts'
import { whenThere, type Soon } from '../soon.ts'
import type { WorkloadIdentity } from '../../identity/workload-identity.ts'
import type { Caller, Shown } from './caller.ts'
import {
  findRevocation,
  revocableCa,
  type Revocable,
  type RevocationSource,
} from '../../pki/revocation.ts'
import type { NamespaceSource, PodSource } from './workload-sources.ts'

export interface JudgeOptions {
  readonly trustBundle: BundleSource
  readonly foreign?: ForeignDomains | undefined
  readonly revocations: RevocationSource
  readonly pods: PodSource
  readonly namespaces: NamespaceSource
  /** How long these may be out of touch with the cluster before nobody is served. */
  readonly staleSecondsMax: number
  readonly now: () => number
}

/** What a judge says; a promise only where a pod or a namespace must be asked for. */
export type Judgement = Soon<Refusal | undefined>

/** Judges whether the trust domain that a certificate names stands behind it at this moment: until it does, whatever it says is anybody's to say. */
export function createTrustJudge({
  trustBundle,
  now,
}: Pick<JudgeOptions, 'trustBundle' | 'now'>): (shown: Shown) => Refusal | undefined {
  return (shown) => {
    const { svid, foreign } = shown
    if (now() >= svid.notAfter.getTime()) return identityRefusal('certificate has expired')
    const bundle = foreign === undefined ? trustBundle.current() : foreign.bundle()
    return verifyWith(shown, bundle, now())
  }
}

/** Judges a caller at this moment: validity, trust, revocation, its pod, its namespace. What cannot be known is refused. */
export function createJudge(options: JudgeOptions): (caller: Caller) => Judgement {
  const judgeTrust = createTrustJudge(options)
  return (caller) => {
    const untrusted = judgeTrust(caller)
    if (untrusted !== undefined) return untrusted
    return revokedBy(options, caller) ?? judgeSources(options) ?? judgeWorkload(caller, options)
  }
}

/** Judges whether a caller is no more that need not be connected: by then its pod may have another certificate and another bundle. */
export function createAbsentJudge(
  options: Pick<JudgeOptions, 'revocations' | 'pods' | 'namespaces' | 'now'>,
): (caller: Caller) => Judgement {
  return (caller) =>
    judgeWithdrawn(caller, options.now()) ??
    revokedBy(options, caller) ??
    judgeWorkload(caller, options)
}

/**
 * Judges whether another trust domain still stands for a certificate that was shown before, whose own end says nothing: nobody here knows
 * its pods, so its anchors alone tell that it is no more. Of one of ours it says nothing.
 */
export function judgeWithdrawn(shown: Shown, now: number): Refusal | undefined {
  const { foreign, svid } = shown
  if (foreign === undefined) return undefined
  return verifyWith(shown, foreign.bundle(), Math.min(now, svid.notAfter.getTime() - 1))
}

function revokedBy(
  { revocations }: Pick<JudgeOptions, 'revocations'>,
  { svid, above }: Pick<Shown, 'svid' | 'above'>,
): Refusal | undefined {
  const revocation = findRevocation(revocations, svid, above)
  if (revocation !== undefined) {
    return identityRefusal('certificate is revoked', `revocation ${revocation.name}`)
  }
  return undefined
}

/** Whether a tool server's certificate still counts, beyond what it says itself: why not, if not. */
export type ServerJudge = (svid: X509Svid, above?: readonly Revocable[]) => Soon<string | undefined>

/**
 * Judges a tool server as a caller is: by revocations, its pod and its namespace. Without our extension it names neither. While what
 * is known is too old no caller is served, so nobody is harmed by a server that stays connected.
 */
export function createServerJudge(
  options: Pick<JudgeOptions, 'revocations' | 'pods' | 'namespaces'>,
): ServerJudge {
  const { revocations } = options
  return (svid, above = []) => {
    const { identity } = svid
    const found = findRevocation(revocations, svid, above)
    if (found !== undefined) return `certificate is revoked: revocation ${found.name}`
    if (identity === undefined) return undefined
    return whenThere(judgeWorkload({ identity }, options), (refusal) => refusal?.message)
  }
}

const sources = ['revocations', 'pods', 'namespaces'] as const

/** Whether all that is watched is known well enough to serve anybody. */
export function judgeSources(
  options: Pick<JudgeOptions, (typeof sources)[number] | 'staleSecondsMax'>,
): Refusal | undefined {
  for (const source of sources) {
    if (options[source].staleSeconds > options.staleSecondsMax) {
      return unavailable(503, `${source} are not known`, { detail: 'watch is stale' })
    }
  }
  return undefined
}

/** Whether a workload's pod still runs, and its namespace still proves what its certificate says; of another trust domain's nobody here knows. */
function judgeWorkload(
  {
    identity,
    foreign,
  }: { readonly identity: WorkloadIdentity; readonly foreign?: Caller['foreign'] },
  { pods, namespaces }: Pick<JudgeOptions, 'pods' | 'namespaces'>,
): Judgement {
  if (foreign !== undefined) return undefined
  const { pod, namespace, tenant } = identity
  const alive = pods.alive(pod.uid, namespace.name, pod.name, tenant)
  if (alive === false) return podGone
  const drift = namespaces.drift(identity)
  return alive === true && !(drift instanceof Promise)
    ? drifted(drift)
    : askedWorkload(alive, drift)
}

function drifted(drift: string | undefined): Refusal | undefined {
  return drift === undefined ? undefined : identityRefusal(drift)
}

async function askedWorkload(
  alive: Soon<boolean>,
  drift: Soon<string | undefined>,
): Promise<Refusal | undefined> {
  const [lives, drifts] = await Promise.allSettled([alive, drift])
  if (lives.status === 'rejected') return notKnown('pods', lives.reason)
  if (!lives.value) return podGone
  return drifts.status === 'rejected'
    ? notKnown('namespaces', drifts.reason)
    : drifted(drifts.value)
}

function notKnown(source: (typeof sources)[number], why: unknown): Refusal {
  return unavailable(503, `${source} are not known`, { detail: String(why) })
}

const bundleNotKnown: Refusal = identityRefusal(
  'certificate is not trusted',
  'the bundle of its trust domain is not known',
)
const podGone: Refusal = identityRefusal('pod of the certificate is gone')

function verifyWith(shown: Shown, bundle: Bundle | undefined, now: number): Refusal | undefined {
  if (bundle === undefined) return bundleNotKnown
  if (shown.verifiedWith === bundle) return undefined
  try {
    const { intermediates } = shown
    shown.above = verifyX509Svid(shown.svid, { bundle, intermediates, now }).map(revocableCa)
    shown.verifiedWith = bundle
    return undefined
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    return identityRefusal('certificate is not trusted', error.message)
  }
}
