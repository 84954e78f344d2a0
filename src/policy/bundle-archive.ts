import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { packTar, unpackTar } from 'modern-tar'
import type { TarHeader } from 'modern-tar'
import { CountersignError, quoted } from '../errors.ts'
import { bundleFilesMax, bundleOctetsMax, gatherContent, refusedBundle } from './bundle-content.ts'
import type { BundleContent, ContentGatherer } from './bundle-content.ts'

/** Each file has a header, and its last block may be almost empty. */
const headerOctetsMax = bundleFilesMax * 1024 + 64 * 1024

/**
 * Unpacks a bundle: a gzip'd tar of plain files, as `opa build` writes it. Links, devices, extended headers, which readers of tar do not
 * agree on, and anything beyond the limits of a bundle are refused before they are unpacked. Throws `policy/bundle`.
 */
export async function unpackBundle(
  archive: Uint8Array,
  octetsMax: number = bundleOctetsMax,
): Promise<BundleContent> {
  const tar = await unzip(archive, octetsMax)
  const gatherer = gatherContent(octetsMax)
  try {
    const filter = (header: TarHeader): boolean => isTaken(header, gatherer)
    const entries = await unpackTar(tar, { strict: true, filter })
    for (const { header, data = new Uint8Array() } of entries) {
      gatherer.add(pathOf(header.name), Buffer.from(data.buffer, data.byteOffset, data.length))
    }
    return gatherer.content()
  } catch (error) {
    if (error instanceof CountersignError) throw error
    throw refusedBundle('bundle is no tar archive, or is cut short', error)
  }
}

async function unzip(archive: Uint8Array, octetsMax: number): Promise<Uint8Array> {
  try {
    return await promisify(gunzip)(archive, { maxOutputLength: octetsMax + headerOctetsMax })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw refusedBundle(`bundle is too large, want=..${octetsMax} octets unpacked`, error)
    }
    throw refusedBundle('bundle is no gzip archive, or is cut short', error)
  }
}

/** Packs a bundle as `opa build` does: the same files give the same octets. */
export async function packBundle(files: BundleContent['files']): Promise<Buffer> {
  const entries = [...files]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, body]) => ({
      header: { name: `/${name}`, size: body.length, mtime: new Date(0), mode: 0o600 },
      body,
    }))
  return promisify(gzip)(await packTar(entries))
}

/** Folders are made of paths, so theirs says nothing. */
function isTaken({ name, type, size, pax }: TarHeader, gatherer: ContentGatherer): boolean {
  if (pax !== undefined) {
    throw refusedBundle(
      `archive has an extended header, want=tar --format=ustar got=${quoted(name, 255)}`,
    )
  }
  if (type === 'directory') return false
  if (type !== 'file') {
    throw refusedBundle(`archive has what is no file, got=${type} ${quoted(name, 255)}`)
  }
  gatherer.expect(pathOf(name), size)
  return true
}

/** `opa build` writes `/data.json`, and tar of a folder `./data.json`. */
function pathOf(name: string): string {
  return name.replace(/^(?:\.?\/)/, '')
}
