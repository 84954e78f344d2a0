import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { workloadOf } from '../../src/identity/spiffe-id.ts'
import { createWork, type IssuedOptions } from '../../src/issued/controller.ts'
import type { ApiClient, ApiRequest } from '../../src/kubernetes/api-client.ts'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import { readAnchors } from '../../src/renewal/published-anchors.ts'
import { certificateFor, clusterWithAnchors, plural } from '../renewal/keeper-world.ts'
import { signerName } from '../signer/asked.ts'
import { profile } from '../signer/signer-world.ts'
import type { FakeCluster, RawObject } from '../support/fake-cluster.ts'
import { testIdentity } from '../support/test-authority.ts'

const { trustDomain } = profile
const { spiffeId } = testIdentity({ trustDomain })
const { namespace, serviceAccount: account } = workloadOf(spiffeId) ?? {
  namespace: '',
  serviceAccount: '',
}

export const place: {
  readonly namespace: string
  readonly name: string
  readonly secret: string
  readonly account: string
} = { namespace, name: 'search', secret: 'search-identity', account }
export const uri: string = spiffeId.uri
const key = `${namespace}/${place.name}`

export interface IssuedWorld {
  readonly cluster: FakeCluster
  /** As they were told, each once. */
  readonly states: string[]
  readonly clock: { now: number }
  /** One turn of the queue. Rejects where that would be tried again. */
  turn(): Promise<void | { againSeconds: number }>
  /** What runs is gone with all that it had in memory. */
  restart(changed?: Partial<IssuedOptions>): void
  /** Turn after turn, with time that passes as it is asked for, until the state is told. */
  until(state: string): Promise<void>
  certificate(): Status
  secret(): Readonly<Record<string, string>> | undefined
  requests(): readonly RawObject[]
}

export interface Status {
  readonly state?: string
  readonly observedGeneration?: number
  readonly error?: string
  readonly request?: string
  readonly notAfter?: string
  readonly podsLeft?: number
}

/** From each state, which may be told next. */
const next: Readonly<Record<string, readonly string[]>> = {
  '': ['Pending', 'Failed'],
  Pending: ['Requested', 'Failed'],
  Requested: ['Issued', 'Failed', 'Pending'],
  Issued: ['Finished', 'Pending', 'Failed'],
  Finished: ['Pending', 'Failed', 'Issued'],
  Failed: ['Pending', 'Requested', 'Issued'],
}

/** An API server in memory with one IssuedCertificate, and every promise that is made of it held after each request. */
export function openIssuedWorld(spec: object = {}): IssuedWorld {
  const cluster = clusterWithAnchors()
  cluster.put('serviceaccounts', { metadata: { name: account, namespace, uid: 'account-uid' } })
  cluster.put('issuedcertificates', {
    metadata: { name: place.name, namespace, uid: 'issued-uid', generation: 1 },
    spec: { hosts: [uri], issuedCertificateSecret: place.secret, ...spec },
  })
  const states: string[] = []
  const clock = { now: Date.now() }
  const client: ApiClient = {
    server: cluster.server,
    async request<T>(request: ApiRequest): Promise<T> {
      try {
        return await cluster.request<T>(request)
      } finally {
        hold(cluster, states)
      }
    },
    stream: (stream) => cluster.stream(stream),
    close: () => {},
  }
  const workOf = (changed: Partial<IssuedOptions> = {}): ReturnType<typeof createWork> =>
    createWork({
      client,
      signerName,
      trustDomain,
      renewPercent: 50,
      bouncePods: true,
      keyType: 'ECDSAP256',
      anchors: async (signal) =>
        (await readAnchors({ client: cluster, signerName, trustDomain, signal })).pem,
      now: () => clock.now,
      random: () => 0.5,
      log: silentLog,
      metrics: silentMetrics,
      ...changed,
    })
  let work = workOf()
  const world: IssuedWorld = {
    cluster,
    states,
    clock,
    turn: () => work(key, new AbortController().signal),
    restart: (changed) => void (work = workOf(changed)),
    async until(state) {
      for (let turns = 0; world.certificate().state !== state; turns += 1) {
        assert.ok(turns < 100, `${state} is not reached: ${states.join(' ')}`)
        try {
          const again = await world.turn()
          clock.now += (again?.againSeconds ?? 0) * 1000
        } catch (error) {
          clock.now += unlessBroken(error).againSeconds * 1000
        }
        if (state !== 'Requested') sign(world)
      }
    },
    certificate: () => cluster.get('issuedcertificates', place.name, namespace)?.['status'] ?? {},
    secret: () => secretOf(cluster),
    requests: () => cluster.list(plural),
  }
  return world
}

