import { writeWhole, type LedgerDisk, type LedgerFile } from './ledger-file.ts'
import { segmentFile } from './segments.ts'

/** A new segment, before it has the name of the ledger. */
export function nextFile(name: string): string {
  return `${name}.next`
}

/**
 * Seals the segment that is written, and gives the new one. The name of the ledger leads to one of both at every moment: a crash between any two
 * steps leaves the old one, with a draft or a second name that the next start removes, or the new one whole.
 */
export async function sealSegment(parts: {
  /** Of the ledger. */
  readonly name: string
  readonly disk: LedgerDisk
  readonly sealed: LedgerFile
  readonly firstIndex: number
  /** The first line of the new one. */
  readonly head: Buffer
  /** Throws once the ledger is not ours any more. */
  readonly assertHeld: () => Promise<void>
}): Promise<LedgerFile> {
  const { name, disk, sealed, head, assertHeld } = parts
  const draft = nextFile(name)
  await disk.remove(draft)
  const next = await disk.open(draft, 'write')
  try {
    await writeWhole(next, head, 0)
    await next.sync()
    await assertHeld()
    await sealed.link(segmentFile(name, parts.firstIndex))
    await assertHeld()
    await next.rename(name)
    return next
  } catch (error) {
    await next.close()
    throw error
  }
}

/** Takes away what a crash has left of a seal that was not finished: the ledger is as it was before. */
export async function undoSeal(parts: {
  readonly name: string
  readonly disk: LedgerDisk
  readonly file: LedgerFile
  readonly firstIndex: number
}): Promise<void> {
  const { name, disk, file, firstIndex } = parts
  const second = segmentFile(name, firstIndex)
  if ((await file.standing(second)).name === 'named') await disk.remove(second)
  await disk.remove(nextFile(name))
}
