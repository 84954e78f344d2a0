import type { Role } from '../../../src/identity/role.ts'
import type { Bundle } from '../../../src/pki/bundle.ts'
import type { Credential } from '../../../src/pki/credential.ts'
import { createTestAuthority } from '../../support/test-authority.ts'

/** What a test asks of a certificate; everything has a default. */
export interface Wanted {
  readonly serviceAccount?: string
  readonly namespace?: string
  readonly podUid?: string
  readonly role?: Role
  readonly tenant?: string
  readonly toolScopes?: string
  /** The end of its life; an hour from now unless told. */
  readonly notAfter?: Date
}

export interface Identities {
  readonly bundle: Bundle
  issue(wanted?: Wanted): Credential
}

const lifetimeSeconds = 3600

/** The certificates of a gateway's world, by the product's own issuer. */
export function createIdentities(): Identities {
  const authority = createTestAuthority()
  return {
    bundle: authority.bundle,
    issue(wanted = {}) {
      const { serviceAccount = 'agent', namespace = 'agents', notAfter, ...rest } = wanted
      const now = notAfter === undefined ? Date.now() : notAfter.getTime() - lifetimeSeconds * 1000
      return authority.issue({
        namespace,
        serviceAccount,
        podUid: crypto.randomUUID(),
        role: 'agent',
        tenant: 'acme',
        lifetimeSeconds,
        now,
        ...rest,
      }).credential
    },
  }
}
