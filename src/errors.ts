/**
 * The code of a failure: `room/what`. Each has a row in docs/ERRORS.md that says what to do.
 */
export type ErrorCode =
  // identity
  | 'identity/trust-domain'
  | 'identity/cluster-domain'
  | 'identity/spiffe-id'
  | 'identity/role'
  | 'identity/tenant'
  | 'identity/model'
  | 'identity/tool-scope'
  | 'identity/ceiling'
  // pki
  | 'pki/der'
  | 'pki/key-malformed'
  | 'pki/key-type'
  | 'pki/csr-malformed'
  | 'pki/csr-signature'
  | 'pki/profile'
  | 'pki/authority'
  | 'pki/authority-unavailable'
  | 'pki/authority-step'
  | 'pki/issuer-expiring'
  | 'pki/ceiling-too-large'
  | 'pki/request'
  | 'pki/prepared-used'
  | 'pki/stale'
  | 'pki/inspection'
  | 'pki/identity-extension'
  | 'pki/identity-extension-oid'
  | 'pki/svid'
  | 'pki/svid-untrusted'
  | 'pki/svid-expired'
  | 'pki/svid-not-yet-valid'
  | 'pki/bundle'
  | 'pki/credential'
  // federation
  | 'federation/bundle'
  | 'federation/endpoint'
  // token
  | 'token/sign'
  | 'token/malformed'
  | 'token/signature'
  | 'token/issuer'
  | 'token/audience'
  | 'token/binding'
  | 'token/expired'
  | 'token/call'
  // ledger
  | 'ledger/record'
  | 'ledger/corrupt'
  | 'ledger/locked'
  | 'ledger/unavailable'
  | 'ledger/note'
  | 'ledger/log-key'
  | 'ledger/proof'
  // policy
  | 'policy/bundle'
  | 'policy/data'
  | 'policy/signature'
  | 'policy/test'
  | 'policy/service'
  | 'policy/malformed'
  | 'policy/source'
  | 'policy/opa'
  | 'policy/replay'
  | 'policy/input'
  | 'policy/abort'
  | 'policy/fuel'
  | 'policy/undefined'
  | 'policy/result'
  | 'policy/log'
  | 'policy/upload'
  // kubernetes
  | 'kubernetes/answer'
  | 'kubernetes/api'
  | 'kubernetes/closed'
  | 'kubernetes/configuration'
  | 'kubernetes/not-served'
  | 'kubernetes/object'
  | 'kubernetes/silent'
  | 'kubernetes/unreachable'
  // signer
  | 'signer/authority-request'
  | 'signer/key-of-two-pods'
  | 'signer/not-permitted'
  | 'signer/rejected'
  | 'signer/stale'
  | 'signer/stopped'
  // gateway
  | 'gateway/upstream'
  | 'gateway/upstream-identity'
  | 'gateway/upstream-revoked'
  | 'gateway/handle-key'
  // toolserver
  | 'toolserver/revocations'
  // guard
  | 'guard/inside'
  | 'guard/socket'
  // renewal
  | 'renewal/folder'
  | 'renewal/certificate'
  | 'renewal/source'
  | 'renewal/trust-bundle'
  | 'renewal/hook'
  // agent
  | 'agent/server-identity'
  | 'agent/connections'
  | 'agent/certificate-expired'
  | 'agent/hung-up'
  | 'agent/answer'
  | 'agent/session'
  | 'agent/ended'
  // dev
  | 'dev/kubelet'
  | 'dev/workload'
  | 'dev/timeout'
  // cli
  | 'cli/usage'
  | 'cli/approve'
  | 'cli/configuration'
  | 'cli/listen'
  | 'cli/tool-server'

/**
 * A failure: something that should have worked did not. A refusal is not a failure: it is a value.
 * The message says the rule broken (`want=… got=…`), outside text quoted and cut; it never holds a secret.
 */
export class CountersignError extends Error {
  override readonly name = 'CountersignError'
  readonly code: ErrorCode
  /** What the reader can do about it, for the line after the error. */
  readonly hint: string | undefined

  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly hint?: string } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.code = code
    this.hint = options.hint
  }
}

/**
 * Quotes text from outside for a message: JSON escapes, of whatever a terminal obeys or a reader does not see, too; at most
 * `charactersMax` characters of it.
 */
export function quoted(text: string, charactersMax = 80): string {
  return escapedJson(JSON.stringify(cut(text, charactersMax)))
}

/** JSON on lines of its own, of which no character moves a terminal. */
export function escapedJson(text: string): string {
  return text.replaceAll(/(?!\n)[\p{C}\p{Zl}\p{Zp}]/gu, escaped)
}

function escaped(character: string): string {
  return character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('')
}

/** A name from outside, for a line that is read: as it is where it is a plain word, else quoted. */
export function quotedName(name: string): string {
  return isPlainWord(name) ? name : quoted(name, 128)
}

/** Whether no shell and no reader of options takes it for anything but a word. */
export function isPlainWord(text: string): boolean {
  return /^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,127}$/.test(text)
}

/** At most so many characters of a text from outside, for where it is quoted already. */
export function cut(text: string, charactersMax = 80): string {
  return text.length > charactersMax ? `${text.slice(0, charactersMax)}…` : text
}
