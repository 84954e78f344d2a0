import { isNotFound } from '../../kubernetes/api-error.ts'
import type { Fact, LeaseFact, NodeFact, ServedFact, ServerFact } from '../facts.ts'
import { at, listAt, minorOf, textAt, timeAt } from '../lenient.ts'
import { learn, learnList, timeoutSeconds, type Asker } from './learn.ts'

/** Which API server this is, and what its clock says. */
export function learnServer(asker: Asker, now: () => number): Promise<Fact<ServerFact>> {
  const { client, signal } = asker
  return learn(asker, 'get /version', async () => {
    // The first answer pays for the connection: the second tells the time.
    const version = await client.request({
      method: 'GET',
      path: '/version',
      timeoutSeconds,
      signal,
    })
    const before = now()
    const { headers } = await client.ask({
      method: 'GET',
      path: '/version',
      timeoutSeconds,
      signal,
    })
    const after = now()
    const gitVersion = textAt(version, 'gitVersion')
    const date = Date.parse(headers.date ?? '')
    return {
      url: client.server,
      gitVersion,
      minor: minorOf(gitVersion),
      // The header leaves the milliseconds out, and was written somewhere between the two.
      skewSeconds: Number.isNaN(date) ? undefined : (date + 500 - (before + after) / 2) / 1000,
      skewErrorSeconds: 0.5 + (after - before) / 2000,
    }
  })
}

const group = '/apis/certificates.k8s.io'

/** What of the certificates group is served: versions as they are, whether we know them or not. */
export function learnServed(asker: Asker): Promise<Fact<ServedFact>> {
  const { client, signal } = asker
  const namesIn = async (version: string): Promise<readonly string[]> => {
    try {
      const path = `${group}/${version}`
      const answer = await client.request({ method: 'GET', path, timeoutSeconds, signal })
      return listAt(answer, 'resources').map((resource) => textAt(resource, 'name'))
    } catch (error) {
      if (isNotFound(error)) return []
      throw error
    }
  }
  return learn(asker, `get ${group}`, async () => {
    const versions = ['v1', 'v1beta1', 'v1alpha1']
    const names = await Promise.all(versions.map(namesIn))
    const serving = (plural: string): readonly string[] =>
      versions.filter((_version, index) => names[index]?.includes(plural))
    return {
      podCertificates: serving('podcertificaterequests'),
      trustBundles: serving('clustertrustbundles'),
    }
  })
}

export function learnNodes(asker: Asker): Promise<Fact<readonly NodeFact[]>> {
  return learnList(asker, { path: '/api/v1/nodes', right: 'list nodes' }, readNode)
}

function readNode(raw: unknown): NodeFact {
  const kubeletVersion = textAt(raw, 'status', 'nodeInfo', 'kubeletVersion')
  const conditions = listAt(raw, 'status', 'conditions')
  const ready = conditions.find((condition) => textAt(condition, 'type') === 'Ready')
  return {
    name: textAt(raw, 'metadata', 'name'),
    kubeletVersion,
    minor: minorOf(kubeletVersion),
    virtual: isVirtual(raw, kubeletVersion),
    ready: ready === undefined ? undefined : textAt(ready, 'status') === 'True',
  }
}

/** As virtual kubelets call themselves: by a label, by their version, or by the taint that keeps others away. */
function isVirtual(raw: unknown, kubeletVersion: string): boolean {
  const taints = listAt(raw, 'spec', 'taints').map((taint) => textAt(taint, 'key'))
  return (
    at(raw, 'metadata', 'labels', 'type') === 'virtual-kubelet' ||
    taints.includes('virtual-kubelet.io/provider') ||
    /-vk-|virtual-?kubelet/i.test(kubeletVersion)
  )
}

const leasesRight = 'list leases.coordination.k8s.io in namespace kube-node-lease'

/** The leases of the nodes, each renewed by its kubelet's own clock. */
export function learnLeases(
  asker: Asker,
  serverNow: () => number,
): Promise<Fact<readonly LeaseFact[]>> {
  const path = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases'
  return learnList(asker, { path, right: leasesRight }, (raw) => {
    const seconds = at(raw, 'spec', 'leaseDurationSeconds')
    return {
      node: textAt(raw, 'metadata', 'name'),
      renewedAt: timeAt(raw, 'spec', 'renewTime'),
      durationSeconds: typeof seconds === 'number' ? seconds : 40,
      readAt: serverNow(),
    }
  })
}
