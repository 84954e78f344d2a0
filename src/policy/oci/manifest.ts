import { createHash } from 'node:crypto'
import { refusedBundle } from '../bundle-content.ts'
import { archiveOctetsMax } from '../bundle-exchange.ts'
import { faultInJson } from '../data-document.ts'
import { isDigest } from './reference.ts'

/** What a digest names, and how large it is: OCI image spec, Descriptor. */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly annotations: Readonly<Record<string, unknown>>
}

/** OCI image spec, Image Manifest. */
export const manifestType = 'application/vnd.oci.image.manifest.v1+json'

/** OCI image spec, Image Index: images of one name. */
export const indexType = 'application/vnd.oci.image.index.v1+json'

/** What stands in an index beside images, of which it says where they were made. */
const attestationAnnotation = 'vnd.docker.reference.type'

/** What OPA takes for a bundle. */
const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip'

/** What else a tag may name, by names that say what went wrong. Any other may be what a registry was asked with. */
const shownTypes: ReadonlySet<unknown> = new Set([
  manifestType,
  indexType,
  'application/vnd.oci.artifact.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
])

/** A manifest with a layer has some hundred octets, and annotations as its author likes. */
export const manifestOctetsMax: number = 256 * 1024

/** Beside the bundle there may be what was signed or scanned of it. */
const descriptorsMax = 64

export function digestOf(octets: Uint8Array): string {
  return `sha256:${createHash('sha256').update(octets).digest('hex')}`
}

/** The one layer that is a bundle. Throws `policy/bundle`. */
export function parseManifest(octets: Buffer): Descriptor {
  const document = parseDocument(octets, 'manifest')
  const { mediaType = manifestType, layers, schemaVersion } = document
  // What is both is an index to one reader, and an image to another.
  if (Object.hasOwn(document, 'manifests')) throw refusedBundle('manifest has manifests, too')
  if (schemaVersion !== 2 || mediaType !== manifestType) {
    throw refusedBundle(
      `manifest is none of an image, want=${manifestType} got=${typeOf(mediaType)}`,
    )
  }
  const bundles = parseDescriptors(layers, 'layers of the manifest').filter(
    (layer) => layer.mediaType === layerType,
  )
  const [bundle] = bundles
  // Of two OPA takes the first, and another reader the last.
  if (bundle === undefined || bundles.length > 1) {
    throw refusedBundle(`manifest has ${bundles.length} layers, want=one of ${layerType}`)
  }
  if (bundle.size > archiveOctetsMax) {
    const told = `want=..${archiveOctetsMax} octets got=${bundle.size}`
    throw refusedBundle(`layer is too large, ${told}`)
  }
  return bundle
}

/**
 * The one image of an index of images, beside which there may be attestations; undefined where these octets are of no index. A bundle is for
 * every platform, so of several nobody says which is meant. Throws `policy/bundle`.
 */
export function imageIn(octets: Buffer): Descriptor | undefined {
  const document = parseDocument(octets, 'manifest')
  if (document['mediaType'] !== indexType) return undefined
  if (Object.hasOwn(document, 'layers')) throw refusedBundle('index has layers, too')
  const images = parseDescriptors(document['manifests'], 'manifests of the index').filter(
    ({ mediaType, annotations }) =>
      mediaType === manifestType && !Object.hasOwn(annotations, attestationAnnotation),
  )
  const [image] = images
  if (document['schemaVersion'] !== 2 || image === undefined || images.length > 1) {
    throw refusedBundle(`index has ${images.length} images, want=one`)
  }
  return image
}

/** What an index of a layout has. Throws `policy/bundle`. */
export function parseIndex(octets: Buffer): readonly Descriptor[] {
  return parseDescriptors(
    parseDocument(octets, 'index.json')['manifests'],
    'manifests of the index',
  )
}

/** Whether these octets are what a descriptor names. */
export function isOf(octets: Buffer, { digest, size }: Descriptor): boolean {
  return octets.length === size && digestOf(octets) === digest
}

function parseDescriptors(value: unknown, name: string): readonly Descriptor[] {
  if (!Array.isArray(value) || value.length > descriptorsMax) {
    throw refusedBundle(`${name} are no list, want=..${descriptorsMax} descriptors`)
  }
  return value.map((each: unknown) => parseDescriptor(each, name))
}

function parseDescriptor(value: unknown, name: string): Descriptor {
  if (!isObject(value)) throw refusedBundle(`${name} have what is no descriptor`)
  const { mediaType, digest, size, annotations = {} } = value
  if (typeof mediaType !== 'string' || !isObject(annotations)) {
    throw refusedBundle(`${name} have a descriptor without a type`)
  }
  if (!isDigest(digest)) {
    throw refusedBundle(`${name} have another digest, want=sha256:<hex>`)
  }
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw refusedBundle(`${name} have a descriptor without a size, want=0.. octets`)
  }
  return { mediaType, digest, size, annotations }
}

type Json = Readonly<Record<string, unknown>>

function parseDocument(octets: Buffer, name: string): Json {
  let text: string
  let value: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(octets)
    value = JSON.parse(text)
  } catch {
    // What JSON.parse says of a text has a piece of the text.
    throw refusedBundle(`${name} is not JSON`)
  }
  if (faultInJson(text) !== undefined) {
    throw refusedBundle(`${name} may be read in two ways, want=each member once`)
  }
  if (!isObject(value)) throw refusedBundle(`${name} is not a JSON object`)
  return value
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function typeOf(mediaType: unknown): string {
  return shownTypes.has(mediaType) ? String(mediaType) : 'another type'
}
