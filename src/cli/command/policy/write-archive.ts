import { randomUUID } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { CountersignError, quoted } from '../../../errors.ts'
import { packBundle, unpackBundle } from '../../../policy/bundle-archive.ts'
import type { BundleContent } from '../../../policy/bundle-content.ts'

/** An archive that is whole on the disk, beside its place. */
export interface StagedArchive extends AsyncDisposable {
  /** From now on it is in its place. Throws `policy/bundle`. */
  place(): Promise<void>
}

/**
 * Writes an archive beside its place and renames it, so that nobody who watches the place reads half of one. Nothing is written that is not
 * read again as a bundle, or that is refused then. Throws `policy/bundle`.
 */
export async function writeArchive(
  file: string,
  files: BundleContent['files'],
  check: (read: BundleContent) => void = () => {},
): Promise<void> {
  await using staged = await stageArchive(file, files, { check })
  await staged.place()
}

/** The first half of that. Its mode is the one that is given, or what the process gives to new files. Throws `policy/bundle`. */
export async function stageArchive(
  file: string,
  files: BundleContent['files'],
  {
    check = () => {},
    mode,
  }: { readonly check?: (read: BundleContent) => void; readonly mode?: number } = {},
): Promise<StagedArchive> {
  const octets = await packBundle(files)
  check(await unpackBundle(octets))
  // What a process that was killed has left is nobody's hindrance.
  const beside = `${file}.${randomUUID()}.part`
  const drop = (): Promise<void> => rm(beside, { force: true })
  try {
    await using handle = await open(beside, 'wx')
    await handle.writeFile(octets)
    if (mode !== undefined) await handle.chmod(mode)
    await handle.sync()
  } catch (cause) {
    await drop()
    throw refusedArchive(file, cause)
  }
  return {
    async place() {
      try {
        await rename(beside, file)
      } catch (cause) {
        throw refusedArchive(file, cause)
      }
    },
    [Symbol.asyncDispose]: drop,
  }
}

function refusedArchive(file: string, cause: unknown): CountersignError {
  const shown = quoted(file, 200)
  return new CountersignError('policy/bundle', `archive cannot be written, got=${shown}`, { cause })
}
