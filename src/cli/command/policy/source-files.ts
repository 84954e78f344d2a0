import { constants } from 'node:fs'
import { open, readdir, realpath, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { CountersignError, quoted } from '../../../errors.ts'
import { bundleFilesMax, bundleOctetsMax } from '../../../policy/bundle-content.ts'
import { isInside } from '../../../policy/inside.ts'

/** What stands where an author has said that sources are. */
export interface Sources {
  /** As they were named, which is what OPA is given. */
  readonly places: readonly string[]
  /** All files there, of whatever kind. */
  readonly files: readonly string[]
}

/** Sources have documents and schemas beside them. */
const filesMax = 16 * bundleFilesMax
const depthMax = 32

/**
 * Finds what OPA is going to read, before it does: files alone, and none that a link brings in from elsewhere, since what is read may end
 * in a bundle, or in a message. Throws `policy/source`.
 */
export async function listSources(places: readonly string[]): Promise<Sources> {
  const files: string[] = []
  for (const place of places) {
    try {
      files.push(...(await listPlace(place)))
    } catch (cause) {
      if (cause instanceof CountersignError) throw cause
      throw refusedSource('sources cannot be read', place, cause)
    }
  }
  return { places, files }
}

async function listPlace(place: string): Promise<readonly string[]> {
  // OPA takes what is before it for the place of data.
  if (place.includes(':')) throw refusedSource('place has a colon', place)
  const found = await stat(place)
  if (found.isDirectory()) {
    const files: string[] = []
    await walk({ root: await realpath(place), files }, place, 0)
    return files
  }
  if (!found.isFile()) throw refusedSource('source is neither a folder nor a file', place)
  if (place.endsWith('.rego') || basename(place) === 'data.json') return [place]
  throw refusedSource('file is no source, want=*.rego|data.json', place)
}

interface Walk {
  readonly root: string
  readonly files: string[]
}

async function walk(to: Walk, folder: string, depth: number): Promise<void> {
  if (depth > depthMax) throw refusedSource(`folder is too deep, want=..${depthMax}`, folder)
  const entries = await readdir(folder, { withFileTypes: true })
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name)
    if (entry.isSymbolicLink() && !isInside(to.root, await resolved(path))) {
      throw refusedSource('link leads out of the folder', path)
    }
    const found = entry.isSymbolicLink() ? await stat(path) : entry
    if (found.isDirectory()) await walk(to, path, depth + 1)
    else if (!found.isFile()) throw refusedSource('source is no file', path)
    else if (to.files.push(path) > filesMax) {
      throw refusedSource(`folder has too many files, want=..${filesMax}`, to.root)
    }
  }
}

async function resolved(link: string): Promise<string> {
  try {
    return await realpath(link)
  } catch (cause) {
    throw refusedSource('link leads nowhere', link, cause)
  }
}

/** Reads one of the files that were found, which may be another thing by now. Throws `policy/source`, also for more octets than these. */
export async function readSource(file: string, octetsMax: number): Promise<Buffer> {
  try {
    // A pipe in the place of a file would wait for ever.
    await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
    const found = await handle.stat()
    if (!found.isFile()) throw refusedSource('source is no file', file)
    if (found.size > octetsMax) {
      throw refusedSource(`sources are too large, want=..${bundleOctetsMax} octets`, file)
    }
    const content = Buffer.alloc(found.size)
    const { bytesRead } = await handle.read(content, 0, content.length, 0)
    return content.subarray(0, bytesRead)
  } catch (cause) {
    if (cause instanceof CountersignError) throw cause
    throw refusedSource('source cannot be read', file, cause)
  }
}

function refusedSource(message: string, got: string, cause?: unknown): CountersignError {
  return new CountersignError('policy/source', `${message}, got=${quoted(got, 200)}`, { cause })
}
