import { constants } from 'node:fs'
import { lstat, open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'

/** The file of this name, or a new one, mode 0600, for its end; a line that a crash has cut is ended. */
export async function openAppending(file: string): Promise<FileHandle> {
  // No symbolic link: whoever could place one would choose what is written to.
  const flags = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW
  const handle = await open(file, flags, 0o600)
  try {
    const status = await handle.stat()
    if (!status.isFile()) throw new TypeError('not a regular file')
    if ((status.mode & 0o077) !== 0) await handle.chmod(0o600)
    const last = Buffer.alloc(1)
    if (status.size > 0) await handle.read(last, 0, 1, status.size - 1)
    if (status.size > 0 && last[0] !== 0x0a) await handle.write('\n')
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** Whoever rotates logs renames the file and makes another one; whoever cleans up removes it. */
export async function hasMoved(file: string, handle: Pick<FileHandle, 'stat'>): Promise<boolean> {
  const own = await handle.stat()
  try {
    const there = await lstat(file)
    return there.ino !== own.ino || there.dev !== own.dev
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true
    throw error
  }
}
