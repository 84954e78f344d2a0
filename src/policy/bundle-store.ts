import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CountersignError, quoted } from '../errors.ts'
import { archiveOctetsMax } from './bundle-service.ts'

/** Keeps the last good bundle, packed as it came. Nothing that is read again is trusted more than what is downloaded. */
export interface BundleStore {
  /** Undefined where nothing was kept yet. Throws `policy/bundle`. */
  read(): Promise<Buffer | undefined>
  /** All of it or nothing. Throws `policy/bundle`. */
  write(archive: Buffer): Promise<void>
}

/** For those who only look. */
export const noStore: BundleStore = {
  read: () => Promise.resolve(undefined),
  write: () => Promise.resolve(),
}

export function createBundleStore(folder: string): BundleStore {
  const file = join(folder, 'bundle.tar.gz')
  return {
    async read() {
      try {
        await using handle = await open(file, 'r')
        const { size } = await handle.stat()
        if (size <= archiveOctetsMax) return await handle.readFile()
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw refused(`bundle on disk cannot be read, got=${codeOf(error)}`, error)
      }
      throw refused(`bundle on disk is too large, want=..${archiveOctetsMax} octets`)
    },
    async write(archive) {
      // Each worker of a gateway keeps it: whoever is last has the same, or a newer one.
      const beside = `${file}.${process.pid}.part`
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 })
        await writeSynced(beside, archive)
        await rename(beside, file)
        await using kept = await open(dirname(file), 'r')
        await kept.sync()
      } catch (error) {
        await rm(beside, { force: true }).catch(() => {})
        throw refused(`bundle is in force and cannot be kept on disk, got=${codeOf(error)}`, error)
      }
    },
  }
}

async function writeSynced(file: string, content: Buffer): Promise<void> {
  await using handle = await open(file, 'w', 0o600)
  await handle.writeFile(content)
  await handle.sync()
}

function codeOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code ?? quoted(message)
}

function refused(message: string, cause?: unknown): CountersignError {
  return new CountersignError('policy/bundle', message, { cause })
}
