import { rename, rm, writeFile } from 'node:fs/promises'
import { CountersignError, quoted } from '../../../errors.ts'
import { packBundle, unpackBundle } from '../../../policy/bundle-archive.ts'
import type { BundleContent } from '../../../policy/bundle-content.ts'

/**
 * Writes an archive beside its place and renames it, so that nobody who watches the place reads half of one. Nothing is written that is not
 * read again as a bundle, or that is refused then. Throws `policy/bundle`.
 */
export async function writeArchive(
  file: string,
  files: BundleContent['files'],
  check: (read: BundleContent) => void = () => {},
): Promise<void> {
  const octets = await packBundle(files)
  check(await unpackBundle(octets))
  const beside = `${file}.${process.pid}.part`
  try {
    await writeFile(beside, octets, { flag: 'wx' })
  } catch (cause) {
    // What stood there before is somebody else's.
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') await rm(beside, { force: true })
    throw refusedArchive(file, cause)
  }
  try {
    await rename(beside, file)
  } catch (cause) {
    await rm(beside, { force: true })
    throw refusedArchive(file, cause)
  }
}

function refusedArchive(file: string, cause: unknown): CountersignError {
  const shown = quoted(file, 200)
  return new CountersignError('policy/bundle', `archive cannot be written, got=${shown}`, { cause })
}
