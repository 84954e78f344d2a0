import { realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { readBoundedFile } from '../../bounded-file.ts'
import { quoted } from '../../errors.ts'
import { refusedBundle } from '../bundle-content.ts'
import { isInside } from '../inside.ts'
import {
  imageIn,
  indexType,
  isOf,
  manifestOctetsMax,
  manifestType,
  parseIndex,
  parseManifest,
  type Descriptor,
} from './manifest.ts'
import { splitPlace, type ReferencePart } from './reference.ts'

/** A folder of an OCI image layout, and which of its manifests is meant; the only one where nothing is said. */
export interface LayoutPlace {
  readonly folder: string
  readonly part: ReferencePart | undefined
}

/** Which manifests there are; what is added or taken away shows here. */
export const layoutIndex = 'index.json'

/** What tags are called in an index: OCI image spec, Pre-Defined Annotation Keys. */
const tagAnnotation = 'org.opencontainers.image.ref.name'

/** A layout, as `<folder>`, `<folder>:<tag>` or `<folder>@<digest>`; undefined where there is none. */
export async function findLayout(place: string): Promise<LayoutPlace | undefined> {
  if (await hasLayout(place)) return { folder: place, part: undefined }
  const named = splitPlace(place)
  return named !== undefined && (await hasLayout(named.folder)) ? named : undefined
}

async function hasLayout(folder: string): Promise<boolean> {
  const found = await stat(join(folder, 'oci-layout')).catch(() => undefined)
  return found?.isFile() === true
}

/** The archive of the bundle, as its digests name it. Throws `policy/bundle`. */
export async function readLayout({ folder, part }: LayoutPlace): Promise<Buffer> {
  const read = openReader(await realpath(folder))
  const index = parseIndex(await read(layoutIndex, manifestOctetsMax))
  const meant = await readBlob(read, choose(index, part), manifestOctetsMax)
  const image = imageIn(meant)
  const manifest = image === undefined ? meant : await readBlob(read, image, manifestOctetsMax)
  const layer = parseManifest(manifest)
  return readBlob(read, layer, layer.size)
}

type Read = (path: string, octetsMax: number) => Promise<Buffer>

/** A mounted layout has links, which lead to what is in it. */
function openReader(folder: string): Read {
  return async (path, octetsMax) => {
    const file = await realpath(join(folder, path))
    if (!isInside(folder, file)) throw refusedBundle(`link leads out of the layout, got=${path}`)
    const found = await readBoundedFile(file, octetsMax)
    if (found !== undefined) return found.content
    throw refusedBundle(`file of the layout is too large, want=..${octetsMax} octets got=${path}`)
  }
}

/** Read before it is looked at: nothing is parsed but what its digest names. */
async function readBlob(read: Read, descriptor: Descriptor, octetsMax: number): Promise<Buffer> {
  const path = `blobs/${descriptor.digest.replace(':', '/')}`
  const octets = await read(path, octetsMax)
  if (!isOf(octets, descriptor))
    throw refusedBundle(`file is not what it is named for, got=${path}`)
  return octets
}

const mediaTypes: readonly string[] = [manifestType, indexType]

function choose(index: readonly Descriptor[], part: ReferencePart | undefined): Descriptor {
  const manifests = index.filter(({ mediaType }) => mediaTypes.includes(mediaType))
  const found = manifests.filter((each) => part === undefined || isMeant(each, part))
  const [chosen] = found
  // One manifest may have several tags, and stands there once for each.
  if (chosen !== undefined && found.every(({ digest }) => digest === chosen.digest)) return chosen
  const what = part === undefined ? '' : ` of ${quoted(part.text, 140)}`
  const want = part === undefined ? 'one, or <folder>:<tag>' : 'one'
  throw refusedBundle(`layout has ${found.length} manifests${what}, want=${want}`)
}

function isMeant({ digest, annotations }: Descriptor, { kind, text }: ReferencePart): boolean {
  return kind === 'digest' ? digest === text : annotations[tagAnnotation] === text
}
