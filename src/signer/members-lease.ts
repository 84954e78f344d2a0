import type { LeasePlace } from './anchors/trust-bundle.ts'

/** Beside the Lease of the trust bundle, and not in it: that one is taken from whoever lets it stand unchanged. */
export function membersLease({ namespace, name }: LeasePlace): LeasePlace {
  return { namespace, name: `${name}-members` }
}
