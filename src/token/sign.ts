import { createPrivateKey } from 'node:crypto'
import { CountersignError } from '../errors.ts'
import type { SpiffeId } from '../identity/spiffe-id.ts'
import type { Credential, CredentialSource } from '../pki/credential.ts'
import type { X509Svid } from '../pki/x509-svid.ts'
import { algorithmOf, signOf } from './algorithm.ts'
import type { Sign } from './algorithm.ts'
import { lifetimeSecondsMax, tokenOctetsMax, tokenType } from './claims.ts'
import type { TransactionTokenClaims } from './claims.ts'

/** The call that a token is made for. */
export interface SignableCall {
  readonly caller: X509Svid
  readonly upstream: { readonly server: string; readonly spiffeId: SpiffeId }
  readonly tool: string
  /** SHA-256, base64url, of the octets of `params.arguments` as forwarded. */
  readonly argumentsSha256: string
  /** The decision id. */
  readonly transactionId: string
}

/**
 * Makes transaction tokens with the gateway's own pod key: the tool server has the public one from the TLS connection. At once, on
 * this thread: for the elliptic keys of pods, handing the work to another thread takes longer than the work.
 */
export interface TokenSigner {
  /** Throws `token/sign`. */
  sign(call: SignableCall): string
}

interface SigningKey {
  readonly credential: Credential
  readonly sign: Sign
  /** The first part of every token of this key, with its dot. */
  readonly header: string
  readonly thumbprint: string
}

export function createTokenSigner(options: {
  readonly credential: CredentialSource
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly lifetimeSeconds?: number
}): TokenSigner {
  const { credential, now, lifetimeSeconds = 10 } = options
  if (!(lifetimeSeconds >= 1 && lifetimeSeconds <= lifetimeSecondsMax)) {
    throw refused(
      `life of a token is out of range, want=1..${lifetimeSecondsMax} got=${lifetimeSeconds}`,
    )
  }
  let cached: SigningKey | undefined

  function currentKey(): SigningKey {
    const current = credential.current()
    if (cached?.credential === current) return cached
    return (cached = signingKeyOf(current))
  }

  return {
    sign(call) {
      const signing = currentKey()
      const claims = claimsOf({ call, signing, seconds: Math.floor(now() / 1000), lifetimeSeconds })
      const signed = `${signing.header}${base64url(JSON.stringify(claims))}`
      // RFC 7515 §5.1: the signature is over the ASCII of the first two parts.
      const signature = signing.sign(Buffer.from(signed, 'latin1'))
      const token = `${signed}.${signature.toString('base64url')}`
      if (token.length > tokenOctetsMax) {
        throw refused(`token is too large, want=..${tokenOctetsMax} got=${token.length}`)
      }
      return token
    },
  }
}

function signingKeyOf(credential: Credential): SigningKey {
  const key = createPrivateKey(credential.privateKeyPem)
  const algorithm = algorithmOf(key)
  const sign = signOf(key)
  if (algorithm === undefined || sign === undefined) {
    throw refused(`key of the gateway is of an unknown kind, got=${key.asymmetricKeyType}`)
  }
  const thumbprint = Buffer.from(credential.svid.sha256, 'hex').toString('base64url')
  const header = { alg: algorithm, typ: tokenType, 'x5t#S256': thumbprint }
  return {
    credential,
    sign,
    header: `${base64url(JSON.stringify(header))}.`,
    thumbprint,
  }
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url')
}

function claimsOf(o: {
  readonly call: SignableCall
  readonly signing: SigningKey
  readonly seconds: number
  readonly lifetimeSeconds: number
}): TransactionTokenClaims {
  const { caller, upstream, tool } = o.call
  const { identity } = caller
  if (identity === undefined) throw refused('caller has no identity extension')
  // RFC 8705 §3: bound to a certificate, so never longer than it.
  const end = Math.floor(o.signing.credential.svid.notAfter.getTime() / 1000)
  const exp = Math.min(o.seconds + o.lifetimeSeconds, end)
  if (exp <= o.seconds) throw refused("gateway's certificate is over")
  return {
    txn: o.call.transactionId,
    sub: caller.spiffeId.uri,
    aud: upstream.spiffeId.uri,
    iss: o.signing.credential.svid.spiffeId.uri,
    iat: o.seconds,
    exp,
    scope: `${upstream.server}:${tool}`,
    req_wl: caller.spiffeId.uri,
    tctx: {
      server: upstream.server,
      tool,
      argumentsSha256: o.call.argumentsSha256,
      ...(identity.tenant === undefined ? {} : { tenant: identity.tenant }),
      ...(identity.role === undefined ? {} : { role: identity.role }),
      models: identity.ceiling.models,
      toolScopes: identity.ceiling.toolScopes
        .filter((scope) => scope.server === upstream.server)
        .map((scope) => scope.text),
      pod: {
        namespace: identity.namespace.name,
        name: identity.pod.name,
        uid: identity.pod.uid,
      },
    },
    cnf: { 'x5t#S256': o.signing.thumbprint },
  }
}

function refused(message: string): CountersignError {
  return new CountersignError('token/sign', message)
}
