import type { DenyReason, RefusedFinding } from './verdict.ts'

/*
 * How strictly a namespace is held to what it may claim. Only the signer's own configuration says so: what a tenant can write, such as
 * a label, would be a claim itself.
 */

/**
 * `warn` issues what is proved and says what `enforce` would deny. `off` leaves requests as they are: an answer could not be taken back,
 * and one that nobody looked at must never be a certificate.
 */
export const enforcementModes = ['enforce', 'warn', 'off'] as const

export type EnforcementMode = (typeof enforcementModes)[number]

/** The mode of a namespace, by its name. */
export type ModeOf = (namespace: string) => EnforcementMode

/** A namespace that is not named is enforced. */
export function modesOf(named: Readonly<Record<string, EnforcementMode>>): ModeOf {
  const modes = new Map(Object.entries(named))
  return (namespace) => modes.get(namespace) ?? 'enforce'
}

/** Why a request of a namespace that is `off` stays as it is, for its people. */
export function leftAlone(namespace: string): string {
  return `the signer's configuration leaves namespace "${namespace}" alone (enforcement.namespaces: off): nothing is issued or denied`
}

/** Claims beside the name. Who asks, with which key, for which volume, is not among them. */
const waivable: ReadonlySet<DenyReason> = new Set([
  'RoleNotProved',
  'TenantNotProved',
  'ModelNotGranted',
  'ToolScopeNotGranted',
  'RefusedByPolicy',
])

/** Whether `warn` lets it pass: the certificate is then as if it had not been asked. */
export function isWaivable({ reason, ofRequester }: Omit<RefusedFinding, 'check'>): boolean {
  return waivable.has(reason) && ofRequester !== true
}
