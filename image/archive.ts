import { createHash } from 'node:crypto'
import { rename, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { gzip as gzipWithCallback } from 'node:zlib'
import { file, packLayer, type LayerEntry } from './layer.ts'

const gzip = promisify(gzipWithCallback)

/** How a container of the image runs, in the words of the OCI image configuration. */
export interface ImageConfig {
  readonly Entrypoint: readonly string[]
  readonly Cmd?: readonly string[]
  readonly User?: string
  readonly Env?: readonly string[]
  readonly WorkingDir?: string
  readonly Labels?: Readonly<Record<string, string>>
}

export interface WrittenImage {
  /** Of the manifest: what a registry and a kubelet know the image by. */
  readonly digest: string
  readonly archiveBytes: number
  /** All layers, unpacked. */
  readonly contentBytes: number
}

/** The architecture of the programs of this machine, as OCI names it. */
export function ociArchitecture(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch
}

/**
 * Writes an image as an OCI layout in one tar (OCI image-spec 1.1), which containerd imports as it is. The same input gives the
 * same octets: gzip by the zlib of this Node with fixed settings, times only from `createdSeconds`.
 */
export async function writeImageArchive(options: {
  readonly file: string
  /** The whole name, such as `docker.io/library/countersign:1.0.0`. */
  readonly reference: string
  readonly config: ImageConfig
  readonly layers: readonly (readonly LayerEntry[])[]
  /** Seconds since 1970, of the image and of everything in it. */
  readonly createdSeconds?: number
}): Promise<WrittenImage> {
  const { createdSeconds = 0 } = options
  const [, tag] =
    /^[a-z0-9./-]+(?::[0-9]+)?\/[a-z0-9._/-]+:([\w.-]+)$/.exec(options.reference) ?? []
  if (tag === undefined) throw new Error(`want=registry/name:tag got=${options.reference}`)
  const blobs = new Map<string, LayerEntry>()
  const keep = (mediaType: string, data: Buffer): Descriptor => {
    const sha256 = digestOf(data)
    blobs.set(sha256, file(`blobs/sha256/${sha256}`, data))
    return {
      mediaType: `application/vnd.oci.image.${mediaType}`,
      digest: `sha256:${sha256}`,
      size: data.length,
    }
  }
  const layers: Descriptor[] = []
  const diffIds: string[] = []
  let contentBytes = 0
  for (const entries of options.layers) {
    const packed = await packLayer(entries, createdSeconds)
    contentBytes += packed.length
    diffIds.push(`sha256:${digestOf(packed)}`)
    layers.push(keep('layer.v1.tar+gzip', await gzip(packed, { level: 6 })))
  }
  const config = keep(
    'config.v1+json',
    json({
      created: new Date(createdSeconds * 1000).toISOString().replace('.000Z', 'Z'),
      architecture: ociArchitecture(),
      os: 'linux',
      config: options.config,
      rootfs: { type: 'layers', diff_ids: diffIds },
    }),
  )
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = keep('manifest.v1+json', json({ schemaVersion: 2, mediaType, config, layers }))
  const named = {
    ...manifest,
    platform: { architecture: ociArchitecture(), os: 'linux' },
    annotations: {
      'io.containerd.image.name': options.reference,
      'org.opencontainers.image.ref.name': tag,
    },
  }
  const index = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [named],
  }
  const archive = await packLayer(
    [
      ...blobs.values(),
      file('index.json', json(index)),
      file('oci-layout', json({ imageLayoutVersion: '1.0.0' })),
    ],
    createdSeconds,
  )
  // A reader sees the old archive or the new one, never half of one.
  await writeFile(`${options.file}.new`, archive)
  await rename(`${options.file}.new`, options.file)
  return { digest: manifest.digest, archiveBytes: archive.length, contentBytes }
}

interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

function digestOf(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value))
}
