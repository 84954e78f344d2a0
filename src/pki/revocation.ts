import { isDnsLabel, isDnsSubdomain, isLowerCaseLabelValue } from '../identity/kubernetes-name.ts'
import type { X509Svid } from './x509-svid.ts'

/** Which certificates are no longer accepted. Every field that is given must match; at least one is. */
export interface Revocation {
  readonly name: string
  readonly podUid?: string
  readonly serviceAccount?: { readonly namespace: string; readonly name: string }
  readonly tenant?: string
  readonly issuanceId?: string
  /** Certificates whose notBefore is earlier. */
  readonly issuedBefore?: Date
  readonly reason: string
}

/**
 * What is no such name is in no certificate: a matcher that never fits looks like a revocation and is none. The schema says the same,
 * but a cluster may have an older one than its reader.
 */
export const revocationNames: Readonly<
  Record<
    'podUid' | 'tenant' | 'issuanceId' | 'namespace' | 'serviceAccount',
    (text: string) => boolean
  >
> = {
  podUid: (text) => /^[a-z0-9][a-z0-9-]{0,127}$/.test(text),
  tenant: isLowerCaseLabelValue,
  issuanceId: (text) => /^[0-9a-f]{32}$/.test(text),
  namespace: isDnsLabel,
  serviceAccount: isDnsSubdomain,
}

/** The revocations in force. */
export interface RevocationSource {
  find(svid: X509Svid): Revocation | undefined
  /** Seconds since the source was last known to be complete; 0 while it is. */
  readonly staleSeconds: number
  onChange(listener: () => void): () => void
}

/** Whether the revocation takes this certificate. One without an identity extension has no pod, tenant or issuance to match. */
export function matchRevocation(revocation: Revocation, svid: X509Svid): boolean {
  const { podUid, serviceAccount, tenant, issuanceId, issuedBefore } = revocation
  const { identity } = svid
  const given = [podUid, serviceAccount, tenant, issuanceId, issuedBefore]
  if (given.every((field) => field === undefined)) return false
  if (podUid !== undefined && identity?.pod.uid !== podUid) return false
  if (issuanceId !== undefined && identity?.issuanceId !== issuanceId) return false
  if (tenant !== undefined && identity?.tenant !== tenant) return false
  if (serviceAccount !== undefined) {
    if (identity?.namespace.name !== serviceAccount.namespace) return false
    if (identity.serviceAccount.name !== serviceAccount.name) return false
  }
  return issuedBefore === undefined || svid.notBefore.getTime() < issuedBefore.getTime()
}

/** A source over a list that its owner replaces: the first match in order of name. */
export function findRevocation(
  revocations: Iterable<Revocation>,
  svid: X509Svid,
): Revocation | undefined {
  for (const revocation of revocations) {
    if (matchRevocation(revocation, svid)) return revocation
  }
  return undefined
}
