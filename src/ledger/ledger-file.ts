import { constants } from 'node:fs'
import { link, lstat, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { CountersignError, quoted } from '../errors.ts'
import { syncFolder, unlessAbsent } from '../tlog/durable-file.ts'

/** What a ledger asks of the disk. Positions are given, so where a record stands never depends on what was tried before. */
export interface LedgerFile {
  size(): Promise<number>
  /** Gives how many octets were read; fewer only at the end of the file. */
  read(buffer: Buffer, position: number): Promise<number>
  /** Gives how many octets were written, which may be fewer than asked. */
  write(octets: Buffer, position: number): Promise<number>
  truncate(size: number): Promise<void>
  /** Resolves when the octets, and the size that is needed to read them, outlive a power cut. */
  sync(): Promise<void>
  /** Whether its name, or another one, leads to the file that is open, and how long that is, in one look. */
  standing(name?: string): Promise<{ readonly name: Standing; readonly octets: number }>
  /** Gives it another name beside its own, which outlives a power cut. Never takes one that is in use. */
  link(name: string): Promise<void>
  /** Takes the place of the file that has this name, and goes by it from then on; so it is after a power cut. */
  rename(name: string): Promise<void>
  close(): Promise<void>
}

/** What a ledger of several files asks of the disk. */
export interface LedgerDisk {
  open: OpenLedgerFile
  /** The paths beside this one that begin like it. */
  beside(file: string): Promise<readonly string[]>
  /** A name that is not there is removed already. It stays away after a power cut. */
  remove(file: string): Promise<void>
}

/** A file that lost its name takes writes and syncs as before, and is gone with the process that holds it open. */
export type Standing = 'named' | 'removed' | 'replaced'

export type OpenLedgerFile = (file: string, access: 'read' | 'write') => Promise<LedgerFile>

/** The regular file of this name, mode 0600; made when it is to be written and is not there. Follows no symbolic link. */
export async function openLedgerFile(file: string, access: 'read' | 'write'): Promise<LedgerFile> {
  const writing = constants.O_RDWR | constants.O_CREAT
  const flags = (access === 'write' ? writing : constants.O_RDONLY) | constants.O_NOFOLLOW
  const handle = await open(file, flags, 0o600)
  try {
    if (!(await handle.stat()).isFile()) {
      throw new CountersignError('ledger/unavailable', `not a regular file: ${quoted(file)}`)
    }
    if (access === 'write') {
      await handle.chmod(0o600)
      await syncFolder(dirname(file))
    }
  } catch (error) {
    await handle.close()
    throw error
  }
  let named = file
  return {
    size: async () => (await handle.stat()).size,
    read: async (buffer, position) =>
      (await handle.read(buffer, 0, buffer.length, position)).bytesRead,
    write: async (octets, position) =>
      (await handle.write(octets, 0, octets.length, position)).bytesWritten,
    truncate: (size) => handle.truncate(size),
    sync: () => handle.datasync(),
    standing: async (name = named) => {
      const [found, opened] = await Promise.all([
        lstat(name, { bigint: true }).catch(unlessAbsent),
        handle.stat({ bigint: true }),
      ])
      const octets = Number(opened.size)
      if (found === undefined) return { name: 'removed', octets }
      const isSame = found.ino === opened.ino && found.dev === opened.dev
      return { name: isSame ? 'named' : 'replaced', octets }
    },
    link: async (name) => {
      await link(named, name)
      await syncFolder(dirname(name))
    },
    rename: async (name) => {
      await rename(named, name)
      named = name
      await syncFolder(dirname(name))
    },
    close: () => handle.close(),
  }
}

/** Throws 'ledger/unavailable' for a file that takes no more. */
export async function writeWhole(
  file: LedgerFile,
  octets: Buffer,
  position: number,
): Promise<void> {
  for (let written = 0; written < octets.length;) {
    const count = await file.write(octets.subarray(written), position + written)
    if (count === 0) throw new CountersignError('ledger/unavailable', 'ledger takes no octets')
    written += count
  }
}

export const ledgerDisk: LedgerDisk = {
  open: openLedgerFile,
  async beside(file) {
    const names = await readdir(dirname(file))
    return names
      .filter((name) => name.startsWith(basename(file)))
      .map((name) => join(dirname(file), name))
  },
  async remove(file) {
    await rm(file, { force: true })
    await syncFolder(dirname(file))
  },
}
