import { CountersignError } from '../errors.ts'
import type { Ceiling } from '../identity/ceiling.ts'
import type { TrustDomain } from '../identity/trust-domain.ts'
import type { Bundle } from '../pki/bundle.ts'

/** Another trust domain whose workloads are known here. */
export interface ForeignDomain {
  readonly trustDomain: TrustDomain
  /** The most that any of its workloads may ever be permitted here, whatever their certificates say. */
  readonly ceiling: Ceiling
  /** The number of the identity extension in its certificates. */
  readonly identityExtensionOid?: string | undefined
  /** The anchors of it alone; undefined while they are not known. */
  bundle(): Bundle | undefined
  /** Calls the listener after each change; gives what ends that. */
  onChange(listener: () => void): () => void
}

/** The other trust domains that are known here, each with a bundle of its own: they are never merged (SPIFFE Federation §4.2). */
export interface ForeignDomains {
  /** Undefined for our own, and for any that is not known. */
  of(trustDomain: string): ForeignDomain | undefined
  readonly isEmpty: boolean
  onChange(listener: () => void): () => void
}

/** Our own is none of them, and none is there twice. Throws `federation/bundle`. */
export function createForeignDomains(
  own: TrustDomain,
  domains: readonly ForeignDomain[],
): ForeignDomains {
  const byName = new Map(domains.map((domain) => [String(domain.trustDomain), domain]))
  if (byName.has(own) || byName.size < domains.length) {
    throw new CountersignError(
      'federation/bundle',
      `trust domain has two bundles, want=each once, and not ${own}`,
    )
  }
  return {
    of: (trustDomain) => byName.get(trustDomain),
    isEmpty: domains.length === 0,
    onChange(listener) {
      const stops = domains.map((domain) => domain.onChange(listener))
      return () => {
        for (const stop of stops) stop()
      }
    },
  }
}

/** Nobody but our own. */
export const noForeignDomains: ForeignDomains = {
  of: () => undefined,
  isEmpty: true,
  onChange: () => () => {},
}
