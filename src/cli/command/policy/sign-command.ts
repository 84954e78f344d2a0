import { stat } from 'node:fs/promises'
import { CountersignError } from '../../../errors.ts'
import { verifyBundle } from '../../../policy/bundle-signature.ts'
import { openTrust } from '../../policy-files.ts'
import type { Terminal } from '../../terminal.ts'
import { algorithmOf } from './algorithm.ts'
import { readNamedBundle, readWhole } from './read-bundle.ts'
import { signContent } from './sign-content.ts'
import { writeArchive } from './write-archive.ts'

export interface PolicySignOptions {
  readonly key?: string
  readonly algorithm?: string
  readonly keyId?: string
  readonly scope?: string
  readonly output?: string
  readonly json?: boolean
}

/** Signs a bundle as a whole, in OPA's format, and writes it as an archive. Throws `policy/…`. */
export async function runPolicySign(
  place: string,
  options: PolicySignOptions,
  terminal: Terminal,
): Promise<void> {
  const { key: file, scope = '' } = options
  if (file === undefined) throw new CountersignError('cli/usage', '--key: want=PEM file got=none')
  const algorithm = algorithmOf(options)
  const output = options.output ?? (await archiveAt(place))
  const content = await readWhole(place)
  const { files, known, issuedAt } = await signContent(content, { ...options, key: file })
  // Nothing is given out as signed that whoever verifies would refuse.
  await writeArchive(output, files, (read) => void verifyBundle(read, { keys: [known], scope }))
  const document = { version: 1, ok: true, algorithm, scope, issuedAt, output }
  if (options.json === true) terminal.out(`${JSON.stringify(document)}\n`)
  else terminal.out(`${files.size - 1} files are signed with ${algorithm}, in ${output}\n`)
}

/** An archive is signed where it stands; a folder becomes one, which needs a place of its own. */
async function archiveAt(place: string): Promise<string> {
  const isFolder = await stat(place).then(
    (found) => found.isDirectory(),
    () => false,
  )
  if (!isFolder) return place
  throw new CountersignError('cli/usage', '--output: want=file for the bundle of a folder got=none')
}

export interface PolicyVerifyOptions {
  readonly publicKey?: string
  readonly algorithm?: string
  readonly keyId?: string
  readonly scope?: string
  readonly json?: boolean
}

/** Says whether a bundle is signed by this key as a whole; nothing else of it is looked at. Throws `policy/…`. */
export async function runPolicyVerify(
  place: string,
  options: PolicyVerifyOptions,
  terminal: Terminal,
): Promise<void> {
  const { publicKey, keyId = 'given', scope = '' } = options
  if (publicKey === undefined) {
    throw new CountersignError('cli/usage', '--public-key: want=PEM file got=none')
  }
  const algorithm = algorithmOf(options)
  const trust = await openTrust({ keys: [{ id: keyId, algorithm, publicKey }], scope })
  const content = await readNamedBundle(place)
  trust.admit(content)
  const document = { version: 1, ok: true, files: content.files.size - 1 }
  if (options.json === true) terminal.out(`${JSON.stringify(document)}\n`)
  else terminal.out(`${content.files.size - 1} files are as they were signed\n`)
}
