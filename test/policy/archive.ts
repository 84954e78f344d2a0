import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { packTar } from 'modern-tar'

export type Files = Readonly<Record<string, string | Uint8Array>>

/** A bundle as `opa build` packs it. */
export async function archiveOf(files: Files): Promise<Buffer> {
  const entries = Object.entries(files).map(([name, content]) => {
    const body = typeof content === 'string' ? Buffer.from(content) : content
    return { header: { name, size: body.length, mtime: new Date(0), mode: 0o600 }, body }
  })
  return gzipSync(await packTar(entries))
}

const shippedFolder = join(import.meta.dirname, '..', '..', 'policies', 'bundle')

/** The files of the shipped bundle, with others in their place. One that is undefined is left out. */
export async function shippedFiles(
  others: Readonly<Record<string, string | Uint8Array | undefined>> = {},
): Promise<Files> {
  const names = await readdir(shippedFolder)
  const shipped = await Promise.all(
    names.map(async (name) => [name, await readFile(join(shippedFolder, name))] as const),
  )
  const all = { ...Object.fromEntries(shipped), ...others }
  return Object.fromEntries(
    Object.entries(all).flatMap(([name, content]) =>
      content === undefined ? [] : [[name, content]],
    ),
  )
}

/** The shipped bundle under another name. */
export async function shippedAs(revision: string): Promise<Files> {
  return shippedFiles({ '.manifest': JSON.stringify({ revision, roots: [''] }) })
}
