import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { readBoundedFile } from '../bounded-file.ts'
import { CountersignError } from '../errors.ts'
import { archiveOctetsMax } from './bundle-exchange.ts'
import { codeOf } from './error-code.ts'
import { writeSynced } from './synced-file.ts'

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

/** Nobody writes so long. */
const partMillisecondsMax = 60_000

export function createBundleStore(folder: string): BundleStore {
  const file = join(folder, 'bundle.tar.gz')
  return {
    async read() {
      try {
        const found = await readBoundedFile(file, archiveOctetsMax, constants.O_NOFOLLOW)
        if (found !== undefined) return found.content
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw refused(`bundle on disk cannot be read, got=${codeOf(error)}`, error)
      }
      throw refused(`bundle on disk is too large, want=..${archiveOctetsMax} octets`)
    },
    async write(archive) {
      // Each worker of a gateway keeps it, and looks before at what is there.
      const beside = `${file}.${randomBytes(8).toString('hex')}.part`
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 })
        await removeOldParts(folder)
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

/** Of those who ended while they wrote; one that is younger may be another worker's. */
async function removeOldParts(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!/^bundle\.tar\.gz\.[0-9a-f]+\.part$/.test(name)) continue
    const part = join(folder, name)
    const status = await lstat(part).catch(() => undefined)
    if (status !== undefined && Date.now() - status.mtimeMs > partMillisecondsMax) {
      await rm(part, { force: true })
    }
  }
}

function refused(message: string, cause?: unknown): CountersignError {
  return new CountersignError('policy/bundle', message, { cause })
}
