import { constants } from 'node:fs'
import { open, readdir, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { CountersignError, quoted } from '../errors.ts'
import { unpackBundle } from './bundle-archive.ts'
import { bundleOctetsMax, gatherContent, refusedBundle } from './bundle-content.ts'
import type { BundleContent } from './bundle-content.ts'
import { isInside } from './inside.ts'
import { findLayout, layoutIndex, readLayout } from './oci/layout.ts'
import { splitPlace } from './oci/reference.ts'

/** Whoever copies files into a folder writes one after the other: what still changes is not looked at yet. */
const settleMilliseconds = 100
const readsMax = 20

/** Reads a bundle from its folder, its archive or an OCI layout. Throws `policy/bundle`. */
export async function readBundle(place: string): Promise<BundleContent> {
  try {
    const layout = await findLayout(place)
    if (layout !== undefined) return await unpackBundle(await readLayout(layout))
    const { isFolder } = await kindOf(place)
    return isFolder ? await readFolder(place) : await unpackBundle(await readArchive(place))
  } catch (error) {
    if (error instanceof CountersignError) throw error
    throw refusedBundle(`bundle cannot be read, got=${quoted(place, 200)}`, error)
  }
}

/** The files whose change is a change of the bundle. */
export function watchedFiles(place: string): readonly string[] {
  const folders = [place, splitPlace(place)?.folder].filter((each) => each !== undefined)
  return [place, join(place, '.manifest'), ...folders.map((each) => join(each, layoutIndex))]
}

async function kindOf(place: string): Promise<{ readonly isFolder: boolean }> {
  const found = await stat(place)
  if (!found.isDirectory() && !found.isFile()) {
    throw refusedBundle(`bundle is neither a folder nor a file, got=${quoted(place, 200)}`)
  }
  return { isFolder: found.isDirectory() }
}

async function readArchive(file: string): Promise<Buffer> {
  await using handle = await open(file, 'r')
  const { size } = await handle.stat()
  if (size > bundleOctetsMax) {
    throw refusedBundle(`archive is too large, want=..${bundleOctetsMax} octets got=${size}`)
  }
  return await handle.readFile()
}

/** A file of a folder, and what tells that it was written to. */
interface Seen {
  readonly path: string
  readonly state: string
  readonly octets: number
}

/** Reads until nothing has changed while it was read. */
async function readFolder(place: string): Promise<BundleContent> {
  for (let reads = 0; reads < readsMax; reads += 1) {
    // The place may be a link that somebody turns to another folder meanwhile.
    const folder = await realpath(place)
    const before = await list(folder)
    const content = await readFiles(folder, before)
    const now = await list(await realpath(place))
    if (content !== undefined && isSame(before, now)) return content
    await after(settleMilliseconds)
  }
  throw refusedBundle('folder does not come to rest while it is read')
}

function isSame(before: readonly Seen[], now: readonly Seen[]): boolean {
  return JSON.stringify(before) === JSON.stringify(now)
}

/** Undefined where a file is gone, or has grown, since it was listed. */
async function readFiles(
  folder: string,
  seen: readonly Seen[],
): Promise<BundleContent | undefined> {
  const gatherer = gatherContent()
  for (const { path, octets } of seen) gatherer.expect(path, octets)
  for (const { path, octets } of seen) {
    try {
      // A pipe in the place of a file would wait for ever.
      await using handle = await open(join(folder, path), constants.O_RDONLY | constants.O_NONBLOCK)
      const content = Buffer.alloc(octets)
      const { bytesRead } = await handle.read(content, 0, octets, 0)
      if (bytesRead !== octets) return undefined
      gatherer.add(path, content)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }
  return gatherer.content()
}

/** Folders within folders, of which a bundle has as many as a package has names. */
const depthMax = 16

async function list(folder: string, prefix = '', depth = 0): Promise<readonly Seen[]> {
  if (depth > depthMax) throw refusedBundle(`folder is too deep, want=..${depthMax}`)
  const seen: Seen[] = []
  const entries = await readdir(join(folder, prefix), { withFileTypes: true })
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    // Kubelet keeps the generations of a volume beside the links to them.
    if (entry.name.startsWith('..')) continue
    const path = `${prefix}${entry.name}`
    // A volume's files are links, so they are followed, but not to what is no part of the bundle.
    if (entry.isSymbolicLink()) await checkLink(folder, path)
    const found = await stat(join(folder, path)).catch(gone)
    if (found === undefined) continue
    if (found.isDirectory()) seen.push(...(await list(folder, `${path}/`, depth + 1)))
    else if (found.isFile()) {
      const state = `${found.ino} ${found.mtimeMs} ${found.ctimeMs}`
      seen.push({ path, state, octets: found.size })
    } else throw refusedBundle(`folder has what is no file, got=${quoted(path, 255)}`)
  }
  return seen
}

async function checkLink(folder: string, path: string): Promise<void> {
  const target = await realpath(join(folder, path)).catch(gone)
  if (target !== undefined && !isInside(folder, target)) {
    throw refusedBundle(`link leads out of the folder, got=${quoted(path, 255)}`)
  }
}

function gone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
