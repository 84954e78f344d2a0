import { constants } from 'node:fs'
import { open } from 'node:fs/promises'

/** Nothing is followed, and nothing written over, whatever stands there. */
const writing = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW

/** A new file of this content, for its owner alone, on the disk when it resolves. To be renamed to its name. */
export async function writeSynced(file: string, content: Buffer | string): Promise<void> {
  await using handle = await open(file, writing, 0o600)
  await handle.writeFile(content)
  await handle.sync()
}
