import { allowsModel } from '../identity/ceiling.ts'
import type { Ceiling } from '../identity/ceiling.ts'
import type { Role } from '../identity/role.ts'
import type { X509Svid } from '../pki/x509-svid.ts'
import type { VerifiedCall } from '../token/verify.ts'

/** Who is calling, after everything was checked. What it names is proved; what it may do is still the tool's to decide. */
export interface VerifiedCaller {
  /** `gateway`: the gateway vouches for the caller with a transaction token. `direct`: the caller's own certificate. */
  readonly via: 'gateway' | 'direct'
  readonly spiffeId: string
  readonly tenant?: string
  readonly role?: Role
  /** The ceiling's models: what it may be allowed at most. */
  readonly models: readonly string[]
  /** The ceiling's tool scopes. */
  readonly toolScopes: readonly string[]
  /** The gateway's decision id, the same as in its decision log. */
  readonly transactionId?: string
  /** Whether the caller's certificate covers this model. */
  allowsModel(model: string): boolean
}

/** The caller that a transaction token names. */
export function callerOf(call: VerifiedCall): VerifiedCaller {
  const { spiffeId, tenant, role, ceiling } = call.caller
  return {
    ...describe({ spiffeId: spiffeId.uri, tenant, role, ceiling }),
    via: 'gateway',
    transactionId: call.transactionId,
  }
}

/** The peer itself, by its own certificate. A peer without our extension has no ceiling: none of anything. */
export function directCaller(peer: X509Svid): VerifiedCaller {
  const { tenant, role, ceiling } = peer.identity ?? {}
  return { ...describe({ spiffeId: peer.spiffeId.uri, tenant, role, ceiling }), via: 'direct' }
}

function describe(caller: {
  readonly spiffeId: string
  readonly tenant: string | undefined
  readonly role: Role | undefined
  readonly ceiling: Ceiling | undefined
}): Omit<VerifiedCaller, 'via'> {
  const { spiffeId, tenant, role, ceiling } = caller
  return {
    spiffeId,
    ...(tenant === undefined ? {} : { tenant }),
    ...(role === undefined ? {} : { role }),
    models: ceiling?.models ?? [],
    toolScopes: ceiling?.toolScopes.map((scope) => scope.text) ?? [],
    allowsModel: (model) => ceiling !== undefined && allowsModel(ceiling, model),
  }
}
