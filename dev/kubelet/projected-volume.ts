import type { ClusterTrustBundle } from '../../src/kubernetes/cluster-trust-bundle.ts'
import type { filesOf } from './credential.ts'
import type { PodCertificateSource, ProjectedVolume } from './pod.ts'
import { trustAnchors } from './trust-anchors.ts'
import type { VolumeFile } from './volume-files.ts'

/** For its owner alone, as kubelet has it where a pod has a user of its own. */
const mode = 0o600

export interface VolumeMaterial {
  /** Files of the `podCertificate` source with this index. */
  readonly credential: (sourceIndex: number) => ReturnType<typeof filesOf>
  readonly trustBundles: readonly ClusterTrustBundle[]
  /** Decides the order of anchors, as long as kubelet runs. */
  readonly salt: string
}

/** All files of a projected volume, or every reason why it cannot be written: a volume comes whole or not at all. */
export function projectVolume(
  volume: ProjectedVolume,
  material: VolumeMaterial,
):
  { readonly payload: ReadonlyMap<string, VolumeFile> } | { readonly problems: readonly string[] } {
  const payload = new Map<string, VolumeFile>()
  const problems: string[] = []
  for (const [index, source] of volume.sources.entries()) {
    if (source.kind === 'other')
      problems.push(`${source.type} sources are not served by this kubelet`)
    else if (source.kind === 'clusterTrustBundle') {
      const anchors = trustAnchors(source, material.trustBundles, material.salt)
      if ('problem' in anchors) problems.push(anchors.problem)
      else payload.set(source.path, { text: anchors.pem, mode })
    } else {
      const files = material.credential(index)
      if ('problem' in files) problems.push(files.problem)
      else
        for (const [path, text] of credentialFiles(source, files)) payload.set(path, { text, mode })
    }
  }
  return problems.length > 0 ? { problems } : { payload }
}

function credentialFiles(
  source: PodCertificateSource,
  { key, chain }: { readonly key: string; readonly chain: string },
): readonly (readonly [path: string, text: string])[] {
  const { credentialBundlePath, keyPath, certificateChainPath } = source
  return [
    ...(credentialBundlePath === undefined ? [] : [[credentialBundlePath, key + chain] as const]),
    ...(keyPath === undefined ? [] : [[keyPath, key] as const]),
    ...(certificateChainPath === undefined ? [] : [[certificateChainPath, chain] as const]),
  ]
}
