import { constants } from 'node:crypto'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Server, ServerOptions } from 'node:https'
import { createDrain, isTooLate, type Drain, type DrainTimes } from '../drain.ts'
import { CountersignError, quoted } from '../errors.ts'
import { parseSpiffeId, type SpiffeId } from '../identity/spiffe-id.ts'
import { parseTrustDomain, type TrustDomain } from '../identity/trust-domain.ts'
import type { Role } from '../identity/role.ts'
import { silentLog, type Log } from '../log.ts'
import { readableId } from '../mcp/readable-id.ts'
import { openBundleFile } from '../pki/bundle.ts'
import type { RevocationSource } from '../pki/revocation.ts'
import { openCredentialFile } from '../pki/credential.ts'
import { parseIdentityExtensionOid } from '../pki/identity-extension-oid.ts'
import { createTokenVerifier } from '../token/verify.ts'
import type { VerifiedCaller } from './caller.ts'
import {
  followClusterRevocations,
  openRevocationFile,
  type ClusterAccess,
} from './revocation-sources.ts'
import { readBody } from './read-body.ts'
import { endRevoked } from './end-revoked.ts'
import { refuse } from './refuse.ts'
import { createRequestVerifier, type Refusal } from './verify-request.ts'

export type { VerifiedCaller } from './caller.ts'
export type { Refusal } from './verify-request.ts'

/** One verified request: who calls, and the octets that were verified. Hand the MCP library these, not the stream. */
export interface VerifiedRequest {
  readonly caller: VerifiedCaller
  readonly body: Buffer
}

export type VerifiedListener = (
  request: IncomingMessage,
  response: ServerResponse,
  verified: VerifiedRequest,
) => void | Promise<void>

const defaultDrain: DrainTimes = { graceSeconds: 5, callSecondsMax: 10 }

/** What a tool server holds: TLS options, the guard of its requests, and the files behind both. */
export interface Countersign extends AsyncDisposable {
  /** For `https.createServer`: client certificates required, TLS 1.3, no session tickets. */
  readonly tlsOptions: ServerOptions
  /** Makes the server's new handshakes follow the mounted files, and lets `close` end it. Call it once, after `createServer`. */
  attach(server: Server): void
  /**
   * Ends the attached servers so that no call fails or is made twice: for `graceSeconds` (default 5) everything is served, each answer the
   * last of its connection; then nothing new is accepted, and what is under way has `callSecondsMax` (default 10). Call it on SIGTERM.
   */
  close(times?: Partial<DrainTimes>): Promise<void>
  /** A request listener that lets only verified requests through; refusals are answered here. */
  guard(listener: VerifiedListener): RequestListener
  /** The check behind `guard`, for a server that reads bodies itself. `body` is the exact octets. */
  verifyRequest(request: IncomingMessage, body: Buffer): Promise<VerifiedCaller | Refusal>
}

export interface RequireCountersignOptions {
  /** Path of the mounted one-file bundle: PKCS#8 key, then the chain. */
  readonly credentialBundle: string
  /** Path of the mounted trust bundle. */
  readonly trustBundle: string
  readonly trustDomain: string
  /**
   * SPIFFE IDs of the gateways. Their word is believed about who is calling, so they are named one by one: a cluster may have
   * more tool brokers than the one that speaks for this server's callers.
   */
  readonly gateways: readonly string[]
  /**
   * The name that the gateways know this server by, `upstreams[].server` of their configuration: a token for another name is refused.
   * Without it a token is good that is for this server's SPIFFE ID, whatever the name.
   */
  readonly server?: string
  /**
   * Other trust domains, whose agents may call through the gateways. None by default: then a gateway that federates speaks for nobody of
   * elsewhere here.
   */
  readonly callerTrustDomains?: readonly string[]
  /** Roles that may call with their own certificate, without the gateway. None by default. */
  readonly direct?: readonly Role[]
  /** Octets, 4 MiB by default, as a gateway's; a larger body is refused with 413 before it is read whole. */
  readonly bodyBytesMax?: number
  /**
   * Where revocations are learned from, the gateway's own among them: the cluster (`true`, or where it is), whose Revocations are listed
   * every ten seconds, or a file of such a list. None by default: then a stolen certificate is good until it ends.
   */
  readonly revocations?: true | ClusterAccess | { readonly file: string }
  /** The signer's. Required in production. */
  readonly identityExtensionOid?: string
  /** False is for trying out: then the example number of the extension is taken where none is given. Default true. */
  readonly production?: boolean
  readonly log?: Log
  /** Milliseconds since the epoch. */
  readonly now?: () => number
}

const defaultBytesMax = 4 * 1024 * 1024

