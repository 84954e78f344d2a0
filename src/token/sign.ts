import { createPrivateKey, createPublicKey } from 'node:crypto'
import { CountersignError } from '../errors.ts'
import { workloadOf, type SpiffeId } from '../identity/spiffe-id.ts'
import type { Credential, CredentialSource } from '../pki/credential.ts'
import type { X509Svid } from '../pki/x509-svid.ts'
import { algorithmOf, signOf } from './algorithm.ts'
import { lifetimeSecondsMax, scopeOf, targetSha256, tokenOctetsMax, tokenType } from './claims.ts'
import type { TransactionTokenClaims } from './claims.ts'
import type { Signing, StartSigningThread } from './signing-turns.ts'

/** The call that a token is made for. */
export interface SignableCall {
  readonly caller: X509Svid
  readonly upstream: { readonly server: string; readonly spiffeId: SpiffeId }
  /** The MCP method. */
  readonly method: string
  /** Called, or the one that became a task; undefined for what is no tool. */
  readonly tool: string | undefined
  /** What else it names there: a prompt, a URI, a template or a task. Undefined where a tool is called. */
  readonly target: string | undefined
  /** SHA-256, base64url, of the octets of `params.arguments` as forwarded. */
  readonly argumentsSha256: string
  /** The decision id. */
  readonly transactionId: string
}

/**
 * Makes transaction tokens with the gateway's own pod key: the tool server has the public one from the TLS connection. For one call alone
 * handing the work to another thread takes longer than the work, but under load the loop is what is scarce.
 */
export interface TokenSigner {
  /** Rejects with `token/sign`. What was true of the caller may not be any more when it resolves. */
  sign(call: SignableCall): Promise<string>
  /** The public keys that tokens of the last minute were signed with, newest first (RFC 7517 §5), as JSON. */
  currentJwks(): string
}

interface SigningKey {
  readonly credential: Credential
  readonly signing: Signing
  readonly jwk: object
  /** The first part of every token of this key, with its dot. */
  readonly header: string
  readonly thumbprint: string
}

export interface TokenSignerOptions {
  readonly credential: CredentialSource
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly lifetimeSeconds?: number
  /** For a gateway that has much to sign; without it the pool's threads do. */
  readonly startSigningThread?: StartSigningThread | undefined
}

export function createTokenSigner(options: TokenSignerOptions): TokenSigner {
  const { credential, now, lifetimeSeconds = 10 } = options
  if (!(lifetimeSeconds >= 1 && lifetimeSeconds <= lifetimeSecondsMax)) {
    throw refused(
      `life of a token is out of range, want=1..${lifetimeSecondsMax} got=${lifetimeSeconds}`,
    )
  }
  const keys = createKeys(credential, now, options.startSigningThread)
  return {
    async sign(call) {
      const key = keys.current()
      const claims = claimsOf({ call, key, seconds: Math.floor(now() / 1000), lifetimeSeconds })
      const signed = `${key.header}${base64url(JSON.stringify(claims))}`
      // RFC 7515 §5.1: the signature is over the ASCII of the first two parts.
      const signature = await key.signing.sign(signed)
      const token = `${signed}.${signature.toString('base64url')}`
      if (token.length > tokenOctetsMax) {
        throw refused(`token is too large, want=..${tokenOctetsMax} got=${token.length}`)
      }
      return token
    },
    currentJwks: () => JSON.stringify({ keys: keys.published().map(({ jwk }) => jwk) }),
  }
}

/** The key of the current credential, and those before it for as long as tokens of theirs are good. */
function createKeys(
  credential: CredentialSource,
  now: () => number,
  startThread: StartSigningThread | undefined,
): { current(): SigningKey; published(): readonly SigningKey[] } {
  let cached: SigningKey | undefined
  let former: readonly { readonly key: SigningKey; readonly until: number }[] = []
  function current(): SigningKey {
    const credentialNow = credential.current()
    if (cached?.credential === credentialNow) return cached
    const key = signingKeyOf(credentialNow, startThread)
    if (cached !== undefined) {
      cached.signing.close()
      const until = now() + lifetimeSecondsMax * 1000
      former = [{ key: cached, until }, ...former].slice(0, formerMax)
    }
    return (cached = key)
  }
  return {
    current,
    published() {
      const key = current()
      former = former.filter(({ until }) => now() < until)
      return [key, ...former.map((each) => each.key)]
    },
  }
}

/** More than one change of the key within the life of a token is somebody's mistake. */
const formerMax = 4

function signingKeyOf(
  credential: Credential,
  startThread: StartSigningThread | undefined,
): SigningKey {
  const key = createPrivateKey(credential.privateKeyPem)
  const publicJwk = createPublicKey(key).export({ format: 'jwk' })
  const algorithm = algorithmOf(key)
  const signing = signOf(key, startThread)
  if (algorithm === undefined || signing === undefined) {
    throw refused(`key of the gateway is of an unknown kind, got=${key.asymmetricKeyType}`)
  }
  const thumbprint = Buffer.from(credential.svid.sha256, 'hex').toString('base64url')
  const header = { alg: algorithm, typ: tokenType, kid: thumbprint, 'x5t#S256': thumbprint }
  return {
    credential,
    signing,
    jwk: { ...publicJwk, use: 'sig', alg: algorithm, kid: thumbprint, 'x5t#S256': thumbprint },
    header: `${base64url(JSON.stringify(header))}.`,
    thumbprint,
  }
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url')
}

function claimsOf(o: {
  readonly call: SignableCall
  readonly key: SigningKey
  readonly seconds: number
  readonly lifetimeSeconds: number
}): TransactionTokenClaims {
  const { caller, upstream, method, tool, target } = o.call
  const { identity } = caller
  if (identity === undefined) throw refused('caller has no identity extension')
  // RFC 8705 §3: bound to a certificate, so never longer than it.
  const end = Math.floor(o.key.credential.svid.notAfter.getTime() / 1000)
  const exp = Math.min(o.seconds + o.lifetimeSeconds, end)
  if (exp <= o.seconds) throw refused("gateway's certificate is over")
  return {
    txn: o.call.transactionId,
    sub: caller.spiffeId.uri,
    aud: upstream.spiffeId.uri,
    iss: o.key.credential.svid.spiffeId.uri,
    iat: o.seconds,
    exp,
    scope: scopeOf(upstream.server, tool),
    req_wl: caller.spiffeId.uri,
    tctx: {
      server: upstream.server,
      method,
      ...(tool === undefined ? {} : { tool }),
      ...(target === undefined ? {} : { targetSha256: targetSha256(target) }),
      argumentsSha256: o.call.argumentsSha256,
      ...(identity.tenant === undefined ? {} : { tenant: identity.tenant }),
      ...(identity.role === undefined ? {} : { role: identity.role }),
      models: identity.ceiling.models,
      toolScopes: identity.ceiling.toolScopes
        .filter((scope) => scope.server === upstream.server)
        .map((scope) => scope.text),
      pod: {
        // As its own trust domain calls it, which `sub` names.
        namespace: workloadOf(caller.spiffeId)?.namespace ?? identity.namespace.name,
        name: identity.pod.name,
        uid: identity.pod.uid,
      },
    },
    cnf: { 'x5t#S256': o.key.thumbprint },
  }
}

function refused(message: string): CountersignError {
  return new CountersignError('token/sign', message)
}
