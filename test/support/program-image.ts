import { execFileSync } from 'node:child_process'
import type { ImageFile } from './oci-archive.ts'

/** This machine's Node with the libraries that it loads, as files of an image: `/usr/bin/node`. */
export function nodeFiles(): readonly ImageFile[] {
  const listed = execFileSync('ldd', [process.execPath], { encoding: 'utf8' })
  const libraries = [...listed.matchAll(/(\/\S+)/g)].map(([, path = '']) => path)
  return [
    { path: 'usr/bin/node', from: process.execPath },
    ...libraries.map((from) => ({ path: from.slice(1), from })),
    { path: 'etc/nsswitch.conf', mode: 0o644, text: 'hosts: files dns\n' },
  ]
}
