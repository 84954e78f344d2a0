import type { FieldRequirement } from './selector.ts'
import type { User } from './user.ts'

/** What authorization judges about a request for a resource. */
export interface Attributes {
  readonly user: User
  readonly verb: string
  readonly group: string
  readonly resource: string
  readonly subresource?: string
  /** '' for the whole cluster. */
  readonly namespace: string
  readonly name: string
  readonly fieldRequirements?: readonly FieldRequirement[]
}

/** Allowed, or not and why, if there is more to say than "no rule allows it". */
export interface Decision {
  readonly allowed: boolean
  readonly reason: string
}

export type Authorize = (attributes: Attributes) => Decision

/** `sign`, `attest`, `approve` are rights on a signer's name or on its whole domain (`example.com/*`). */
export function mayActForSigner(options: {
  readonly authorize: Authorize
  readonly user: User
  readonly verb: 'sign' | 'attest' | 'approve'
  readonly signerName: string
}): boolean {
  const [domain = ''] = options.signerName.split('/')
  return [options.signerName, `${domain}/*`].some(
    (name) =>
      options.authorize({
        user: options.user,
        verb: options.verb,
        group: 'certificates.k8s.io',
        resource: 'signers',
        namespace: '',
        name,
      }).allowed,
  )
}
