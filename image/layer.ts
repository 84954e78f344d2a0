import { readFileSync, realpathSync } from 'node:fs'
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { packTar, type TarEntry } from 'modern-tar'

/** What stands in a layer, by its path from the root of the image without the leading slash. The folders above come by themselves. */
export type LayerEntry =
  | {
      readonly type: 'file'
      readonly path: string
      readonly data: Buffer
      /** Default 0644. */
      readonly mode?: number
    }
  | { readonly type: 'link'; readonly path: string; readonly target: string }

export function file(path: string, data: Buffer | string, mode = 0o644): LayerEntry {
  return { type: 'file', path, data: typeof data === 'string' ? Buffer.from(data) : data, mode }
}

/** A file of this machine, read through links. */
export function copied(path: string, from: string, mode = 0o644): LayerEntry {
  return file(path, readFileSync(realpathSync(from)), mode)
}

/** The layer as tar: the same entries give the same octets, in whatever order they come. Everything belongs to root. */
export async function packLayer(
  entries: readonly LayerEntry[],
  mtimeSeconds: number,
): Promise<Buffer> {
  const owner = { uid: 0, gid: 0, mtime: new Date(mtimeSeconds * 1000) }
  const packed = withFolders(entries).map((entry): TarEntry => {
    const { path } = entry
    if (entry.type === 'folder') {
      return { header: { ...owner, type: 'directory', name: `${path}/`, mode: 0o755, size: 0 } }
    }
    if (entry.type === 'link') {
      const { target } = entry
      return {
        header: { ...owner, type: 'symlink', name: path, linkname: target, mode: 0o777, size: 0 },
      }
    }
    const { data, mode = 0o644 } = entry
    return { header: { ...owner, type: 'file', name: path, mode, size: data.length }, body: data }
  })
  const octets = await packTar(packed)
  return Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength)
}

/** The same entries as files below a folder of this machine, which is emptied first. */
export async function writeTree(folder: string, entries: readonly LayerEntry[]): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  for (const entry of withFolders(entries)) {
    const path = join(folder, entry.path)
    if (entry.type === 'folder') await mkdir(path, { recursive: true, mode: 0o755 })
    else if (entry.type === 'link') await symlink(entry.target, path)
    else await writeFile(path, entry.data, { mode: entry.mode ?? 0o644 })
  }
}

type Placed = LayerEntry | { readonly type: 'folder'; readonly path: string }

/** The entries and the folders above them, each once, parents first. */
function withFolders(entries: readonly LayerEntry[]): readonly Placed[] {
  const placed = new Map<string, Placed>()
  for (const entry of entries) {
    if (placed.has(entry.path)) throw new Error(`want=each path once got=${entry.path}`)
    placed.set(entry.path, entry)
  }
  for (const { path } of entries) {
    for (let above = dirname(path); above !== '.'; above = posix.dirname(above)) {
      const there = placed.get(above)
      if (there === undefined) placed.set(above, { type: 'folder', path: above })
      else if (there.type !== 'folder') throw new Error(`want=a folder got=${there.type} ${above}`)
    }
  }
  return [...placed.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1))
}
