import type { Fact, IssuedFact, ServedFact, TrustBundleFact } from '../facts.ts'
import { listAt, textAt, timeAt } from '../lenient.ts'
import { learnList, mapFact, type Asker } from './learn.ts'

const bundleCharactersMax = 1024 * 1024
const issuedMax = 50

/** The ClusterTrustBundle of the signer, the one that has the signer's name in its spec and in its own. */
export async function learnTrustBundle(
  asker: Asker,
  options: { readonly served: Fact<ServedFact>; readonly signerName: string },
): Promise<Fact<TrustBundleFact | undefined>> {
  const { served, signerName } = options
  if (!served.known) return served
  const version = served.value.trustBundles.find((each) => each !== 'v1alpha1')
  if (version === undefined) return { known: false, why: 'ClusterTrustBundles are not served' }
  const listed = {
    path: `/apis/certificates.k8s.io/${version}/clustertrustbundles`,
    query: { fieldSelector: `spec.signerName=${signerName}` },
    right: 'list clustertrustbundles.certificates.k8s.io',
  }
  const bundles = await learnList(asker, listed, (raw) => ({
    name: textAt(raw, 'metadata', 'name'),
    pem: textAt(raw, 'spec', 'trustBundle').slice(0, bundleCharactersMax),
  }))
  return mapFact(bundles, (all) => all[0])
}

/** The certificates that were issued a little while ago: a request is gone after a quarter of an hour. */
export async function learnIssued(
  asker: Asker,
  options: { readonly served: Fact<ServedFact>; readonly signerName: string },
): Promise<Fact<readonly IssuedFact[]>> {
  const { served, signerName } = options
  if (!served.known) return served
  const version = served.value.podCertificates.find((each) => each !== 'v1alpha1')
  if (version === undefined) return { known: false, why: 'PodCertificateRequests are not served' }
  const listed = {
    path: `/apis/certificates.k8s.io/${version}/podcertificaterequests`,
    query: { fieldSelector: `spec.signerName=${signerName}` },
    right: 'list podcertificaterequests.certificates.k8s.io',
  }
  const issued = await learnList(asker, listed, readIssued)
  return mapFact(issued, (all) =>
    all.toSorted((left, right) => right.notBefore - left.notBefore).slice(0, issuedMax),
  )
}

function readIssued(raw: unknown): IssuedFact | undefined {
  const isIssued = listAt(raw, 'status', 'conditions').some(
    (condition) => textAt(condition, 'type') === 'Issued',
  )
  const chain = textAt(raw, 'status', 'certificateChain')
  if (!isIssued || chain === '') return undefined
  return {
    namespace: textAt(raw, 'metadata', 'namespace'),
    name: textAt(raw, 'metadata', 'name'),
    notBefore: timeAt(raw, 'status', 'notBefore') ?? 0,
    chain,
  }
}
