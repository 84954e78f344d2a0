import { compactVerify } from 'jose'
import type { CompactVerifyResult } from 'jose'
import { CountersignError } from '../errors.ts'
import { allowsTool } from '../identity/ceiling.ts'
import type { Ceiling } from '../identity/ceiling.ts'
import { parseModel } from '../identity/model.ts'
import { parseRole } from '../identity/role.ts'
import type { Role } from '../identity/role.ts'
import { parseSpiffeId } from '../identity/spiffe-id.ts'
import type { SpiffeId } from '../identity/spiffe-id.ts'
import { parseTenant } from '../identity/tenant.ts'
import type { Tenant } from '../identity/tenant.ts'
import { parseToolScope } from '../identity/tool-scope.ts'
import type { TrustDomain } from '../identity/trust-domain.ts'
import type { X509Svid } from '../pki/x509-svid.ts'
import { algorithmOf } from './algorithm.ts'
import {
  lifetimeSecondsMax,
  parseClaims,
  scopeOf,
  targetSha256,
  tokenOctetsMax,
  tokenType,
} from './claims.ts'
import type { TransactionTokenClaims } from './claims.ts'

/** A call of a tool, or a request for what else has a name, with who makes it, as the gateway on this connection vouches for it. */
export interface VerifiedCall {
  /** The gateway's decision id. */
  readonly transactionId: string
  readonly caller: {
    readonly spiffeId: SpiffeId
    readonly tenant?: Tenant
    readonly role?: Role
    /** Its scopes are those for this server only. */
    readonly ceiling: Ceiling
    readonly pod: { readonly namespace: string; readonly name: string; readonly uid: string }
  }
  readonly method: string
  /** Called, or the one that became a task. */
  readonly tool: string | undefined
  readonly expiresAt: Date
}

/** What the token must have been made for. */
export interface PresentedCall {
  /** The gateway on this very TLS connection, verified. */
  readonly peer: X509Svid
  readonly method: string
  /** What the request is about: the tool, the prompt, the URI, the template or the task. */
  readonly target: string
  /** SHA-256, base64url, of the octets of `params.arguments` as received. */
  readonly argumentsSha256: string
}

export interface TokenVerifier {
  /** Throws `token/…`. No message holds any of the token. */
  verify(token: string, call: PresentedCall): Promise<VerifiedCall>
}

/** How far the clocks of two nodes may be apart, in seconds. */
const skewSeconds = 5

export function createTokenVerifier(options: {
  readonly trustDomain: TrustDomain
  /** Other trust domains, whose workloads the gateways may speak for, too. */
  readonly callerTrustDomains?: readonly TrustDomain[] | undefined
  /** Our own SPIFFE ID. */
  readonly audience: () => SpiffeId
  /** The name that gateways know this server by; undefined where its SPIFFE ID alone says who it is. */
  readonly server?: string | undefined
  /** Milliseconds since the epoch. */
  readonly now: () => number
}): TokenVerifier {
  const { trustDomain, callerTrustDomains = [], audience, server, now } = options
  return {
    async verify(token, call) {
      const claims = await verifySignature(token, call.peer)
      checkParties(claims, call.peer, audience())
      if (server !== undefined && claims.tctx.server !== server) {
        throw refused('audience', `token is for another server, want=${server}`)
      }
      checkTime(claims, Math.floor(now() / 1000))
      checkCall(claims, call)
      return callOf(claims, { trustDomain, callerTrustDomains })
    },
  }
}

/** Verifies with the key of the peer's certificate. No key comes from the token. */
async function verifySignature(token: string, peer: X509Svid): Promise<TransactionTokenClaims> {
  if (token.length > tokenOctetsMax) {
    throw refused('malformed', `token is too large, want=..${tokenOctetsMax} got=${token.length}`)
  }
  // RFC 7515 §3.1; base64url decoders of the platform forgive more than this alphabet.
  if (!/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/.test(token)) {
    throw refused('malformed', 'token is not a compact JWS')
  }
  const algorithm = algorithmOf(peer.publicKey)
  if (algorithm === undefined) throw refused('signature', 'key of the peer is of an unknown kind')
  let verified: CompactVerifyResult
  try {
    verified = await compactVerify(token, peer.publicKey, { algorithms: [algorithm] })
  } catch {
    // Without its cause: that one may quote the header.
    throw refused('signature', `token is not signed by the peer with ${algorithm}`)
  }
  const { typ, 'x5t#S256': thumbprint } = verified.protectedHeader
  if (typ !== tokenType) throw refused('malformed', `token is of another type, want=${tokenType}`)
  if (thumbprint !== thumbprintOf(peer)) {
    throw refused('binding', 'x5t#S256 is of another certificate')
  }
  return parseClaims(verified.payload)
}

