import { CountersignError, quoted } from '../errors.ts'
import { isDnsLabel, isDnsSubdomain } from './kubernetes-name.ts'
import { parseTrustDomain } from './trust-domain.ts'
import type { TrustDomain } from './trust-domain.ts'

/** A SPIFFE ID in its one spelling: two IDs are the same exactly when their `uri` are equal. */
export interface SpiffeId {
  readonly uri: string
  readonly trustDomain: TrustDomain
  /** Empty (the ID of a trust domain itself) or `/` and segments. */
  readonly path: string
}

const scheme = 'spiffe://'

/** SPIFFE-ID §2.3: implementations support this many octets and generate no more. */
const uriOctetsMax = 2048

/** Parses a SPIFFE ID (SPIFFE-ID §2). Throws `identity/spiffe-id`. */
export function parseSpiffeId(uri: string): SpiffeId {
  if (uri.length > uriOctetsMax) {
    throw refused(`SPIFFE ID is too long, want=..${uriOctetsMax} got=${uri.length}`)
  }
  if (!uri.startsWith(scheme)) {
    throw refused(`SPIFFE ID has another scheme, want=spiffe:// got=${quoted(uri)}`)
  }
  const slash = uri.indexOf('/', scheme.length)
  const host = slash === -1 ? uri.slice(scheme.length) : uri.slice(scheme.length, slash)
  const path = slash === -1 ? '' : uri.slice(slash)
  const trustDomain = parseHost(host, uri)
  if (path !== '') checkPath(path, uri)
  return { uri, trustDomain, path }
}

/**
 * The SPIFFE ID of a workload, `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`: at most 588 octets.
 * Throws `identity/spiffe-id` for what is no Kubernetes name.
 */
export function workloadSpiffeId(options: {
  readonly trustDomain: TrustDomain
  readonly namespace: string
  readonly serviceAccount: string
}): SpiffeId {
  const { trustDomain, namespace, serviceAccount } = options
  if (!isDnsLabel(namespace)) {
    throw refused(`namespace is not a DNS label, got=${quoted(namespace)}`)
  }
  if (!isDnsSubdomain(serviceAccount)) {
    throw refused(`service account is not a DNS subdomain, got=${quoted(serviceAccount)}`)
  }
  const path = `/ns/${namespace}/sa/${serviceAccount}`
  return { uri: `${scheme}${trustDomain}${path}`, trustDomain, path }
}

/** The workload that an ID of our shape names, undefined for an ID of any other shape. */
export function workloadOf(
  id: SpiffeId,
): { readonly namespace: string; readonly serviceAccount: string } | undefined {
  const match = /^\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(id.path)
  const namespace = match?.[1]
  const serviceAccount = match?.[2]
  if (namespace === undefined || serviceAccount === undefined) return undefined
  if (!isDnsLabel(namespace) || !isDnsSubdomain(serviceAccount)) return undefined
  return { namespace, serviceAccount }
}

function parseHost(host: string, uri: string): TrustDomain {
  try {
    return parseTrustDomain(host)
  } catch (error) {
    throw new CountersignError(
      'identity/spiffe-id',
      `SPIFFE ID has no valid trust domain, got=${quoted(uri)}`,
      { cause: error },
    )
  }
}

/** SPIFFE-ID §2.2: no empty, `.` or `..` segment, no trailing slash; the alphabet leaves no room for query, fragment or percent-encoding. */
function checkPath(path: string, uri: string): void {
  for (const segment of path.slice(1).split('/')) {
    if (segment === '') {
      throw refused(`SPIFFE ID has an empty path segment, got=${quoted(uri)}`)
    }
    if (segment === '.' || segment === '..') {
      throw refused(`SPIFFE ID has a relative path segment, got=${quoted(uri)}`)
    }
    if (!/^[a-zA-Z0-9._-]+$/.test(segment)) {
      throw refused(
        `SPIFFE ID has a path character outside its alphabet, want=[a-zA-Z0-9._-] got=${quoted(uri)}`,
      )
    }
  }
}

function refused(message: string): CountersignError {
  return new CountersignError('identity/spiffe-id', message)
}
