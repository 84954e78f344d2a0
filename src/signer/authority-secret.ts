import { CountersignError } from '../errors.ts'
import type { TrustDomain } from '../identity/trust-domain.ts'
import type { ApiClient } from '../kubernetes/api-client.ts'
import { ApiError } from '../kubernetes/api-error.ts'
import {
  createSelfSignedAuthority,
  parseAuthority,
  staticAuthoritySource,
  type AuthoritySource,
} from '../pki/authority.ts'

export interface AuthoritySecretOptions {
  readonly client: ApiClient
  readonly namespace: string
  readonly name: string
  readonly trustDomain: TrustDomain
  /** Of a new authority. */
  readonly lifetimeSeconds: number
  /** DNS suffixes that its certificates may name. */
  readonly dnsSuffixes: readonly string[]
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

interface Secret {
  readonly data?: Readonly<Record<string, string>>
}

/**
 * An authority whose key is kept in a `kubernetes.io/tls` Secret, made by whichever replica comes first: for
 * development and small clusters. Throws `pki/authority` when the Secret holds something else, never replaces it.
 */
export async function openAuthoritySecret(
  options: AuthoritySecretOptions,
): Promise<AuthoritySource> {
  const secret = (await readSecret(options)) ?? (await createSecret(options))
  const { trustDomain, now } = options
  return staticAuthoritySource(
    parseAuthority({
      certificatePem: decode(secret, 'tls.crt', options),
      privateKeyPem: decode(secret, 'tls.key', options),
      trustDomain,
      now,
    }),
  )
}

function collection({ namespace }: AuthoritySecretOptions): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets`
}

async function readSecret(options: AuthoritySecretOptions): Promise<Secret | undefined> {
  const path = `${collection(options)}/${encodeURIComponent(options.name)}`
  try {
    return await options.client.request<Secret>({ method: 'GET', path })
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined
    throw error
  }
}

/** A create cannot replace, so of two replicas that start at once one wins and the other reads the winner's. */
async function createSecret(options: AuthoritySecretOptions): Promise<Secret> {
  const { client, namespace, name, trustDomain, lifetimeSeconds, dnsSuffixes, now } = options
  const made = createSelfSignedAuthority({ trustDomain, lifetimeSeconds, dnsSuffixes, now })
  const body = {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'kubernetes.io/tls',
    metadata: { name, namespace },
    data: { 'tls.crt': encode(made.certificatePem), 'tls.key': encode(made.privateKeyPem) },
  }
  try {
    return await client.request<Secret>({ method: 'POST', path: collection(options), body })
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 409) throw error
  }
  const winner = await readSecret(options)
  if (winner !== undefined) return winner
  throw new CountersignError('pki/authority', `secret ${namespace}/${name} came and went`)
}

function encode(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64')
}

function decode(secret: Secret, key: string, options: AuthoritySecretOptions): string {
  const value = secret.data?.[key]
  if (value !== undefined) return Buffer.from(value, 'base64').toString('utf8')
  throw new CountersignError(
    'pki/authority',
    `secret ${options.namespace}/${options.name}: ${key}: required`,
    {
      hint: 'it is no kubernetes.io/tls Secret of ours; name another one in authority.selfSigned.secret',
    },
  )
}
