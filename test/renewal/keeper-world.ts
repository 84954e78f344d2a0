import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import type { ApiClient } from '../../src/kubernetes/api-client.ts'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import { staticAuthoritySource, type Authority } from '../../src/pki/authority.ts'
import { parseCertificateRequest, requestedUsages } from '../../src/pki/certificate-request.ts'
import { createIssuer } from '../../src/pki/issue.ts'
import { formatPem, parsePem } from '../../src/pki/pem.ts'
import { openCredentialFolder, type CredentialFolder } from '../../src/renewal/credential-folder.ts'
import { createKeeper, type Keeper, type KeeperOptions } from '../../src/renewal/keep-credential.ts'
import { requestedSource } from '../../src/renewal/credential-source.ts'
import { readAnchors } from '../../src/renewal/published-anchors.ts'
import { verifyCredential } from '../../src/renewal/verify-credential.ts'
import { newAuthority, profile } from '../signer/signer-world.ts'
import { signerName } from '../signer/asked.ts'
import { FakeCluster, type RawObject } from '../support/fake-cluster.ts'
import { testIdentity } from '../support/test-authority.ts'
import { atOnce } from '../support/at-once.ts'

export const plural = 'certificatesigningrequests'
export const bundleName = 'countersign.dev:identity:example.org'
export const authority: Authority = newAuthority()
export function clusterWithAnchors(anchors: Authority = authority): FakeCluster {
  const cluster = new FakeCluster()
  publish(cluster, anchors)
  return cluster
}

export function publish(cluster: FakeCluster, { anchors }: Authority): void {
  const trustBundle = anchors.map((der) => formatPem('CERTIFICATE', der)).join('')
  cluster.put('clustertrustbundles', {
    metadata: { name: bundleName },
    spec: { signerName, trustBundle },
  })
}

/** A certificate for the key of a request. */
export function certificateFor(
  request: RawObject,
  by: Authority = authority,
  now: () => number = Date.now,
): string {
  const { request: base64 } = request['spec'] as { request: string }
  const pem = Buffer.from(base64, 'base64').toString('utf8')
  const [block] = parsePem(pem, { code: 'pki/csr-malformed', what: 'request', charactersMax: 9999 })
  const { key, names } = parseCertificateRequest(block?.der ?? Buffer.alloc(0))
  assert.deepEqual(names, [], 'it asks for no name')
  const authorities = staticAuthoritySource(by)
  const issuer = createIssuer({ profile, authorities, now, randomBytes })
  const identity = testIdentity({ trustDomain: profile.trustDomain })
  const prepared = issuer.prepare({ identity, dnsNames: [], key, lifetimeSeconds: 3600 })
  return atOnce(issuer.issue(prepared)).chainPem
}

export function answer(cluster: FakeCluster, status: object): void {
  const [request] = cluster.list(plural)
  assert.ok(request !== undefined)
  cluster.put(plural, { ...request, status })
}

export function issue(cluster: FakeCluster, by?: Authority): void {
  const [request] = cluster.list(plural)
  assert.ok(request !== undefined)
  const certificate = Buffer.from(certificateFor(request, by)).toString('base64')
  answer(cluster, { certificate })
}

export interface World {
  readonly folder: CredentialFolder
  readonly path: string
  readonly changes: () => number
  keeper(changed?: Changed): Keeper
}

type Requested = Parameters<typeof requestedSource>[0]
export type Changed = Partial<KeeperOptions & Omit<Requested, 'store'>>

export async function openWorld(cluster: FakeCluster, parent: string): Promise<World> {
  const path = await mkdtemp(join(parent, 'x'))
  const folder = await openCredentialFolder(path, { groupReadable: false })
  let changes = 0
  return {
    folder,
    path,
    changes: () => changes,
    keeper: (changed = {}) =>
      createKeeper({
        sources: [
          requestedSource({
            client: cluster,
            store: changed.folder ?? folder,
            signerName,
            usages: requestedUsages,
            keyType: 'ECDSAP256',
            annotations: { 'countersign.dev/tenant': 'acme' },
            anchors: publishedIn(cluster),
            ...changed,
          }),
        ],
        fallBackSeconds: 30,
        folder,
        verify: (credentialBundle, trustBundle) => {
          const { trustDomain } = profile
          const now = (changed.now ?? Date.now)()
          return verifyCredential(credentialBundle, { trustDomain, trustBundle, now })
        },
        renewPercent: 50,
        changed: () => {
          changes += 1
        },
        log: silentLog,
        metrics: silentMetrics,
        now: Date.now,
        // Nobody waits for long here.
        delay: (milliseconds, signal) =>
          new Promise((resolve, reject) => {
            const timer = setTimeout(resolve, Math.min(milliseconds, 5))
            signal.addEventListener('abort', () => {
              clearTimeout(timer)
              reject(signal.reason as Error)
            })
          }),
        ...changed,
      }),
  }
}

export function publishedIn(client: ApiClient): Requested['anchors'] {
  const { trustDomain } = profile
  return async (signal) => (await readAnchors({ client, signerName, trustDomain, signal })).pem
}

export const requestsOf = (cluster: FakeCluster): number =>
  cluster.requests.filter(({ method, path }) => method === 'POST' && path.endsWith(plural)).length
