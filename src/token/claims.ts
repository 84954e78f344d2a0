import { hash } from 'node:crypto'
import { CountersignError } from '../errors.ts'

/** The media type of a transaction token (OAuth Transaction Tokens §5), against confusion with other tokens (RFC 8725 §3.11). */
export const tokenType = 'txntoken+jwt'

/** The longest token that is made or read, in octets: it travels in a header. */
export const tokenOctetsMax = 8192

/** The longest life, in seconds, that a verifier believes. */
export const lifetimeSecondsMax = 60

/** What a transaction token says. It names a caller; it authenticates nobody: that is the TLS connection's part. */
export interface TransactionTokenClaims {
  /** The gateway's decision id. */
  readonly txn: string
  /** SPIFFE ID of the caller. */
  readonly sub: string
  /** SPIFFE ID of the tool server. */
  readonly aud: string
  /** SPIFFE ID of the gateway. */
  readonly iss: string
  /** Seconds since the epoch. */
  readonly iat: number
  readonly exp: number
  /** The one tool that it is for, `server:tool`; the server alone where it is for none. */
  readonly scope: string
  /** The workload that asked, which is the caller. */
  readonly req_wl: string
  readonly tctx: TransactionContext
  /** Of the gateway's certificate (RFC 8705 §3.1). */
  readonly cnf: { readonly 'x5t#S256': string }
}

export interface TransactionContext {
  readonly server: string
  /** The MCP method that it is for. */
  readonly method: string
  /** The tool that is called, or whose call the task was; absent for prompts and resources. */
  readonly tool?: string
  /** SHA-256, base64url, of the prompt's name, the resource's URI, the template or the task's id; absent where a tool is called. */
  readonly targetSha256?: string
  /** SHA-256, base64url, of the octets of `params.arguments` as forwarded; of no octets when there are none. */
  readonly argumentsSha256: string
  readonly tenant?: string
  readonly role?: string
  readonly models: readonly string[]
  /** The scopes of the caller's certificate for this server: other servers are none of its business. */
  readonly toolScopes: readonly string[]
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid: string }
}

/** OAuth Transaction Tokens §5.2: what of the server it is for. */
export function scopeOf(server: string, tool: string | undefined): string {
  return tool === undefined ? server : `${server}:${tool}`
}

/** A URI is longer than a header has room for. */
export function targetSha256(target: string): string {
  return hash('sha256', target, 'base64url')
}

type Members = Readonly<Record<string, unknown>>

/** Reads the claims: types and bounds only, not yet what they mean. Unknown claims are ignored (RFC 7519 §4). Throws `token/malformed`. */
export function parseClaims(octets: Uint8Array): TransactionTokenClaims {
  const claims = membersOf(parseJson(octets), 'claims')
  const confirmation = membersOf(claims['cnf'], 'cnf')
  return {
    txn: textOf(claims, 'txn', 128),
    sub: textOf(claims, 'sub', 2048),
    aud: textOf(claims, 'aud', 2048),
    iss: textOf(claims, 'iss', 2048),
    iat: secondsOf(claims, 'iat'),
    exp: secondsOf(claims, 'exp'),
    scope: textOf(claims, 'scope', 256),
    req_wl: textOf(claims, 'req_wl', 2048),
    tctx: contextOf(membersOf(claims['tctx'], 'tctx')),
    cnf: { 'x5t#S256': textOf(confirmation, 'x5t#S256', 43) },
  }
}

function contextOf(context: Members): TransactionContext {
  const pod = membersOf(context['pod'], 'pod')
  return {
    server: textOf(context, 'server', 63),
    method: textOf(context, 'method', 64),
    ...(context['tool'] === undefined ? {} : { tool: textOf(context, 'tool', 128) }),
    ...(context['targetSha256'] === undefined
      ? {}
      : { targetSha256: textOf(context, 'targetSha256', 43) }),
    argumentsSha256: textOf(context, 'argumentsSha256', 43),
    ...(context['tenant'] === undefined ? {} : { tenant: textOf(context, 'tenant', 63) }),
    ...(context['role'] === undefined ? {} : { role: textOf(context, 'role', 63) }),
    models: textsOf(context, 'models', 16),
    toolScopes: textsOf(context, 'toolScopes', 32),
    pod: {
      namespace: textOf(pod, 'namespace', 63),
      name: textOf(pod, 'name', 253),
      uid: textOf(pod, 'uid', 128),
    },
  }
}

function parseJson(octets: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(octets))
  } catch {
    // Without its cause: that one quotes the token.
    throw refused('claims are not JSON')
  }
}

function membersOf(value: unknown, what: string): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw refused(`${what} is missing or of the wrong type, want=object`)
  }
  return value as Members
}

function textOf(members: Members, name: string, charactersMax: number): string {
  const value = members[name]
  if (typeof value !== 'string' || value === '' || value.length > charactersMax) {
    throw refused(`${name} is missing or of the wrong type, want=1..${charactersMax} characters`)
  }
  return value
}

function textsOf(members: Members, name: string, membersMax: number): readonly string[] {
  const value = members[name]
  if (!Array.isArray(value) || value.length > membersMax) {
    throw refused(`${name} is missing or of the wrong type, want=array of 0..${membersMax}`)
  }
  if (!value.every((member) => typeof member === 'string')) {
    throw refused(`${name} is of the wrong type, want=array of strings`)
  }
  return value
}

function secondsOf(members: Members, name: string): number {
  const value = members[name]
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw refused(`${name} is missing or of the wrong type, want=whole seconds`)
  }
  return value
}

function refused(message: string): CountersignError {
  return new CountersignError('token/malformed', message)
}
