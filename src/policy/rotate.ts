import { rename } from 'node:fs/promises'

/** How much of a log is kept: no more octets than size and number of files say together. */
export interface Rotation {
  /** Of one file. */
  readonly fileBytesMax: number
  /** How long lines go to one file; as long as they fit when absent. */
  readonly fileSecondsMax?: number | undefined
  /** In all, with the one that is written to: 2 or more. */
  readonly files: number
}

/** Moves `log` to `log.1`, that to `log.2`, and so on; the oldest is written over. A file that is not there leaves a gap. */
export async function moveAside(file: string, files: number): Promise<void> {
  for (let at = files - 1; at >= 1; at -= 1) {
    const from = at === 1 ? file : `${file}.${at - 1}`
    await rename(from, `${file}.${at}`).catch((error: unknown) => {
      if ((error as { code?: unknown }).code !== 'ENOENT') throw error
    })
  }
}
