import { randomBytes } from 'node:crypto'
import {
  lstat,
  mkdir,
  readFile,
  readdir,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'

export interface VolumeFile {
  readonly text: string
  readonly mode: number
}

/** Relative path in the volume → file. */
export type Payload = ReadonlyMap<string, VolumeFile>

const dataLink = '..data'

/**
 * Makes a volume hold exactly these files, all of them at one moment: they are written into a new folder, and one
 * rename of the link `..data` changes from the old to the new, as kubelet does it. Readers keep the link's
 * folder open or see the next one; never a file of each. Answers whether anything was to be done.
 */
export async function writeVolume(folder: string, payload: Payload): Promise<boolean> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const before = await readlink(join(folder, dataLink)).catch(() => undefined)
  if (before !== undefined && (await holds(join(folder, before), payload))) return false
  const name = `..${timestamp()}.${randomBytes(5).toString('hex')}`
  for (const [path, { text, mode }] of payload) {
    const file = join(folder, name, path)
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    await writeFile(file, text, { mode, flag: 'wx' })
  }
  await mkdir(join(folder, name), { recursive: true, mode: 0o700 })
  const temporary = join(folder, `${dataLink}_tmp`)
  await rm(temporary, { force: true })
  await symlink(name, temporary)
  await rename(temporary, join(folder, dataLink))
  await linkPaths(folder, payload)
  if (before !== undefined) await rm(join(folder, before), { recursive: true, force: true })
  return true
}

function timestamp(): string {
  return new Date().toISOString().slice(0, 19).replaceAll(/[-T:]/g, '_')
}

async function holds(folder: string, payload: Payload): Promise<boolean> {
  for (const [path, { text }] of payload) {
    const present = await readFile(join(folder, path), 'utf8').catch(() => undefined)
    if (present !== text) return false
  }
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).length === payload.size
}

/** What a reader opens: links into `..data`, one for each first part of a path. */
async function linkPaths(folder: string, payload: Payload): Promise<void> {
  const wanted = new Set([...payload.keys()].map((path) => path.split('/')[0] ?? path))
  for (const name of await readdir(folder)) {
    if (!name.startsWith('..') && !wanted.has(name)) await rm(join(folder, name), { force: true })
  }
  for (const name of wanted) {
    const link = join(folder, name)
    if ((await lstat(link).catch(() => undefined)) === undefined) {
      await symlink(join(dataLink, name), link)
    }
  }
}
