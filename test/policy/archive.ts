import { createHash, sign, type KeyObject } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { packTar } from 'modern-tar'
import { contentOf, type BundleContent } from '../../src/policy/bundle-content.ts'
import { structuredHash } from '../../src/policy/structured-hash.ts'

export type Files = Readonly<Record<string, string | Uint8Array>>

/** A bundle as it is once it is read. */
export function contentWith(files: Files): BundleContent {
  const entries = Object.entries(files).map(([name, file]) => [name, Buffer.from(file)] as const)
  return contentOf(new Map(entries))
}

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

/** The same files with a signature by ES256, as OPA makes it. */
export function signedFiles(files: Files, key: KeyObject, claims: object = {}): Files {
  const listed = Object.entries(files).map(([name, content]) => {
    const isStructured = name === 'data.json' || name === '.manifest'
    const hash = isStructured
      ? structuredHash(Buffer.from(content).toString('utf8'), 'sha256')
      : createHash('sha256').update(content).digest('hex')
    return { name, hash, algorithm: 'SHA-256' }
  })
  const input = [{ alg: 'ES256' }, { files: listed, ...claims }]
    .map((each) => Buffer.from(JSON.stringify(each)).toString('base64url'))
    .join('.')
  const octets = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' })
  const token = `${input}.${octets.toString('base64url')}`
  return { ...files, '.signatures.json': JSON.stringify({ signatures: [token] }) }
}
