import {
  createProof,
  createRequest,
  generateKey,
  joinBlocks,
  type KeyName,
  type ProofFlaw,
  type RequestFlaw,
} from './vector-material.ts'
import {
  bundlesPath,
  namespace,
  oldRequestsPath,
  requestsPath,
  revocationsPath,
  signerName,
  storedBundle,
  type World,
} from './vector-world.ts'

export type Json = Record<string, unknown>

/** One line of test/vectors/kubernetes: what is sent differs from what is valid as these members say. */
export interface Vector {
  readonly name: string
  /** A user of the world; admin unless told. */
  readonly as?: string
  readonly want: {
    /** `accepted`, or the HTTP status of the refusal. */
    readonly answer: 'accepted' | number
    /** One of the causes has these members. */
    readonly cause?: { readonly field?: string; readonly reason?: string }
    /** No cause has this field. */
    readonly without?: string
    /** Members of the answer by their path; null: absent. */
    readonly shows?: Readonly<Record<string, unknown>>
  }
  readonly query?: Record<string, string>
  readonly metadata?: Json
  readonly spec?: Json
  readonly status?: Json
  readonly key?: KeyName
  readonly flaw?: RequestFlaw
  /** A key in the form of kubelets before 1.36. */
  readonly proof?: { readonly key: KeyName; readonly flaw?: ProofFlaw }
  /** The stored object that is changed: a request (pending, denied, issued), or the stored bundle. */
  readonly to?: string
  readonly how?: 'merge' | 'put' | 'json' | 'strategic'
  /** The status to begin with. */
  readonly like?: 'issued' | 'denied' | 'nothing' | 'stored'
  /** Seconds from now, for the status and its leaf. */
  readonly times?: Times
  readonly leaf?: { key?: string; dns?: string[]; uri?: null; ca?: boolean; signer?: 'unknown' }
  readonly chain?: readonly (string | { text: string })[]
  readonly condition?: Json
  /** Further conditions, each as the first one but for these members. */
  readonly more?: readonly Json[]
  /** Members of the body; null: left out. */
  readonly set?: Json
  /** The name of the trust bundle. */
  readonly bundle?: string
  readonly signerName?: string | null
  readonly pem?: readonly (string | { text: string })[]
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  readonly path?: string
  readonly body?: Json
}

interface Times {
  readonly notBefore: number
  readonly beginRefreshAt: number
  readonly notAfter: number
}

/** What goes over the wire. */
export interface Sent {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly query: Record<string, string>
  readonly body?: unknown
  readonly contentType?: string
}

const dryRun = { dryRun: 'All' }
const usualTimes: Times = { notBefore: -60, beginRefreshAt: 1740, notAfter: 3540 }

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** As RFC 7396: null takes a member away. Placeholders are values, not members to merge. */
function overlay(base: Json, changes: Json): Json {
  const merged: Json = { ...base }
  for (const [name, value] of Object.entries(changes)) {
    const isValue = !isObject(value) || Object.keys(value)[0]?.startsWith('$') === true
    const old = merged[name]
    if (value === null) delete merged[name]
    else merged[name] = isValue ? value : overlay(isObject(old) ? old : {}, value)
  }
  return merged
}

function wholeSeconds(now: number, seconds: number, suffix = 'Z'): string {
  const at = new Date((Math.floor(now / 1000) + seconds) * 1000).toISOString()
  return at.replace('.000Z', suffix)
}

/** Turns the placeholders of a vector (`$repeat`, `$time`, `$uid`, `$issued`, `$request`) into what they stand for. */
function expand(value: unknown, world: World, issued: Json, now: number): unknown {
  if (Array.isArray(value)) return value.map((entry) => expand(entry, world, issued, now))
  if (!isObject(value)) return value
  const [[name, argument] = []] = Object.entries(value)
  if (name === '$repeat') {
    const [text, count] = argument as [string, number]
    return text.repeat(count)
  }
  if (name === '$time') {
    const [seconds, suffix] = [argument].flat() as [number, string?]
    return wholeSeconds(now, seconds, suffix)
  }
  if (name === '$uid') return world.uids.get(argument as string)
  if (name === '$request') return world.request
  if (name === '$issued') return issued[argument as string]
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [key, expand(entry, world, issued, now)]),
  )
}

