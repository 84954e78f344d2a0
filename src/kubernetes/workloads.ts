import {
  readFields,
  readList,
  readOptionalFields,
  readOptionalInteger,
  readOptionalText,
  readText,
  readTextMap,
} from './read-field.ts'
import { readMetadata, type KubernetesObject, type Resource } from './resource.ts'

/** A `podCertificate` source of a projected volume. */
export interface PodCertificateProjection {
  readonly volumeName: string
  readonly signerName: string
  readonly keyType: string
  readonly maxExpirationSeconds: number | undefined
  readonly credentialBundlePath: string | undefined
  readonly keyPath: string | undefined
  readonly certificateChainPath: string | undefined
  readonly userAnnotations: Readonly<Record<string, string>>
}

export interface Pod extends KubernetesObject {
  /** Undefined until the scheduler has bound the pod. */
  readonly nodeName: string | undefined
  readonly serviceAccountName: string
  /** Every `podCertificate` source of every projected volume, in the order of the pod's spec. */
  readonly podCertificates: readonly PodCertificateProjection[]
  /** `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`. */
  readonly phase: string
}

export type Namespace = KubernetesObject

export type ServiceAccount = KubernetesObject

export interface Node extends KubernetesObject {
  /** As the kubelet says it, for example `v1.37.0`; undefined before it has said anything. */
  readonly kubeletVersion: string | undefined
}

export interface Service extends KubernetesObject {
  /** Empty: the Service selects no pod, whatever labels it has. */
  readonly selector: Readonly<Record<string, string>>
  readonly type: string
}

function readPodCertificate(
  raw: unknown,
  volumeName: string,
  path: string,
): PodCertificateProjection {
  const fields = readFields(raw, path)
  const at = (name: string): string => `${path}.${name}`
  const text = (name: string): string | undefined => readOptionalText(fields[name], at(name))
  return {
    volumeName,
    signerName: readText(fields['signerName'], at('signerName')),
    keyType: readText(fields['keyType'], at('keyType')),
    maxExpirationSeconds: readOptionalInteger(
      fields['maxExpirationSeconds'],
      at('maxExpirationSeconds'),
    ),
    credentialBundlePath: text('credentialBundlePath'),
    keyPath: text('keyPath'),
    certificateChainPath: text('certificateChainPath'),
    userAnnotations: readTextMap(fields['userAnnotations'], at('userAnnotations')),
  }
}

function readVolume(raw: unknown, path: string): readonly PodCertificateProjection[] {
  const volume = readFields(raw, path)
  const name = readText(volume['name'], `${path}.name`)
  const projected = readOptionalFields(volume['projected'], `${path}.projected`)
  return readList(projected['sources'], `${path}.projected.sources`).flatMap((entry, index) => {
    const at = `${path}.projected.sources[${index}]`
    const source = readFields(entry, at)['podCertificate']
    if (source === undefined || source === null) return []
    return [readPodCertificate(source, name, `${at}.podCertificate`)]
  })
}

function parsePod(raw: unknown): Pod {
  const metadata = readMetadata(raw)
  const fields = readFields(raw, 'pod')
  const spec = readFields(fields['spec'], 'spec')
  const status = readOptionalFields(fields['status'], 'status')
  return {
    metadata,
    nodeName: readOptionalText(spec['nodeName'], 'spec.nodeName'),
    // The API server fills it in, except where its ServiceAccount plugin is off.
    serviceAccountName:
      readOptionalText(spec['serviceAccountName'], 'spec.serviceAccountName') ?? 'default',
    podCertificates: readList(spec['volumes'], 'spec.volumes').flatMap((entry, index) =>
      readVolume(entry, `spec.volumes[${index}]`),
    ),
    phase: readOptionalText(status['phase'], 'status.phase') ?? 'Pending',
  }
}

function parseMetadataOnly(raw: unknown): KubernetesObject {
  return { metadata: readMetadata(raw) }
}

function parseNode(raw: unknown): Node {
  const status = readOptionalFields(readFields(raw, 'node')['status'], 'status')
  const nodeInfo = readOptionalFields(status['nodeInfo'], 'status.nodeInfo')
  return {
    metadata: readMetadata(raw),
    kubeletVersion: readOptionalText(nodeInfo['kubeletVersion'], 'status.nodeInfo.kubeletVersion'),
  }
}

function parseService(raw: unknown): Service {
  const spec = readOptionalFields(readFields(raw, 'service')['spec'], 'spec')
  return {
    metadata: readMetadata(raw),
    selector: readTextMap(spec['selector'], 'spec.selector'),
    type: readOptionalText(spec['type'], 'spec.type') ?? 'ClusterIP',
  }
}

const core = { group: '', version: 'v1' } as const

export const pods: Resource<Pod> = {
  ...core,
  plural: 'pods',
  kind: 'Pod',
  namespaced: true,
  parse: parsePod,
}

export const namespaces: Resource<Namespace> = {
  ...core,
  plural: 'namespaces',
  kind: 'Namespace',
  namespaced: false,
  parse: parseMetadataOnly,
}

export const serviceAccounts: Resource<ServiceAccount> = {
  ...core,
  plural: 'serviceaccounts',
  kind: 'ServiceAccount',
  namespaced: true,
  parse: parseMetadataOnly,
}

export const nodes: Resource<Node> = {
  ...core,
  plural: 'nodes',
  kind: 'Node',
  namespaced: false,
  parse: parseNode,
}

export const services: Resource<Service> = {
  ...core,
  plural: 'services',
  kind: 'Service',
  namespaced: true,
  parse: parseService,
}
