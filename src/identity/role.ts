import { CountersignError, quoted } from '../errors.ts'

/** What a workload is to the platform. */
export type Role = 'model-gateway' | 'tool-broker' | 'inference-worker' | 'agent' | 'tool-server'

export const roles: readonly Role[] = [
  'model-gateway',
  'tool-broker',
  'inference-worker',
  'agent',
  'tool-server',
]

/** The roles that answer connections, and so get DNS names: all but agents. */
export const servingRoles: readonly Role[] = roles.filter((role) => role !== 'agent')

/** Parses a role. Throws `identity/role`. */
export function parseRole(text: string): Role {
  const role = roles.find((candidate) => candidate === text)
  if (role === undefined) {
    throw new CountersignError(
      'identity/role',
      `role is not known, want=${roles.join('|')} got=${quoted(text)}`,
    )
  }
  return role
}
