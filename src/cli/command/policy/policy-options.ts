/** What several commands on policy may be told. */
type Option = readonly [flags: string, description: string, byDefault?: string]

/** Where OPA's compiler is, for those who have sources. */
export const opa: Option = [
  '--opa <file>',
  'OPA’s compiler (default: COUNTERSIGN_OPA, or opa on the PATH)',
]
/** Of a bundle that is asked about the calls of one tenant. */
export const tenant: Option = ['--tenant <name>', 'a bundle of this tenant, see policy.tenants']
export const json: Option = ['--json', 'one document for programs, see docs/POLICY.md']

/** Of a key that signs or has signed. */
export const algorithm: Option = ['--algorithm <name>', 'of that key, such as ES256', 'RS256']
export const scope: Option = ['--scope <text>', 'what the signature has to say', '']
export const signedBy: Option = ['--key-id <text>', 'what the signature may name the key by']

/** What is decided with, and what was. */
export const data: Option = [
  '--data <file...>',
  'JSON documents to merge with its data, as in policy.data',
]
export const log: Option = ['--log <file...>', 'decision logs of gateways (required)']
