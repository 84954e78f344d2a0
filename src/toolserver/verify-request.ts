import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { isTooLate } from '../drain.ts'
import { CountersignError } from '../errors.ts'
import { parseMessage, type Message } from '../mcp/message.ts'
import { isProblem } from '../mcp/problem.ts'
import { argumentsSha256 } from '../mcp/edits.ts'
import type { Role } from '../identity/role.ts'
import type { BundleSource } from '../pki/bundle.ts'
import type { Credential, CredentialSource } from '../pki/credential.ts'
import { intermediatesOf } from '../pki/peer-chain.ts'
import {
  findRevocation,
  revocableCa,
  type Revocable,
  type RevocationSource,
} from '../pki/revocation.ts'
import { parseX509Svid, verifyX509Svid, type X509Svid } from '../pki/x509-svid.ts'
import type { TokenVerifier } from '../token/verify.ts'
import { callerOf, directCaller, type VerifiedCaller } from './caller.ts'

/** Why a request was refused. `message` may be shown to the caller. */
export interface Refusal {
  readonly refused: true
  /** HTTP status: 400 for what cannot be read, 403 for who is not let in, 503 while that cannot be known. */
  readonly status: 400 | 403 | 503
  readonly message: string
}

/** Judges one request: its peer now, and for what has a name, through the gateway, its transaction token. */
export type RequestVerifier = (
  request: IncomingMessage,
  body: Buffer,
) => Promise<VerifiedCaller | Refusal>

/**
 * The order is: the peer's certificate on this very connection and now, then its role, then the token. A gateway may
 * list and discover on its own account; it can ask for what has a name only for somebody, so tools, prompts, resources and tasks need a token.
 */
export function createRequestVerifier(options: {
  readonly credential: CredentialSource
  readonly trustBundle: BundleSource
  readonly tokens: TokenVerifier
  /** SPIFFE IDs of the gateways, whose word is believed about others. */
  readonly gateways: ReadonlySet<string>
  /** Roles that may come without the gateway. */
  readonly direct: readonly Role[]
  readonly identityExtensionOid?: string | undefined
  readonly revocations?: RevocationSource | undefined
  /** Milliseconds since the epoch. */
  readonly now: () => number
}): RequestVerifier {
  const { credential, trustBundle, tokens, gateways, direct, now, identityExtensionOid } = options
  const { revocations } = options
  // A certificate cannot change on an open connection, so it is parsed once; whether it is still good is asked each time.
  const shown = new WeakMap<TLSSocket, Shown>()

  const peerOf = (socket: TLSSocket): Peer => {
    const peer = shown.get(socket) ?? readPeer(socket, credential.current(), identityExtensionOid)
    const { svid, intermediates } = peer
    const verified = { bundle: trustBundle.current(), intermediates, now: now() }
    const above = verifyX509Svid(svid, verified).map(revocableCa)
    shown.set(socket, peer)
    return { svid, above }
  }

  return async (request, body) => {
    // Its sender has been told that it was not received, and sends it again elsewhere.
    if (isTooLate(request))
      return refuse(400, 'the connection has ended: the request was not received')
    try {
      const { svid: peer, above } = peerOf(request.socket as TLSSocket)
      const revoked = revocations && judgeRevoked({ svid: peer, above }, revocations)
      if (revoked !== undefined) return revoked
      const role = peer.identity?.role
      // A role says what kind of workload it is. Who may speak for others here is who this server names.
      if (role === 'tool-broker' && gateways.has(peer.spiffeId.uri)) {
        return await throughGateway({ peer, request, body, tokens })
      }
      if (role !== undefined && role !== 'tool-broker' && direct.includes(role)) {
        return directCaller(peer)
      }
      return refuse(
        403,
        `want=a gateway of this server got=${peer.spiffeId.uri}, ${role ?? 'no role'}`,
      )
    } catch (error) {
      // Whatever went wrong, nobody was verified.
      return refuse(403, error instanceof CountersignError ? error.message : 'peer not verified')
    }
  }
}

/** So old what is known of revocations may be before nobody is let in: as with a gateway. */
export const staleSecondsMax = 120

interface Peer {
  readonly svid: X509Svid
  /** The CAs between it and its anchor. */
  readonly above: readonly Revocable[]
}

function judgeRevoked({ svid, above }: Peer, revocations: RevocationSource): Refusal | undefined {
  if (findRevocation(revocations, svid, above) !== undefined)
    return refuse(403, 'certificate is revoked')
  return revocations.staleSeconds > staleSecondsMax
    ? refuse(503, 'revocations are not known')
    : undefined
}

/** What the other end of a connection has shown. */
interface Shown {
  readonly svid: X509Svid
  readonly intermediates: readonly Buffer[]
}

function readPeer(
  socket: TLSSocket,
  own: Credential,
  identityExtensionOid: string | undefined,
): Shown {
  const intermediates = intermediatesOf(socket, own)
  const svid = parseX509Svid(
    socket.getPeerX509Certificate()?.raw ?? Buffer.alloc(0),
    identityExtensionOid === undefined ? {} : { identityExtensionOid },
  )
  return { svid, intermediates }
}

async function throughGateway(options: {
  readonly peer: X509Svid
  readonly request: IncomingMessage
  readonly body: Buffer
  readonly tokens: TokenVerifier
}): Promise<VerifiedCaller | Refusal> {
  const { peer, request, body, tokens } = options
  if (request.method !== 'POST') return directCaller(peer)
  // Whoever has read the body has bounded it.
  const message = parseMessage(body, request.rawHeaders, { bodyBytesMax: body.length })
  if (isProblem(message)) return refuse(400, message.message)
  const presented = request.headersDistinct['txn-token'] ?? []
  const asked = askedFor(message)
  if (asked === undefined) {
    return presented.length === 0
      ? directCaller(peer)
      : refuse(
          403,
          'want=a transaction token only with what names a tool, a prompt, a resource or a task',
        )
  }
  const [token] = presented
  if (token === undefined || presented.length > 1) {
    return refuse(403, `want=exactly one Txn-Token header got=${presented.length}`)
  }
  const digest = argumentsSha256(message.body, message.offsets)
  return callerOf(await tokens.verify(token, { peer, ...asked, argumentsSha256: digest }))
}

/** Whatever has a name is asked for in somebody's name; a gateway asks for lists and the like on its own account, too. */
function askedFor(
  message: Message,
): { readonly method: string; readonly target: string } | undefined {
  if (message.kind === 'response' || message.name === undefined) return undefined
  return { method: message.method, target: message.name }
}

function refuse(status: Refusal['status'], message: string): Refusal {
  return { refused: true, status, message }
}
