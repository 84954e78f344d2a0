import { statfs } from 'node:fs/promises'
import { CountersignError, quoted } from '../errors.ts'

/** The type of the file system that a path is on, as Linux numbers them (statfs(2)). */
export type FileSystemOf = (path: string) => Promise<number>

const systemFileSystem: FileSystemOf = async (path) => (await statfs(path)).type

/** tmpfs and ramfs: what is written there is on no disk, but for what the system swaps out. */
const inMemory: readonly number[] = [0x0102_1994, 0x8584_58f6]

/** Throws `renewal/folder` for a folder that is on a disk, or of which nobody can tell: other systems number theirs in another way. */
export async function checkInMemory(
  folder: string,
  fileSystemOf: FileSystemOf = systemFileSystem,
  platform: string = process.platform,
): Promise<void> {
  const type = platform === 'linux' ? await fileSystemOf(folder) : undefined
  if (type !== undefined && inMemory.includes(type)) return
  const got = type === undefined ? platform : `0x${type.toString(16)}`
  throw new CountersignError(
    'renewal/folder',
    `folder: ${quoted(folder, 200)} is not in memory, want=tmpfs or ramfs got=${got}`,
    { hint: 'want=a folder in an emptyDir with medium: Memory, or in /dev/shm' },
  )
}