function thumbprintOf(svid: X509Svid): string {
  return Buffer.from(svid.sha256, 'hex').toString('base64url')
}

function checkParties(claims: TransactionTokenClaims, peer: X509Svid, self: SpiffeId): void {
  if (claims.iss !== peer.spiffeId.uri) {
    throw refused('issuer', `iss is not the peer, want=${peer.spiffeId.uri}`)
  }
  if (claims.aud !== self.uri) {
    throw refused('audience', `aud is not this server, want=${self.uri}`)
  }
  if (claims.cnf['x5t#S256'] !== thumbprintOf(peer)) {
    throw refused('binding', 'cnf is of another certificate')
  }
}

function checkTime(claims: TransactionTokenClaims, seconds: number): void {
  const { iat, exp } = claims
  if (exp <= iat || exp - iat > lifetimeSecondsMax) {
    throw refused(
      'expired',
      `life of the token is out of range, want=1..${lifetimeSecondsMax} got=${exp - iat}`,
    )
  }
  if (iat > seconds + skewSeconds) throw refused('expired', 'token is not yet valid')
  if (exp <= seconds - skewSeconds) throw refused('expired', 'token is over')
}

function checkCall(claims: TransactionTokenClaims, call: PresentedCall): void {
  const { server, method, tool, argumentsSha256 } = claims.tctx
  if (method !== call.method) throw refused('call', 'token is for another method')
  if (method === 'tools/call') {
    if (tool !== call.target) throw refused('call', 'token is for another tool')
  } else if (claims.tctx.targetSha256 !== targetSha256(call.target)) {
    throw refused('call', 'token is for another target')
  }
  if (argumentsSha256 !== call.argumentsSha256) {
    throw refused('call', 'token is for other arguments')
  }
  if (claims.scope !== scopeOf(server, tool)) throw refused('call', 'scope is not the tool')
}

interface CallersOf {
  readonly trustDomain: TrustDomain
  readonly callerTrustDomains: readonly TrustDomain[]
}

/** Reads the caller. The gateway has checked its ceiling already; a token that contradicts itself is refused all the same. */
function callOf(
  claims: TransactionTokenClaims,
  { trustDomain, callerTrustDomains }: CallersOf,
): VerifiedCall {
  const { server, method, tool, tenant, role, pod } = claims.tctx
  const { spiffeId, ceiling, ...optional } = reading(() => ({
    spiffeId: parseSpiffeId(claims.sub),
    ceiling: {
      models: claims.tctx.models.map((model) => parseModel(model)),
      toolScopes: claims.tctx.toolScopes.map((scope) => parseToolScope(scope)),
    },
    ...(tenant === undefined ? {} : { tenant: parseTenant(tenant) }),
    ...(role === undefined ? {} : { role: parseRole(role) }),
  }))
  const isForeign = spiffeId.trustDomain !== trustDomain
  const isKnown = !isForeign || callerTrustDomains.includes(spiffeId.trustDomain)
  if (!isKnown || claims.req_wl !== claims.sub) {
    throw refused('issuer', `sub is not a workload that the peer may speak for`)
  }
  // Tenants are ours: one that is called the same elsewhere is none of them.
  if (isForeign && tenant !== undefined) {
    throw refused('issuer', 'sub is of another trust domain, and of no tenant')
  }
  const isCovered =
    tool === undefined
      ? ceiling.toolScopes.some((scope) => scope.server === server)
      : allowsTool(ceiling, server, tool)
  if (!isCovered) {
    throw refused('call', 'it is outside the scopes that the token names')
  }
  return {
    transactionId: claims.txn,
    caller: { spiffeId, ceiling, pod, ...optional },
    method,
    tool,
    expiresAt: new Date(claims.exp * 1000),
  }
}

/** The identity room's own messages quote what they read. */
function reading<T>(read: () => T): T {
  try {
    return read()
  } catch {
    throw refused('malformed', 'a name in the claims is not well-formed')
  }
}

type TokenFault = 'malformed' | 'signature' | 'issuer' | 'audience' | 'binding' | 'expired' | 'call'

function refused(fault: TokenFault, message: string): CountersignError {
  return new CountersignError(`token/${fault}`, message)
}
