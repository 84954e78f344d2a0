import { CountersignError } from '../errors.ts'
import { certificateBlocks } from '../pki/pem.ts'
import type { Revocable, RevocationSource } from '../pki/revocation.ts'
import { parseX509Svid, type X509Svid } from '../pki/x509-svid.ts'
import type { Kept } from './kept.ts'

/** `unknown`: what is revoked is not known now, so nothing is begun. */
export type RevokedSeen =
  { readonly kind: 'unknown' } | { readonly kind: 'revoked'; readonly by: string }

export interface RevokedOptions {
  readonly revocations?: Pick<RevocationSource, 'find' | 'staleSeconds'> | undefined
  readonly identityExtensionOid?: string | undefined
}

/** As the gateway counts: what is known for longer ago is not known. */
const staleSecondsMax = 60

/**
 * Whether a revocation takes what the Secret has, or had last; and where no key is left, what would be asked for, so that whoever deletes the Secret has
 * brought nothing back. Whoever lifts it has another certificate asked for.
 */
export function lookForRevocation(
  kept: Kept,
  options: RevokedOptions & { readonly next: Revocable },
): RevokedSeen | undefined {
  const { revocations, next } = options
  if (revocations === undefined) return undefined
  if (revocations.staleSeconds > staleSecondsMax) return { kind: 'unknown' }
  const { current, chainPem } = kept
  const found = [current?.credentialBundle, chainPem]
    .map((pem) => pem && revokedBy(pem, options))
    .find((by) => by)
  const by = found ?? (current === undefined ? revocations.find(next)?.name : undefined)
  return by === undefined ? undefined : { kind: 'revoked', by }
}

/** The name of a revocation that takes the first certificate of a text. */
export function revokedBy(
  pem: string,
  { revocations, identityExtensionOid }: RevokedOptions,
): string | undefined {
  const oid = identityExtensionOid === undefined ? {} : { identityExtensionOid }
  const svid = svidOf(pem, oid)
  return svid && revocations?.find(svid)?.name
}

/** Undefined for what is none: it is replaced for other reasons. */
function svidOf(
  pem: string,
  options: { readonly identityExtensionOid?: string },
): X509Svid | undefined {
  try {
    const [leaf] = certificateBlocks(pem)
    return leaf && parseX509Svid(leaf, options)
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    return undefined
  }
}