/** A request that fails is tried again; a promise that is broken ends the test. */
export function unlessBroken(error: unknown): { againSeconds: number } {
  if (error instanceof assert.AssertionError) throw error
  return { againSeconds: 1 }
}

/** What a signer does: everything that waits is issued. */
export function sign({ cluster, clock }: Pick<IssuedWorld, 'cluster' | 'clock'>): void {
  for (const request of cluster.list(plural)) {
    if (!isLive(request)) continue
    const certificate = Buffer.from(certificateFor(request, undefined, () => clock.now)).toString(
      'base64',
    )
    cluster.put(plural, { ...request, status: { certificate } })
  }
}

export function deny(cluster: FakeCluster): void {
  for (const request of cluster.list(plural)) {
    if (!isLive(request)) continue
    const condition = { type: 'Denied', status: 'True', reason: 'TenantNotProved', message: 'no' }
    cluster.put(plural, { ...request, status: { conditions: [condition] } })
  }
}

function isLive(request: RawObject): boolean {
  const { certificate, conditions } = (request['status'] ?? {}) as Record<string, unknown>
  return certificate === undefined && conditions === undefined
}

function secretOf(cluster: FakeCluster): Readonly<Record<string, string>> | undefined {
  const found = cluster.get('secrets', place.secret, namespace)
  if (found === undefined) return undefined
  const data = (found['data'] ?? {}) as Record<string, string>
  return Object.fromEntries(
    Object.entries(data).map(([name, value]) => [name, Buffer.from(value, 'base64').toString()]),
  )
}

function hold(cluster: FakeCluster, states: string[]): void {
  const { state, request } = (cluster.get('issuedcertificates', place.name, namespace)?.[
    'status'
  ] ?? {}) as Status
  const before = states.at(-1)
  if (state !== undefined && state !== before) {
    assert.ok(next[before ?? '']?.includes(state), `${before} is followed by ${state}`)
    states.push(state)
    // What a state says is there when it is told.
    if (state === 'Requested') assert.ok(cluster.get(plural, request ?? ''), 'a request is there')
    if (state === 'Issued' || state === 'Finished') assertKept(secretOf(cluster))
  }
  assert.ok(cluster.list(plural).filter(isLive).length <= 1, 'one request at a time')
  for (const each of ['issuedcertificates', plural]) {
    const told = JSON.stringify(cluster.list(each).map((object) => texts(object)))
    assert.ok(!told.includes('PRIVATE KEY'), `a key is in ${each}`)
  }
}

/** With what is base64 of a text in it. */
function texts(value: unknown): unknown {
  if (typeof value === 'string') return [value, Buffer.from(value, 'base64').toString('latin1')]
  return typeof value === 'object' && value !== null ? Object.values(value).map(texts) : value
}

function assertKept(secret: Readonly<Record<string, string>> | undefined): void {
  const { 'tls.crt': chain = '', 'tls.key': privateKey = '' } = secret ?? {}
  const certificate = new X509Certificate(chain)
  assert.ok(certificate.checkPrivateKey(createPrivateKey(privateKey)), 'key and chain fit')
  assert.equal(secret?.['credential-bundle.pem'], `${privateKey}${chain}`)
  assert.match(secret['trust-bundle.pem'] ?? '', /BEGIN CERTIFICATE/)
  assert.equal(secret['next.key'], undefined)
}