/** A PodCertificateRequest as the pod's kubelet would write it. */
export function requestBody(world: World, more: { metadata?: Json; spec?: Json } = {}): Json {
  const base = {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'PodCertificateRequest',
    metadata: { generateName: 'req-', namespace },
    spec: {
      signerName,
      podName: 'worker',
      podUID: world.uids.get('pod'),
      serviceAccountName: 'worker',
      serviceAccountUID: world.uids.get('service-account'),
      nodeName: 'vectors-node',
      nodeUID: world.uids.get('node'),
      maxExpirationSeconds: 7200,
      stubPKCS10Request: world.request,
    },
  }
  return overlay(base, more)
}

export function createVector(vector: Vector, world: World, now: number): Sent {
  const { metadata = {}, spec = {}, status = {}, key = 'ECDSAP256', flaw } = vector
  const ownKey = vector.key !== undefined || flaw !== undefined
  const stubPKCS10Request = ownKey
    ? createRequest(generateKey(key), flaw).toString('base64')
    : world.request
  const body = overlay(requestBody(world, { spec: { stubPKCS10Request } }), {
    metadata,
    spec,
    status,
  })
  return {
    method: 'POST',
    path: requestsPath,
    query: { ...dryRun, ...vector.query },
    body: expand(body, world, {}, now),
  }
}

/** A create in v1beta1, with no key but the one that the vector names. */
export function oldVersionVector(vector: Vector, world: World, now: number): Sent {
  const { key, flaw } = vector.proof ?? {}
  const podUid = world.uids.get('pod') ?? ''
  const pair = key === undefined ? undefined : createProof(generateKey(key), podUid, flaw)
  const body = overlay(requestBody(world, { spec: { stubPKCS10Request: null } }), {
    apiVersion: 'certificates.k8s.io/v1beta1',
    metadata: vector.metadata ?? {},
    spec: {
      pkixPublicKey: pair?.spki.toString('base64'),
      proofOfPossession: pair?.proof.toString('base64'),
    },
  })
  const filled = overlay(body, { spec: vector.spec ?? {} })
  return {
    method: 'POST',
    path: oldRequestsPath,
    query: { ...dryRun, ...vector.query },
    body: expand(filled, world, {}, now),
  }
}

async function issuedStatus(vector: Vector, world: World, now: number): Promise<Json> {
  const times = vector.times ?? usualTimes
  const { leaf = {}, chain = ['leaf'] } = vector
  const at = (seconds: number): Date => new Date((Math.floor(now / 1000) + seconds) * 1000)
  const pem = await world.material.issueLeaf({
    notBefore: at(times.notBefore),
    notAfter: at(times.notAfter),
    spki:
      leaf.key === undefined
        ? world.spki
        : generateKey('ECDSAP256').publicKey.export({ type: 'spki', format: 'der' }),
    dns: leaf.dns,
    uri: leaf.uri !== null,
    ca: leaf.ca ?? false,
    signer: leaf.signer ?? 'root',
  })
  const blocks = {
    ...world.material.blocks,
    leaf: pem,
    'leaf-crlf': pem.replaceAll('\n', '\r\n'),
    'leaf-headers': pem.replace('CERTIFICATE-----\n', 'CERTIFICATE-----\nnote: a\n\n'),
  }
  const wanted = expand(chain, world, {}, now) as typeof chain
  return {
    conditions: [condition('Issued', now)],
    certificateChain: joinBlocks(blocks, wanted),
    notBefore: wholeSeconds(now, times.notBefore),
    beginRefreshAt: wholeSeconds(now, times.beginRefreshAt),
    notAfter: wholeSeconds(now, times.notAfter),
  }
}

function condition(type: string, now: number): Json {
  return {
    type,
    status: 'True',
    reason: 'Vector',
    message: 'a vector',
    lastTransitionTime: wholeSeconds(now, 0),
  }
}