/**
 * What a tool server behind the gateway needs: it opens the mounted files, follows them as they rotate, and verifies
 * every request. Throws `pki/credential` or `pki/bundle` when the files are not there yet or not usable,
 * `identity/spiffe-id` for a gateway that is none of the trust domain, and `pki/identity-extension-oid`.
 */
export async function requireCountersign(options: RequireCountersignOptions): Promise<Countersign> {
  const {
    log = silentLog,
    now = Date.now,
    bodyBytesMax = defaultBytesMax,
    production = true,
  } = options
  const identityExtensionOid = parseIdentityExtensionOid(options.identityExtensionOid, {
    production,
  })
  const trustDomain = parseTrustDomain(options.trustDomain)
  const gateways = new Set(options.gateways.map((uri) => gatewayId(uri, trustDomain)))
  const credential = await openCredentialFile({
    file: options.credentialBundle,
    log,
    identityExtensionOid,
  })
  const trustBundle = await openBundleFile({ file: options.trustBundle, trustDomain, now, log })
  const audience = (): SpiffeId => credential.current().svid.spiffeId
  const callerTrustDomains = options.callerTrustDomains?.map(parseTrustDomain)
  const { server } = options
  const tokens = createTokenVerifier({ trustDomain, callerTrustDomains, audience, server, now })
  const revocations = await openRevocations(options.revocations, log)
  const verifyRequest = createRequestVerifier({
    revocations,
    credential,
    trustBundle,
    tokens,
    gateways,
    direct: options.direct ?? [],
    identityExtensionOid,
    now,
  })
  const material = (): { cert: string; key: string; ca: string } => {
    const { chainPem, privateKeyPem } = credential.current()
    return { cert: chainPem, key: privateKeyPem, ca: trustBundle.current().pem }
  }
  const tlsOptions: ServerOptions = {
    ...material(),
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3',
    // A resumed session would skip the check of the client's certificate (RFC 8446 §2.2).
    secureOptions: constants.SSL_OP_NO_TICKET,
  }
  const detach: (() => void)[] = []
  const drains: Drain[] = []
  return {
    tlsOptions,
    attach(server) {
      const reload = (): void => server.setSecureContext({ ...tlsOptions, ...material() })
      detach.push(credential.onChange(reload), trustBundle.onChange(reload))
      drains.push(createDrain(server))
      detach.push(endRevoked(server, { revocations, identityExtensionOid }))
    },
    async close(times) {
      await Promise.all(drains.splice(0).map((drain) => drain.close({ ...defaultDrain, ...times })))
    },
    guard: (listener) => createGuard({ listener, verifyRequest, bodyBytesMax, log }),
    verifyRequest,
    async [Symbol.asyncDispose]() {
      for (const each of detach) each()
      await revocations?.[Symbol.asyncDispose]()
      await credential[Symbol.asyncDispose]()
      await trustBundle[Symbol.asyncDispose]()
    },
  }
}

function openRevocations(
  from: RequireCountersignOptions['revocations'],
  log: Log,
): Promise<RevocationSource & AsyncDisposable> | undefined {
  if (from === undefined) return undefined
  if (from !== true && 'file' in from) return openRevocationFile({ file: from.file, log })
  return followClusterRevocations({ access: from === true ? {} : from, log })
}

function gatewayId(uri: string, trustDomain: TrustDomain): string {
  const id = parseSpiffeId(uri)
  if (id.trustDomain === trustDomain) return id.uri
  throw new CountersignError(
    'identity/spiffe-id',
    `gateway ${quoted(uri)}: want=trust domain ${trustDomain}`,
  )
}

function createGuard(options: {
  readonly listener: VerifiedListener
  readonly verifyRequest: Countersign['verifyRequest']
  readonly bodyBytesMax: number
  readonly log: Log
}): RequestListener {
  const { listener, verifyRequest, bodyBytesMax, log } = options
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await readBody(request, bodyBytesMax)
    if (body === undefined) {
      return refuse(response, { status: 413, message: `want=at most ${bodyBytesMax} octets` })
    }
    const verdict = await verifyRequest(request, body)
    if ('refused' in verdict) {
      log.warn({ status: verdict.status, reason: verdict.message }, 'request refused')
      return refuse(response, verdict, readableId(body))
    }
    // Whoever has gone meanwhile has said so already: what a listener gives back with that would never be given back.
    if (response.destroyed) return undefined
    await listener(request, response, { caller: verdict, body })
  }
  return (request, response) => {
    if (isTooLate(request)) {
      request.resume()
      return
    }
    serve(request, response).catch((error: unknown) => {
      log.error({ error }, 'request failed')
      if (response.headersSent) response.destroy()
      else refuse(response, { status: 500, message: 'internal error' })
    })
  }
}
