import { CountersignError } from '../../errors.ts'
import type { TrustDomain } from '../../identity/trust-domain.ts'
import type { ApiClient } from '../../kubernetes/api-client.ts'
import { isConflict } from '../../kubernetes/api-error.ts'
import { mergeObject, readObject } from '../../kubernetes/objects.ts'
import { readFields, readTextMap } from '../../kubernetes/read-field.ts'
import { readMetadata, type KubernetesObject, type Resource } from '../../kubernetes/resource.ts'
import {
  createSelfSignedAuthority,
  parseAuthority,
  staticAuthoritySource,
  type AuthoritySource,
} from '../../pki/authority.ts'

export interface AuthoritySecretOptions {
  readonly client: ApiClient
  readonly namespace: string
  readonly name: string
  readonly trustDomain: TrustDomain
  /** Of a new authority. */
  readonly lifetimeSeconds: number
  /** Below which every DNS name is that its certificates have. */
  readonly dnsSuffixes: readonly string[]
  /** Whether the URIs of a new authority are constrained to the trust domain. */
  readonly constrainUris?: boolean
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

interface Secret extends KubernetesObject {
  /** Base64 by name. */
  readonly data: Readonly<Record<string, string>>
}

const secrets: Resource<Secret> = {
  group: '',
  version: 'v1',
  plural: 'secrets',
  kind: 'Secret',
  namespaced: true,
  parse: (raw) => ({
    metadata: readMetadata(raw),
    data: readTextMap(readFields(raw, 'secret')['data'], 'data'),
  }),
}

/**
 * An authority whose key is kept in a Secret that is there already, by the names of a `kubernetes.io/tls` Secret, and filled by whichever
 * replica comes first: for development and small clusters. Throws `pki/authority` when the Secret is not there or holds something else;
 * what it holds is never replaced.
 */
export async function openAuthoritySecret(
  options: AuthoritySecretOptions,
): Promise<AuthoritySource> {
  const found = await readSecret(options)
  const secret = isEmpty(found) ? await fillSecret(found, options) : found
  const { trustDomain, now } = options
  return staticAuthoritySource(
    parseAuthority({
      certificatePem: decode(secret, 'tls.crt', options),
      privateKeyPem: decode(secret, 'tls.key', options),
      trustDomain,
      dnsSuffixes: options.dnsSuffixes,
      now,
    }),
  )
}

async function readSecret(options: AuthoritySecretOptions): Promise<Secret> {
  const { client, namespace, name } = options
  const secret = await readObject(client, secrets, { namespace, name })
  if (secret !== undefined) return secret
  throw new CountersignError('pki/authority', `secret ${namespace}/${name}: not found`, {
    hint: `the chart makes it, empty; by hand: kubectl -n ${namespace} create secret generic ${name}`,
  })
}

function isEmpty({ data }: Secret): boolean {
  return data['tls.crt'] === undefined && data['tls.key'] === undefined
}

/** A write over what was read: of two replicas that start at once one wins, and the other reads the winner's. */
async function fillSecret({ metadata }: Secret, options: AuthoritySecretOptions): Promise<Secret> {
  const { client, trustDomain, lifetimeSeconds, dnsSuffixes, constrainUris = false, now } = options
  const made = createSelfSignedAuthority({
    trustDomain,
    lifetimeSeconds,
    dnsSuffixes,
    constrainUris,
    now,
  })
  const data = { 'tls.crt': encode(made.certificatePem), 'tls.key': encode(made.privateKeyPem) }
  try {
    return await mergeObject(client, secrets, { metadata, patch: { data } })
  } catch (error) {
    if (!isConflict(error)) throw error
  }
  return readSecret(options)
}

function encode(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64')
}

function decode(secret: Secret, key: string, options: AuthoritySecretOptions): string {
  const value = secret.data[key]
  if (value !== undefined) return Buffer.from(value, 'base64').toString('utf8')
  throw new CountersignError(
    'pki/authority',
    `secret ${options.namespace}/${options.name}: ${key}: required`,
    {
      hint: 'it holds something that is not ours; name another one in authority.selfSigned.secret',
    },
  )
}
