import type { Gateway } from '../../gateway/gateway.ts'
import type { BundleSource } from '../../pki/bundle.ts'
import type { CredentialSource } from '../../pki/credential.ts'
import type { Condition } from '../../readiness.ts'

type State = Omit<Condition, 'name'>

/** Files that another program writes: what they hold last may not be what is in force. */
interface Followed {
  readonly problem: Error | undefined
}

export function credentialState(source: CredentialSource & Followed, now: number): State {
  try {
    const { spiffeId, notAfter } = source.current().svid
    const end = notAfter.toISOString()
    if (now >= notAfter.getTime()) {
      return {
        ok: false,
        reason: `ended at ${end}: kubelet has not renewed it, see the pod's events`,
      }
    }
    return { ok: true, reason: `${spiffeId.uri}, valid until ${end}${laterProblem(source)}` }
  } catch (error) {
    return notThere(error, 'the pod needs a volume with a podCertificate source')
  }
}

export function trustBundleState(source: BundleSource & Followed, now: number): State {
  try {
    const { anchors } = source.current()
    const last = Math.max(...anchors.map(({ notAfter }) => notAfter.getTime()))
    const end = new Date(last).toISOString()
    if (now >= last) return { ok: false, reason: `its last anchor has ended at ${end}` }
    const count = anchors.length === 1 ? 'one anchor' : `${anchors.length} anchors`
    return { ok: true, reason: `${count}, the last one ends ${end}${laterProblem(source)}` }
  } catch (error) {
    return notThere(error, 'the pod needs a volume with a clusterTrustBundle source')
  }
}

export function listenState(
  gateway: Gateway | undefined,
  sources: readonly { readonly current: () => unknown }[],
): State {
  if (gateway !== undefined) return { ok: true, reason: gateway.url }
  const reason = sources.every(isThere)
    ? 'the MCP port is being opened'
    : 'the MCP port opens when credential and trust bundle are there: TLS needs both'
  return { ok: false, reason }
}

export function drainingState(gateway: Gateway | undefined): State {
  if (gateway?.draining !== true) return { ok: true, reason: 'not told to end' }
  return { ok: false, reason: 'told to end, calls are still served' }
}

/** Whether the source has anything yet. */
export function isThere(source: { readonly current: () => unknown }): boolean {
  try {
    source.current()
    return true
  } catch {
    return false
  }
}

function notThere(error: unknown, hint: string): State {
  const why = error instanceof Error ? error.message : String(error)
  return { ok: false, reason: `awaited: ${why}. In a cluster ${hint}` }
}

function laterProblem({ problem }: Followed): string {
  return problem === undefined ? '' : `; what is there now is not taken: ${problem.message}`
}
