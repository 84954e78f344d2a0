import { createHash } from 'node:crypto'
import { CountersignError, quoted } from '../errors.ts'

/** The files of a bundle, by their paths from its root. */
export interface BundleContent {
  readonly files: ReadonlyMap<string, Buffer>
  /** SHA-256, hex, of the names and the octets of all files. */
  readonly digest: string
}

/** Of all files together, unpacked. */
export const bundleOctetsMax: number = 64 * 1024 * 1024

/** Of one from a server: whoever sends it has shown no signature yet, and some octets unpack to thousands as many. */
export const sentOctetsMax: number = 8 * 1024 * 1024

/** A bundle of rules in packages has some tens. */
export const bundleFilesMax = 1024

/** What a tar header can say without an extension. */
const pathOctetsMax = 255

/** Gathers the files of a bundle, and takes no more than a bundle may have. Throws `policy/bundle`. */
export interface ContentGatherer {
  /** A file that is to come: its path is looked at, and that there is room for it. */
  expect(path: string, octets: number): void
  add(path: string, content: Buffer): void
  content(): BundleContent
}

export function gatherContent(octetsMax: number = bundleOctetsMax): ContentGatherer {
  const expected = new Set<string>()
  const files = new Map<string, Buffer>()
  let octets = 0
  return {
    expect(path, more) {
      checkPath(path)
      if (expected.has(path)) throw refusedBundle(`file is there twice, got=${quoted(path, 255)}`)
      expected.add(path)
      octets += more
      if (expected.size > bundleFilesMax) {
        throw refusedBundle(`bundle has too many files, want=..${bundleFilesMax}`)
      }
      if (octets > octetsMax) {
        throw refusedBundle(`bundle is too large, want=..${octetsMax} octets unpacked`)
      }
    },
    add: (path, content) => void files.set(path, content),
    content: () => ({ files, digest: digestOf(files) }),
  }
}

/** A bundle of these files. Throws `policy/bundle` where it is none. */
export function contentOf(files: ReadonlyMap<string, Buffer>): BundleContent {
  const gatherer = gatherContent()
  for (const [path, octets] of files) {
    gatherer.expect(path, octets.length)
    gatherer.add(path, octets)
  }
  return gatherer.content()
}

/** Names that OPA takes for something wherever they stand, or at the end of another name: here each has one place, or none. */
const placed: readonly (readonly [pattern: RegExp, want: string])[] = [
  [/(^|\/)data\.ya?ml$/, 'data.json'],
  [/(^|\/)patch\.json$/, 'the whole bundle, no delta'],
  [/(^|\/)(?:data\.json|plan\.json|policy\.wasm)$/, ''],
  [/\.manifest$/, '.manifest'],
  [/signatures\.json$/, '.signatures.json'],
]

function checkPath(path: string): void {
  const shown = quoted(path, 255)
  if (Buffer.byteLength(path) > pathOctetsMax) {
    throw refusedBundle(`path is too long, want=..${pathOctetsMax} octets got=${shown}`)
  }
  if (!/^[^\\\p{C}]+$/u.test(path)) {
    throw refusedBundle(`path has a character that no path needs, got=${shown}`)
  }
  const segments = path.split('/')
  if (segments.some((segment) => segment === '' || segment === '.' || segment === '..')) {
    throw refusedBundle(`path leads elsewhere, got=${shown}`)
  }
  const [, want] = placed.find(([pattern]) => pattern.test(path)) ?? []
  if (want === undefined || want === path) return
  if (want === '' && segments.length === 1) return
  throw refusedBundle(`file has no place there, got=${shown} want=${want || segments.at(-1)}`)
}

function digestOf(files: ReadonlyMap<string, Buffer>): string {
  const hash = createHash('sha256')
  for (const [path, content] of [...files].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    // A length before each part: no octet can move from one to the other.
    hash.update(`${Buffer.byteLength(path)} ${content.length} ${path}`)
    hash.update(content)
  }
  return hash.digest('hex')
}

export function refusedBundle(message: string, cause?: unknown): CountersignError {
  return new CountersignError('policy/bundle', message, { cause })
}
