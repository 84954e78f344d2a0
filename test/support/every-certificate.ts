import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { createApiClient, type ApiClient } from '../../src/kubernetes/api-client.ts'
import {
  certificateSigningRequests,
  type CertificateSigningRequest,
} from '../../src/kubernetes/certificate-signing-request.ts'
import { clusterTrustBundles } from '../../src/kubernetes/cluster-trust-bundle.ts'
import { configMaps } from '../../src/kubernetes/config-map.ts'
import { startInformer } from '../../src/kubernetes/informer.ts'
import { podCertificateRequests } from '../../src/kubernetes/pod-certificate-request.ts'
import {
  resourcePath,
  type KubernetesObject,
  type Resource,
} from '../../src/kubernetes/resource.ts'
import { silentLog } from '../../src/log.ts'
import { silentMetrics } from '../../src/metrics.ts'
import { certificateBlocks } from '../../src/pki/pem.ts'
import { askGo, askOpensslOfAll, goVerifier, type ChainToVerify } from './other-verifiers.ts'

/** What others verify of all that was issued while a test ran, whatever became of the requests. */
export interface EveryCertificate {
  /** Rejects with what OpenSSL or Go say of the first that they do not take. Gives how many they took. */
  verify(): Promise<number>
}

/** Follows every certificate that an API server is told of, and every anchor that is published there. */
export function followEveryCertificate(kubeconfig: string): EveryCertificate {
  const client = createApiClient({ kubeconfig })
  const chains = new Set<string>()
  const anchors = new Set<string>()
  const see = <T extends KubernetesObject>(
    resource: Resource<T>,
    pems: (object: T) => readonly string[],
    into: Set<string>,
  ): (() => Promise<void>) => {
    const note = (object: T): void => {
      for (const pem of pems(object)) if (pem !== '') into.add(pem)
    }
    const quiet = { log: silentLog, metrics: silentMetrics }
    const informer = startInformer({ client, resource, keptBytesMax: 1024 * 1024, ...quiet })
    informer.onEvent(({ object }) => note(object))
    return async () => {
      await informer[Symbol.asyncDispose]()
      // What was written last a watch may not have told yet.
      for (const object of await listAll(client, resource)) note(object)
    }
  }
  const ends = [
    see(podCertificateRequests('v1'), ({ status }) => [status.certificateChain], chains),
    see(certificateSigningRequests, certificatesForWorkloads, chains),
    see(clusterTrustBundles('v1'), ({ trustBundle }) => [trustBundle], anchors),
    see(configMaps, ({ data }) => Object.values(data), anchors),
  ]
  return {
    async verify() {
      for (const end of ends) await end()
      client.close()
      return verifyEvery(chains, anchors)
    },
  }
}

/** What the cluster's own signers sign for nodes is none of ours. */
function certificatesForWorkloads({ spec, status }: CertificateSigningRequest): readonly string[] {
  return spec.signerName.startsWith('kubernetes.io/') ? [] : [status.certificate]
}

/** Nothing where it is not served, or where the server is gone. */
async function listAll<T>(client: ApiClient, resource: Resource<T>): Promise<readonly T[]> {
  const path = resourcePath(resource, {})
  const answer = await client.request({ method: 'GET', path }).catch(() => undefined)
  const { items = [] } = (answer ?? {}) as { readonly items?: readonly unknown[] }
  return items.flatMap((item) => {
    try {
      return [resource.parse(item)]
    } catch {
      // Tests write what cannot be read, too.
      return []
    }
  })
}

/** Gives how many there were. Rejects with what is said of the first that is not taken. */
export async function verifyEvery(
  chains: ReadonlySet<string>,
  published: ReadonlySet<string>,
): Promise<number> {
  const anchors = [...published].flatMap(certificatesOf).filter(({ ca }) => ca)
  const asked = [...chains].flatMap((pem) => chainBelow(anchors, certificatesOf(pem)))
  if (asked.length === 0) return 0
  const refusedByOpenssl = askOpensslOfAll(asked)
  if (refusedByOpenssl !== undefined) assert.equal(refusedByOpenssl, '')
  const go = await goVerifier()
  if (go !== undefined) {
    assert.deepEqual(
      askGo(go, asked),
      asked.map(() => ''),
    )
  }
  return asked.length
}

/** Those that are: a test writes other things in the place of certificates as well. */
function certificatesOf(pem: string): readonly X509Certificate[] {
  return certificateBlocks(pem).flatMap((der) => {
    try {
      return [new X509Certificate(der)]
    } catch {
      return []
    }
  })
}

/** Empty unless it is a workload's below an anchor that was published: what a test signs for itself is none of ours. */
function chainBelow(
  anchors: readonly X509Certificate[],
  [leaf, ...intermediates]: readonly X509Certificate[],
): readonly ChainToVerify[] {
  const top = intermediates.at(-1) ?? leaf
  if (leaf === undefined || top === undefined || leaf.ca) return []
  const roots = anchors.filter((anchor) => top.checkIssued(anchor) && top.verify(anchor.publicKey))
  if (roots.length === 0) return []
  const [, dnsName = ''] = /\bDNS:([^,]+)/.exec(leaf.subjectAltName ?? '') ?? []
  const [from, to] = [leaf.validFromDate.getTime(), leaf.validToDate.getTime()]
  // Some tests have a clock of their own.
  const now = Math.min(Math.max(Date.now(), from + 60_000), to - 1000)
  const raw = (certificates: readonly X509Certificate[]): Buffer[] =>
    certificates.map((certificate) => certificate.raw)
  const rest = { intermediates: raw(intermediates), anchors: raw(roots), dnsName, now }
  return [{ leaf: leaf.raw, ...rest }]
}
