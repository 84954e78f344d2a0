import type { TLSSocket } from 'node:tls'
import { Bag } from '../../bag.ts'
import { CountersignError } from '../../errors.ts'
import type { WorkloadIdentity } from '../../identity/workload-identity.ts'
import type { Bundle } from '../../pki/bundle.ts'
import type { CredentialSource } from '../../pki/credential.ts'
import { parseX509Svid, type X509Svid } from '../../pki/x509-svid.ts'
import type { DecisionSubject } from '../../policy/authorizer.ts'
import { formatInput, type InputText } from '../../policy/input.ts'
import { intermediatesOf } from '../../pki/peer-chain.ts'
import { identityRefusal, type Refusal } from '../refusal.ts'
import { accountOf, type Account, type BodyRoom, type Unsent } from '../shares.ts'

/** Who is at the other end of one TLS connection: parsed once, judged on every request. */
export interface Caller {
  readonly svid: X509Svid
  readonly identity: WorkloadIdentity
  /** SPIFFE ID and pod UID: what owns a session. A renewed certificate of the same pod is the same owner. */
  readonly owner: string
  /** What policy is told of it, as text: all of it from its certificate. */
  readonly subjectText: InputText
  /** What it takes of the gateway is taken on this account. */
  readonly account: Account
  readonly unsent: Unsent
  readonly bodies: BodyRoom
  /** Ends one open answer each, and says why in it. */
  readonly streams: Bag<(refusal: Refusal) => void>
  /** Why nothing is done for it any more, whatever was begun: its identity has ended since. */
  ended: Refusal | undefined
  /** Requests of this connection between their first check and the end of their answer. */
  open: number
  readonly intermediates: readonly Buffer[]
  /** The bundle that the chain was last verified with: another one means verifying again. */
  verifiedWith: Bundle | undefined
}

export interface CallerOptions {
  readonly credential: CredentialSource
  readonly identityExtensionOid?: string | undefined
  readonly unsentOf: (account: Account) => Unsent
  readonly bodiesOf: (account: Account) => BodyRoom
}

/** A caller that is not even judged, with its certificate where that could be read. */
export interface Stranger {
  readonly refusal: Refusal
  readonly svid: X509Svid | undefined
}

/** Reads the certificate of a finished handshake. `socket.authorized` is no evidence: it survives the certificate. */
export function parseCaller(socket: TLSSocket, options: CallerOptions): Caller | Stranger {
  const raw = socket.getPeerX509Certificate()?.raw
  if (!socket.authorized || raw === undefined) return stranger('no client certificate')
  try {
    const { identityExtensionOid } = options
    const svid = parseX509Svid(raw, {
      isKeyProven: true,
      ...(identityExtensionOid === undefined ? {} : { identityExtensionOid }),
    })
    const { identity } = svid
    if (identity === undefined) {
      const refusal = identityRefusal('certificate has no identity extension', svid.spiffeId.uri)
      return { refusal, svid }
    }
    const account = accountOf(identity)
    return {
      svid,
      identity,
      owner: `${svid.spiffeId.uri} ${identity.pod.uid}`,
      subjectText: formatInput(subjectOf(svid, identity)),
      account,
      unsent: options.unsentOf(account),
      streams: new Bag(),
      bodies: options.bodiesOf(account),
      ended: undefined,
      open: 0,
      intermediates: intermediatesOf(socket, options.credential.current()),
      verifiedWith: undefined,
    }
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    return stranger('certificate is no X.509 SVID', error.message)
  }
}

/** Somebody whose certificate tells nothing. */
export function stranger(message: string, detail?: string): Stranger {
  return { refusal: identityRefusal(message, detail), svid: undefined }
}

/** What policy is told of a caller: only what its certificate proves. */
function subjectOf(svid: X509Svid, identity: WorkloadIdentity): DecisionSubject {
  const { role, tenant, ceiling, namespace, serviceAccount, pod } = identity
  return {
    type: 'identity',
    id: svid.spiffeId.uri,
    properties: {
      ...(role === undefined ? {} : { role }),
      ...(tenant === undefined ? {} : { tenant }),
      models: ceiling.models,
      toolScopes: ceiling.toolScopes.map((scope) => scope.text),
      namespace: namespace.name,
      serviceAccount: serviceAccount.name,
      pod: { name: pod.name, uid: pod.uid },
      certificate: { sha256: svid.sha256, notAfter: svid.notAfter.toISOString() },
    },
  }
}
