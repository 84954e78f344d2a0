import {
  readFields,
  readList,
  readOptionalFields,
  readOptionalInteger,
  readOptionalText,
  readText,
  readTextList,
  readTextMap,
  type Fields,
} from '../../src/kubernetes/read-field.ts'
import { readMetadata, type Metadata, type Resource } from '../../src/kubernetes/resource.ts'

/** A `podCertificate` source of a projected volume. */
export interface PodCertificateSource {
  readonly kind: 'podCertificate'
  readonly signerName: string
  readonly keyType: string
  readonly maxExpirationSeconds: number | undefined
  readonly userAnnotations: Readonly<Record<string, string>>
  readonly credentialBundlePath: string | undefined
  readonly keyPath: string | undefined
  readonly certificateChainPath: string | undefined
}

export interface TrustBundleSource {
  readonly kind: 'clusterTrustBundle'
  readonly name: string | undefined
  readonly signerName: string | undefined
  /** Undefined selects nothing, the empty one everything. */
  readonly labelSelector: Fields | undefined
  readonly optional: boolean
  readonly path: string
}

/** A source of which this kubelet knows only that it is there. */
interface OtherSource {
  readonly kind: 'other'
  readonly type: string
}

export type Source = PodCertificateSource | TrustBundleSource | OtherSource

export interface ProjectedVolume {
  readonly name: string
  readonly sources: readonly Source[]
}

export interface Container {
  readonly name: string
  readonly image: string
  readonly command: readonly string[]
  readonly env: readonly { readonly name: string; readonly value: string }[]
}

export interface KubeletPod {
  readonly metadata: Metadata & { readonly namespace: string }
  readonly spec: {
    readonly serviceAccountName: string
    readonly containers: readonly Container[]
    readonly volumes: readonly ProjectedVolume[]
  }
}

function readSource(raw: unknown, path: string): Source {
  const fields = readFields(raw, path)
  const [type = ''] = Object.keys(fields).filter((name) => fields[name] !== null)
  const source = readOptionalFields(fields[type], `${path}.${type}`)
  const text = (name: string): string | undefined =>
    readOptionalText(source[name], `${path}.${type}.${name}`)
  if (type === 'podCertificate') {
    return {
      kind: type,
      signerName: text('signerName') ?? '',
      keyType: text('keyType') ?? '',
      maxExpirationSeconds: readOptionalInteger(source['maxExpirationSeconds'], path),
      userAnnotations: readTextMap(source['userAnnotations'], path),
      credentialBundlePath: text('credentialBundlePath'),
      keyPath: text('keyPath'),
      certificateChainPath: text('certificateChainPath'),
    }
  }
  if (type !== 'clusterTrustBundle') return { kind: 'other', type }
  const selector = source['labelSelector'] ?? undefined
  return {
    kind: type,
    name: text('name'),
    signerName: text('signerName'),
    labelSelector: selector === undefined ? undefined : readFields(selector, path),
    optional: source['optional'] === true,
    path: text('path') ?? '',
  }
}

/** Only projected volumes have content here; others come as empty folders. */
function readVolume(raw: unknown, path: string): ProjectedVolume {
  const fields = readFields(raw, path)
  const projected = readOptionalFields(fields['projected'], `${path}.projected`)
  return {
    name: readText(fields['name'], `${path}.name`),
    sources: readList(projected['sources'], path).map((source, index) =>
      readSource(source, `${path}.projected.sources[${index}]`),
    ),
  }
}

function readContainer(raw: unknown, path: string): Container {
  const fields = readFields(raw, path)
  return {
    name: readText(fields['name'], `${path}.name`),
    image: readOptionalText(fields['image'], `${path}.image`) ?? '',
    command: [
      ...readTextList(fields['command'], `${path}.command`),
      ...readTextList(fields['args'], `${path}.args`),
    ],
    env: readList(fields['env'], `${path}.env`).map((entry) => {
      const variable = readFields(entry, `${path}.env`)
      return {
        name: readText(variable['name'], `${path}.env.name`),
        value: readOptionalText(variable['value'], `${path}.env.value`) ?? '',
      }
    }),
  }
}

function parsePod(raw: unknown): KubeletPod {
  const metadata = readMetadata(raw)
  const spec = readFields(readFields(raw, 'pod')['spec'], 'spec')
  return {
    metadata: { ...metadata, namespace: metadata.namespace ?? '' },
    spec: {
      serviceAccountName: readOptionalText(spec['serviceAccountName'], 'spec') ?? 'default',
      containers: readList(spec['containers'], 'spec.containers').map((entry, index) =>
        readContainer(entry, `spec.containers[${index}]`),
      ),
      volumes: readList(spec['volumes'], 'spec.volumes').map((entry, index) =>
        readVolume(entry, `spec.volumes[${index}]`),
      ),
    },
  }
}

/** Pods as this kubelet reads them: with their containers and all of their volumes. */
export const kubeletPods: Resource<KubeletPod> = {
  group: '',
  version: 'v1',
  plural: 'pods',
  kind: 'Pod',
  namespaced: true,
  parse: parsePod,
}
