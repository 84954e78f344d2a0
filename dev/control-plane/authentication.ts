import { createHash, randomBytes, randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { ObjectStore } from './object-store.ts'
import { serviceAccounts } from './resources/plain.ts'
import { pods } from './resources/pod.ts'
import type { User } from './user.ts'

interface Grant {
  readonly user: User
  readonly expiresAt: number
  readonly serviceAccount: {
    readonly namespace: string
    readonly name: string
    readonly uid: string
  }
  readonly pod: { readonly name: string; readonly uid: string } | undefined
}

export interface TokenRequest {
  readonly namespace: string
  readonly serviceAccount: { readonly name: string; readonly uid: string }
  readonly lifetimeSeconds: number
  readonly pod?: {
    readonly name: string
    readonly uid: string
    readonly node: { readonly name: string; readonly uid: string } | undefined
  }
}

const tokensMax = 100_000

/** Bearer tokens of service accounts: opaque, kept as digests, dead with their account or pod. */
export class Tokens {
  readonly #store: ObjectStore
  readonly #now: () => number
  readonly #grants = new Map<string, Grant>()

  constructor(options: { readonly store: ObjectStore; readonly now: () => number }) {
    this.#store = options.store
    this.#now = options.now
  }

  issue(request: TokenRequest): { readonly token: string; readonly expiresAt: number } {
    const token = randomBytes(32).toString('base64url')
    const expiresAt = this.#now() + request.lifetimeSeconds * 1000
    const { namespace, serviceAccount, pod } = request
    const [oldest] = this.#grants.keys()
    if (this.#grants.size >= tokensMax && oldest !== undefined) this.#grants.delete(oldest)
    this.#grants.set(digest(token), {
      user: userOf(request),
      expiresAt,
      serviceAccount: { namespace, ...serviceAccount },
      pod,
    })
    return { token, expiresAt }
  }

  /** The user of a token that is still good. */
  authenticate(token: string): User | undefined {
    const grant = this.#grants.get(digest(token))
    if (grant === undefined) return undefined
    if (this.#now() < grant.expiresAt && this.#isAlive(grant)) return grant.user
    this.#grants.delete(digest(token))
    return undefined
  }

  #isAlive({ serviceAccount, pod }: Grant): boolean {
    const { namespace, name, uid } = serviceAccount
    if (this.#store.get(serviceAccounts, namespace, name)?.metadata.uid !== uid) return false
    return pod === undefined || this.#store.get(pods, namespace, pod.name)?.metadata.uid === pod.uid
  }
}

function digest(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

function userOf({ namespace, serviceAccount, pod }: TokenRequest): User {
  const key = (name: string): string => `authentication.kubernetes.io/${name}`
  const bound = {
    'pod-name': pod?.name,
    'pod-uid': pod?.uid,
    'node-name': pod?.node?.name,
    'node-uid': pod?.node?.uid,
    'credential-id': `JTI=${randomUUID()}`,
  }
  const extra = Object.entries(bound).flatMap(([name, value]) =>
    value === undefined ? [] : [[key(name), [value]] as const],
  )
  return {
    name: `system:serviceaccount:${namespace}:${serviceAccount.name}`,
    uid: serviceAccount.uid,
    groups: [
      'system:serviceaccounts',
      `system:serviceaccounts:${namespace}`,
      'system:authenticated',
    ],
    extra: Object.fromEntries(extra),
  }
}

/** The user of a request, or undefined: nobody is anonymous here. */
export function authenticate(request: IncomingMessage, tokens: Tokens): User | undefined {
  const { socket } = request
  // A certificate that does not verify is as good as none, and no token makes up for it.
  if (socket instanceof TLSSocket && socket.getPeerX509Certificate() !== undefined) {
    return socket.authorized ? certificateUser(socket) : undefined
  }
  const match = /^Bearer ([A-Za-z0-9_-]{1,512})$/i.exec(request.headers.authorization ?? '')
  return match?.[1] === undefined ? undefined : tokens.authenticate(match[1])
}

/** User from CN, groups from every O, as kube-apiserver maps them. */
function certificateUser(socket: TLSSocket): User | undefined {
  const { subject } = socket.getPeerCertificate()
  // The types know one value for each; OpenSSL gives a list where there are several.
  const valuesOf = (value: string | readonly string[] | undefined): readonly string[] =>
    value === undefined ? [] : [value].flat()
  const [name] = valuesOf(subject?.CN)
  if (name === undefined || name === '') return undefined
  return { name, groups: [...valuesOf(subject.O), 'system:authenticated'] }
}
