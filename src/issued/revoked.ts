import { CountersignError } from '../errors.ts'
import { certificateBlocks } from '../pki/pem.ts'
import type { RevocationSource } from '../pki/revocation.ts'
import { parseX509Svid, type X509Svid } from '../pki/x509-svid.ts'
import type { Kept } from './kept.ts'

/** `unknown`: what is revoked is not known now, so nothing is begun. */
export type RevokedSeen =
  { readonly kind: 'unknown' } | { readonly kind: 'revoked'; readonly by: string }

/** As the gateway counts: what is known for longer ago is not known. */
const staleSecondsMax = 60

/** Whether a revocation takes what the Secret has, or had last. Whoever lifts it has another certificate asked for. */
export function lookForRevocation(
  kept: Kept,
  options: {
    readonly revocations?: Pick<RevocationSource, 'find' | 'staleSeconds'> | undefined
    readonly identityExtensionOid?: string | undefined
  },
): RevokedSeen | undefined {
  const { revocations, identityExtensionOid } = options
  if (revocations === undefined) return undefined
  if (revocations.staleSeconds > staleSecondsMax) return { kind: 'unknown' }
  const oid = identityExtensionOid === undefined ? {} : { identityExtensionOid }
  for (const pem of [kept.current?.credentialBundle, kept.chainPem]) {
    const svid = pem === undefined ? undefined : svidOf(pem, oid)
    const found = svid && revocations.find(svid)
    if (found !== undefined) return { kind: 'revoked', by: found.name }
  }
  return undefined
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
