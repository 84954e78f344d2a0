import type { AuthoritySource } from '../../pki/authority.ts'
import type { Condition } from '../../readiness.ts'

/** Whether there is an authority that can sign now, and until when. */
export function authorityCondition(authorities: AuthoritySource, now: number): Condition {
  const name = 'authority'
  try {
    const { notAfter } = authorities.current()
    const end = notAfter.toISOString()
    if (now > notAfter.getTime())
      return { name, ok: false, reason: `has ended at ${end}: renew the CA` }
    const { problem } = authorities
    const reason = `signs until ${end}, when its path ends`
    if (problem === undefined) return { name, ok: true, reason }
    return { name, ok: true, reason: `${reason}; a newer one is not taken: ${problem.message}` }
  } catch (error) {
    const { message, hint } = error as Error & { readonly hint?: string }
    return { name, ok: false, reason: hint === undefined ? message : `${message}. ${hint}` }
  }
}
