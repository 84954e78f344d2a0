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
  readonly claimUid?: string
  readonly toolScopes?: string
  readonly dnsNames?: readonly string[]
  readonly lifetimeSeconds?: number
}

export interface Identities {
  readonly bundle: Bundle
  issue(wanted?: Wanted): Credential
}

/** The certificates of a gateway's world, by the product's own issuer. They live for a day unless a test says less. */
export function createIdentities(underRoot?: number): Identities {
  const authority = createTestAuthority({
    lifetimeSeconds: 10 * 86_400,
    lifetimeSecondsMax: 86_400,
    underRoot,
  })
  return {
    bundle: authority.bundle,
    issue: (wanted = {}) =>
      authority.issue({
        namespace: 'agents',
        serviceAccount: 'agent',
        podUid: crypto.randomUUID(),
        role: 'agent',
        tenant: 'acme',
        lifetimeSeconds: 86_400,
        ...wanted,
      }).credential,
  }
}

/** Who stands on the gateway's side of every world: whose certificates are made once, as no test changes them. */
export interface Household {
  readonly identities: Identities
  readonly gateway: Credential
  toolServer(server: string): Credential
}

function createHousehold(underRoot?: number): Household {
  const identities = createIdentities(underRoot)
  const toolServers = new Map<string, Credential>()
  return {
    identities,
    gateway: identities.issue({ serviceAccount: 'gateway', role: 'tool-broker' }),
    toolServer(server) {
      const known = toolServers.get(server)
      if (known !== undefined) return known
      const wanted = { namespace: 'tools', serviceAccount: server, role: 'tool-server' } as const
      const credential = identities.issue(wanted)
      toolServers.set(server, credential)
      return credential
    },
  }
}

let usual: Household | undefined

/** The one under the usual CA is that of all worlds of this process. */
export function householdOf(underRoot?: number): Household {
  return underRoot === undefined ? (usual ??= createHousehold()) : createHousehold(underRoot)
}
