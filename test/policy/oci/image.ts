import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip'
export const manifestType = 'application/vnd.oci.image.manifest.v1+json'

/** A bundle as it is pushed: its manifest, and all octets by their digests. */
export interface Image {
  readonly manifest: Buffer
  readonly mediaType: string
  readonly digest: string
  readonly layer: string
  readonly blobs: ReadonlyMap<string, Buffer>
}

export function digestOf(octets: Uint8Array): string {
  return `sha256:${createHash('sha256').update(octets).digest('hex')}`
}

export function descriptorOf(octets: Uint8Array, mediaType: string): object {
  return { mediaType, digest: digestOf(octets), size: octets.length }
}

const config = Buffer.from('{}')

/** As `oras push` makes it, with other members in the manifest. */
export function imageOf(archive: Buffer, others: object = {}): Image {
  const value = {
    schemaVersion: 2,
    mediaType: manifestType,
    config: descriptorOf(config, 'application/vnd.oci.image.config.v1+json'),
    layers: [descriptorOf(archive, layerType)],
    ...others,
  }
  const manifest = Buffer.from(JSON.stringify(value))
  const blobs = [config, archive, manifest].map((octets) => [digestOf(octets), octets] as const)
  return {
    manifest,
    mediaType: manifestType,
    digest: digestOf(manifest),
    layer: digestOf(archive),
    blobs: new Map(blobs),
  }
}

export const indexType = 'application/vnd.oci.image.index.v1+json'

/** An index of images as a builder makes it, with one attestation for each. */
export function indexOf(images: readonly Image[], others: object = {}): Image {
  const attestation = Buffer.from('{}')
  const manifests = images.flatMap(({ manifest }) => [
    descriptorOf(manifest, manifestType),
    {
      ...descriptorOf(attestation, manifestType),
      annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
    },
  ])
  const value = { schemaVersion: 2, mediaType: indexType, manifests, ...others }
  const manifest = Buffer.from(JSON.stringify(value))
  const blobs = images.flatMap((image) => [...image.blobs])
  return {
    manifest,
    mediaType: indexType,
    digest: digestOf(manifest),
    layer: images[0]?.layer ?? '',
    blobs: new Map([...blobs, [digestOf(manifest), manifest]]),
  }
}

/** Writes an OCI image layout with these images, by their tags. */
export async function writeLayout(
  folder: string,
  images: Readonly<Record<string, Image>>,
): Promise<void> {
  const blobs = join(folder, 'blobs', 'sha256')
  await mkdir(blobs, { recursive: true })
  for (const image of Object.values(images)) {
    for (const [digest, octets] of image.blobs) await writeFile(blobOf(folder, digest), octets)
  }
  const manifests = Object.entries(images).map(([tag, { manifest, mediaType }]) => ({
    ...descriptorOf(manifest, mediaType),
    annotations: { 'org.opencontainers.image.ref.name': tag },
  }))
  await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  await writeFile(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }))
}

export function blobOf(folder: string, digest: string): string {
  return join(folder, 'blobs', digest.replace(':', '/'))
}
