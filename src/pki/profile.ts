import { hash } from 'node:crypto'
import { isIPv4 } from 'node:net'
import { CountersignError, quoted } from '../errors.ts'
import type { TrustDomain } from '../identity/trust-domain.ts'
import { isClusterName } from './identity-extension.ts'
import { parseIdentityExtensionOid } from './identity-extension-oid.ts'
import { parseObjectIdentifier } from './oid.ts'
import { keyTypes as everyKeyType } from './subject-key.ts'
import type { KeyType } from './subject-key.ts'

export interface ProfileConfig {
  readonly trustDomain: TrustDomain
  /** The cluster's name as the identity extension says it: 1 to 253 of letters, digits and `. _ : / -`. */
  readonly cluster: string
  /** Key types that are certified; all six by default. */
  readonly keyTypes?: readonly KeyType[]
  /** 3600 to 86400, default 3600. */
  readonly lifetimeSecondsMax?: number
  /** How far before the signature a certificate begins, for clocks that are behind: 0 to 120, default 90. */
  readonly backdateSeconds?: number
  /** The number of the identity extension; required in production. */
  readonly identityExtensionOid?: string | undefined
  /** Refuses what is fit for trying out only. Default true. */
  readonly production?: boolean
}

declare const brand: unique symbol

/** What every certificate of a signer has in common. Only `createProfile` makes one, so its rules hold wherever one is seen. */
export type Profile = ProfileFields & { readonly [brand]: 'Profile' }

export interface ProfileFields {
  readonly trustDomain: TrustDomain
  readonly cluster: string
  readonly keyTypes: readonly KeyType[]
  readonly lifetimeSecondsMax: number
  readonly backdateSeconds: number
  readonly production: boolean
  /** Dotted. */
  readonly identityExtensionOid: string
  /** The content of `identityExtensionOid` in hex: the key under which a certificate's extensions are found. */
  readonly extensionKey: string
  /** SHA-256 over all fields, hex: records say by which profile a certificate was made. */
  readonly digest: string
}

/** The API server refuses certificates that live shorter (PodCertificateRequest status validation). */
export const lifetimeSecondsMin = 3600

/** Checks a profile's configuration and fills in defaults. Throws `pki/profile` or `pki/identity-extension-oid`, naming the field. */
export function createProfile(config: ProfileConfig): Profile {
  const {
    trustDomain,
    cluster,
    keyTypes = everyKeyType,
    lifetimeSecondsMax = 3600,
    backdateSeconds = 90,
    production = true,
  } = config
  // SPIFFE-ID §2.3 allows 255, the DNS and Go 253.
  if (trustDomain.length > 253) {
    throw refused('trustDomain', `is too long, want=..253 got=${trustDomain.length}`)
  }
  // Go judges no URI with an address for its host by name constraints, and refuses the certificate.
  if (isIPv4(trustDomain)) {
    throw refused('trustDomain', `is an IP address and no name, got=${quoted(trustDomain)}`)
  }
  if (!isClusterName(cluster)) {
    throw refused('cluster', `is not 1..253 of [A-Za-z0-9._:/-], got=${quoted(cluster)}`)
  }
  if (keyTypes.length === 0 || keyTypes.some((type) => !everyKeyType.includes(type))) {
    throw refused(
      'keyTypes',
      `is not a choice of ${everyKeyType.join('|')}, got=${quoted(keyTypes.join(','))}`,
    )
  }
  checkSeconds('lifetimeSecondsMax', lifetimeSecondsMax, { min: lifetimeSecondsMin, max: 86400 })
  checkSeconds('backdateSeconds', backdateSeconds, { min: 0, max: 120 })
  const identityExtensionOid = parseIdentityExtensionOid(config.identityExtensionOid, {
    production,
  })
  const fields: Omit<ProfileFields, 'digest'> = {
    trustDomain,
    cluster,
    keyTypes: everyKeyType.filter((type) => keyTypes.includes(type)),
    lifetimeSecondsMax,
    backdateSeconds,
    production,
    identityExtensionOid,
    extensionKey: parseObjectIdentifier(identityExtensionOid),
  }
  const profile: ProfileFields = {
    ...fields,
    digest: hash('sha256', JSON.stringify(fields), 'hex'),
  }
  return profile as Profile
}

function checkSeconds(
  field: string,
  value: number,
  bounds: { readonly min: number; readonly max: number },
): void {
  if (Number.isInteger(value) && value >= bounds.min && value <= bounds.max) return
  throw refused(field, `is out of bounds, want=${bounds.min}..${bounds.max} got=${value}`)
}

function refused(field: string, message: string): CountersignError {
  return new CountersignError('pki/profile', `${field} ${message}`)
}