async function statusOf(
  vector: Vector,
  world: World,
  stored: Json,
  now: number,
): Promise<{ status: Json; issued: Json }> {
  const issued = await issuedStatus(vector, world, now)
  const begin: Readonly<Record<string, Json>> = {
    issued,
    denied: { conditions: [condition('Denied', now)] },
    nothing: {},
    stored: stored['status'] as Json,
  }
  const status = { ...begin[vector.like ?? 'issued'] }
  if (vector.condition === undefined && vector.more === undefined) return { status, issued }
  const [first = {}] = status['conditions'] as Json[]
  const changed = overlay(first, vector.condition ?? {})
  const others = (vector.more ?? []).map((members) => overlay(changed, members))
  return { status: { ...status, conditions: [changed, ...others] }, issued }
}

export async function statusVector(
  vector: Vector,
  world: World,
  stored: Json,
  now: number,
): Promise<Sent> {
  const metadata = stored['metadata'] as Json
  const { status, issued } = await statusOf(vector, world, stored, now)
  const { uid, resourceVersion, name } = metadata
  const filled = overlay({ metadata: { uid, resourceVersion }, status }, vector.set ?? {})
  const body = expand(filled, world, issued, now) as { metadata: Json; status: Json }
  const sent = {
    path: `${requestsPath}/${String(name)}/status`,
    query: { ...dryRun, ...vector.query },
  }
  const patch = { ...sent, method: 'PATCH' } as const
  const ways: Readonly<Record<Exclude<Vector['how'], undefined>, () => Sent>> = {
    merge: () => ({ ...patch, body, contentType: 'application/merge-patch+json' }),
    strategic: () => ({ ...patch, body, contentType: 'application/strategic-merge-patch+json' }),
    put() {
      const rest = { metadata: { resourceVersion: null, uid: null }, status: null }
      return { ...sent, method: 'PUT', body: overlay(overlay(stored, rest), body) }
    },
    json() {
      const path = '/metadata/resourceVersion'
      const test = { op: 'test', path, value: resourceVersion }
      const add = { op: 'add', path: '/status', value: body.status }
      return { ...patch, body: [test, add], contentType: 'application/json-patch+json' }
    },
  }
  return ways[vector.how ?? 'merge']()
}

export function bundleVector(vector: Vector, world: World, now: number): Sent {
  const blocks = world.material.blocks
  const pem = expand(vector.pem ?? ['root'], world, {}, now) as (string | { text: string })[]
  const trustBundle = joinBlocks(blocks, pem)
  if (vector.to !== undefined) {
    const spec = vector.pem === undefined ? {} : { trustBundle }
    return {
      method: 'PATCH',
      path: `${bundlesPath}/${encodeURIComponent(storedBundle)}`,
      query: dryRun,
      body: overlay({ spec }, vector.set ?? {}),
      contentType: 'application/merge-patch+json',
    }
  }
  return { method: 'POST', path: bundlesPath, query: dryRun, body: bundleBody(vector, trustBundle) }
}

export function bundleBody(
  vector: Pick<Vector, 'bundle' | 'signerName'>,
  trustBundle: string,
): Json {
  const signer = vector.signerName === undefined ? signerName : vector.signerName
  return {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'ClusterTrustBundle',
    metadata: { name: vector.bundle ?? 'countersign.dev:vectors:new' },
    spec: { trustBundle, ...(signer === null ? {} : { signerName: signer }) },
  }
}

export function revocationVector(vector: Vector, world: World, now: number): Sent {
  const body = {
    apiVersion: 'countersign.dev/v1alpha1',
    kind: 'Revocation',
    metadata: { generateName: 'vector-' },
    spec: vector.spec,
  }
  return {
    method: 'POST',
    path: revocationsPath,
    query: { ...dryRun, ...vector.query },
    body: expand(body, world, {}, now),
  }
}

export function accessVector(vector: Vector): Sent {
  const { method = 'GET', path = '', query = {}, body } = vector
  if (body === undefined) return { method, path, query }
  const contentType = method === 'POST' ? 'application/json' : 'application/merge-patch+json'
  return { method, path, query, body, contentType }
}
