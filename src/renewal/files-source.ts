import { quoted } from '../errors.ts'
import type { Log } from '../log.ts'
import { joinCredential } from '../pki/join-credential.ts'
import { openReloadingFiles } from '../pki/reloading-files.ts'
import { noneThere, type CredentialSource } from './credential-source.ts'
import { readRegularFile } from './regular-file.ts'

/** Where somebody else keeps a credential: all in one file, as kubelet writes it, or key and chain in two. */
export type FilesOfOthers =
  | { readonly credentialBundle: string }
  | { readonly certificate: string; readonly privateKey: string }

/** Far above every key and chain. */
const octetsMax = 128 * 1024
const lookMilliseconds = 1000

/** Follows what somebody else writes. What is not whole leaves the last that was in force, and `next` says why. */
export async function openFilesSource(options: {
  readonly files: FilesOfOthers
  readonly anchors: (signal: AbortSignal) => Promise<string>
  readonly log: Log
}): Promise<CredentialSource> {
  const { files, anchors, log } = options
  const fields = Object.entries(files)
  const followed = await openReloadingFiles({
    files: fields.map(([, file]) => file),
    read: () => Promise.all(fields.map(([field, file]) => readText(field, file))),
    code: 'renewal/source',
    parse: (texts) => joinCredential(fields.map(([field], at) => [field, texts[at] ?? ''])),
    awaited: true,
    pollSeconds: 5,
    log,
  })
  return {
    name: 'files',
    isFollowed: true,
    anchors,
    async next({ signal, delay, isInForce }) {
      for (;;) {
        if (followed.problem !== undefined) throw followed.problem
        const credentialBundle = followed.current()
        if (!isInForce(credentialBundle)) return { kind: 'issued', credentialBundle }
        await delay(lookMilliseconds, signal)
      }
    },
    settle: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => followed[Symbol.asyncDispose](),
  }
}

async function readText(field: string, file: string): Promise<string> {
  const what = `files.${field}`
  const found = await readRegularFile(file, { code: 'renewal/source', what, octetsMax })
  if (found !== undefined) return found.text
  throw noneThere(`${what}: ${quoted(file, 200)} is not there`)
}
