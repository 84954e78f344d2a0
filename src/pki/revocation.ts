import { isDnsLabel, isDnsSubdomain, isLowerCaseLabelValue } from '../identity/kubernetes-name.ts'
import type { CaCertificate } from './ca-certificate.ts'

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

/** What of a certificate tells whether a revocation takes it. */
export interface Revocable {
  readonly notBefore: Date
  readonly identity:
    | {
        readonly pod: { readonly uid: string }
        readonly namespace: { readonly name: string }
        readonly serviceAccount: { readonly name: string }
        readonly tenant?: string | undefined
        readonly issuanceId: string
      }
    | undefined
  /** Of a CA, which has no identity: its serial number. */
  readonly issuanceId?: string
}

/**
 * A CA, as a revocation names it: by the issuance alone that its serial number is. It has a name of nobody, and its age ends nothing: what
 * ends all that was issued before a time means leaves.
 */
export function revocableCa({ certificate }: CaCertificate): Revocable {
  return revocableById(certificate.serialNumber.toString('hex'))
}

/** A CA of which no more is known. */
export function revocableById(issuanceId: string): Revocable {
  return { notBefore: new Date(8.64e15), identity: undefined, issuanceId }
}

/** The revocation that takes a certificate, or one of the CAs between it and its anchor. */
export function findRevocation(
  revocations: Pick<RevocationSource, 'find'>,
  svid: Revocable,
  above: readonly Revocable[],
): Revocation | undefined {
  const found = revocations.find(svid)
  if (found !== undefined || above.length === 0) return found
  return above.map((ca) => revocations.find(ca)).find((each) => each !== undefined)
}

/** The revocations in force. */
export interface RevocationSource {
  find(svid: Revocable): Revocation | undefined
  /** Seconds since the source was last known to be complete; 0 while it is. */
  readonly staleSeconds: number
  onChange(listener: () => void): () => void
}

/** Whether the revocation takes this certificate. One without an identity extension has no pod, tenant or issuance to match. */
export function matchRevocation(revocation: Revocation, svid: Revocable): boolean {
  const { podUid, serviceAccount, tenant, issuanceId, issuedBefore } = revocation
  const { identity } = svid
  const given = [podUid, serviceAccount, tenant, issuanceId, issuedBefore]
  if (given.every((field) => field === undefined)) return false
  if (podUid !== undefined && identity?.pod.uid !== podUid) return false
  if (issuanceId !== undefined && (identity ?? svid).issuanceId !== issuanceId) return false
  if (tenant !== undefined && identity?.tenant !== tenant) return false
  if (serviceAccount !== undefined) {
    if (identity?.namespace.name !== serviceAccount.namespace) return false
    if (identity.serviceAccount.name !== serviceAccount.name) return false
  }
  return issuedBefore === undefined || svid.notBefore.getTime() < issuedBefore.getTime()
}

/** Finds the first that takes a certificate, in the order of the list. */
export type FindRevocation = (svid: Revocable) => Revocation | undefined

/**
 * Looks through a list that its owner replaces as a whole. It is asked with every call, so those that name somebody are looked up by
 * that name, however many there are; the index is made anew when the list is another one.
 */
export function createRevocationFinder(current: () => readonly Revocation[]): FindRevocation {
  let indexed: { readonly list: readonly Revocation[]; readonly find: FindRevocation } | undefined
  return (svid) => {
    const list = current()
    if (indexed?.list !== list) indexed = { list, find: indexRevocations(list) }
    return indexed.find(svid)
  }
}

interface Placed {
  readonly place: number
  readonly revocation: Revocation
}

function indexRevocations(revocations: readonly Revocation[]): FindRevocation {
  const byName = new Map<string, Placed[]>()
  for (const [place, revocation] of revocations.entries()) {
    const name = nameIn(revocation)
    const known = byName.get(name)
    if (known === undefined) byName.set(name, [{ place, revocation }])
    else known.push({ place, revocation })
  }
  return (svid) => {
    let first: Placed | undefined
    for (const name of namesOf(svid)) {
      const found = byName.get(name)?.find(({ revocation }) => matchRevocation(revocation, svid))
      if (found !== undefined && found.place < (first?.place ?? Infinity)) first = found
    }
    return first?.revocation
  }
}

/** Anybody may be meant. */
const anybody = ''

/** One of those that a certificate has to have; the rest is for `matchRevocation`. */
function nameIn({ podUid, issuanceId, serviceAccount, tenant }: Revocation): string {
  if (podUid !== undefined) return `pod ${podUid}`
  if (issuanceId !== undefined) return `issuance ${issuanceId}`
  if (serviceAccount !== undefined)
    return accountName(serviceAccount.namespace, serviceAccount.name)
  return tenant === undefined ? anybody : `tenant ${tenant}`
}

function namesOf({ identity, issuanceId: ofCa }: Revocable): readonly string[] {
  if (identity === undefined) return ofCa === undefined ? [anybody] : [anybody, `issuance ${ofCa}`]
  const { pod, issuanceId, namespace, serviceAccount, tenant } = identity
  return [
    anybody,
    `pod ${pod.uid}`,
    `issuance ${issuanceId}`,
    accountName(namespace.name, serviceAccount.name),
    `tenant ${tenant}`,
  ]
}

function accountName(namespace: string, name: string): string {
  return `account ${namespace}/${name}`
}
