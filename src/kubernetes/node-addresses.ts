import type { ApiClient } from './api-client.ts'
import { listObjects, readObject } from './objects.ts'
import {
  readFields,
  readList,
  readOptionalFields,
  readOptionalText,
  readTextList,
} from './read-field.ts'
import { readMetadata, type KubernetesObject, type Resource } from './resource.ts'

/** A Node, as far as it is reached. Its kubelet may write all of that: NodeRestriction looks at labels and taints, and at no address. */
export interface AddressedNode extends KubernetesObject {
  readonly addresses: readonly NodeAddress[]
}

export interface NodeAddress {
  /** `Hostname`, `InternalDNS`, `ExternalDNS`, `InternalIP`, `ExternalIP`. */
  readonly type: string
  readonly address: string
}

/** Of one node: a real one has three, and what is cut off of it is not held against others. */
const addressesMax = 512
const typeCharactersMax = 32

function parseAddressedNode(raw: unknown): AddressedNode {
  const metadata = readMetadata(raw)
  const status = readOptionalFields(readFields(raw, 'node')['status'], 'status')
  const addresses = readList(status['addresses'], 'status.addresses').slice(0, addressesMax)
  return {
    metadata: { ...metadata, labels: {}, annotations: {}, ownerReferences: [] },
    addresses: addresses.map((entry, index) => {
      const at = `status.addresses[${index}]`
      const { type, address } = readFields(entry, at)
      return {
        type: (readOptionalText(type, `${at}.type`) ?? '').slice(0, typeCharactersMax),
        address: (readOptionalText(address, `${at}.address`) ?? '').slice(0, 253),
      }
    }),
  }
}

export const addressedNodes: Resource<AddressedNode> = {
  group: '',
  version: 'v1',
  plural: 'nodes',
  kind: 'Node',
  namespaced: false,
  parse: parseAddressedNode,
}

interface Addressed extends KubernetesObject {
  readonly addresses: readonly string[]
}

const apiService: Resource<Addressed> = {
  group: '',
  version: 'v1',
  plural: 'services',
  kind: 'Service',
  namespaced: true,
  parse(raw) {
    const spec = readOptionalFields(readFields(raw, 'service')['spec'], 'spec')
    const addresses = readTextList(spec['clusterIPs'], 'spec.clusterIPs')
    return { metadata: readMetadata(raw), addresses }
  },
}

const endpointSlices: Resource<Addressed> = {
  group: 'discovery.k8s.io',
  version: 'v1',
  plural: 'endpointslices',
  kind: 'EndpointSlice',
  namespaced: true,
  parse(raw) {
    const endpoints = readList(readFields(raw, 'endpointslice')['endpoints'], 'endpoints')
    const addresses = endpoints.flatMap((entry, index) => {
      const at = `endpoints[${index}]`
      return readTextList(readFields(entry, at)['addresses'], `${at}.addresses`)
    })
    return { metadata: readMetadata(raw), addresses }
  },
}

const namespace = 'default'
const name = 'kubernetes'

/**
 * Where pods reach the API server: the addresses of its Service, and those behind it. Undefined where either has none: it is somewhere,
 * and nobody knows where.
 */
export async function readApiServerAddresses(
  client: ApiClient,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  const [service, slices] = await Promise.all([
    readObject(client, apiService, { namespace, name, signal }),
    listObjects(client, endpointSlices, {
      namespace,
      labelSelector: `kubernetes.io/service-name=${name}`,
      signal,
    }),
  ])
  const ofService = service?.addresses ?? []
  const behind = slices.flatMap(({ addresses }) => addresses)
  return ofService.length === 0 || behind.length === 0 ? undefined : [...ofService, ...behind]
}
