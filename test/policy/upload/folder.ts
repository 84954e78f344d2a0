import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder for one log, and its name. */
export async function openFolder(): Promise<
  AsyncDisposable & { readonly file: string; readonly folder: string }
> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-upload-'))
  const file = join(folder, 'decisions.jsonl')
  return { file, folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) }
}
