/**
 * The code of a failure: `room/what`. Each has a row in docs/ERRORS.md that says what to do.
 */
export type ErrorCode =
  // identity
  | 'identity/invalid'
  // pki
  | 'pki/invalid'
  // token
  | 'token/invalid'
  // ledger
  | 'ledger/unavailable'
  // policy
  | 'policy/unavailable'
  // kubernetes
  | 'kubernetes/api'
  // signer
  | 'signer/invalid'
  // gateway
  | 'gateway/invalid'
  // toolserver
  | 'toolserver/invalid'
  // dev
  | 'dev/failed'
  // cli
  | 'cli/usage'
  | 'cli/configuration'

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

/** Quotes text from outside for a message: JSON escapes, at most `charactersMax` characters of it. */
export function quoted(text: string, charactersMax = 80): string {
  const cut = text.length > charactersMax ? `${text.slice(0, charactersMax)}…` : text
  return JSON.stringify(cut)
}
