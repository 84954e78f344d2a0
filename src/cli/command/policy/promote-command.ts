import { lstat } from 'node:fs/promises'
import { hostname, userInfo } from 'node:os'
import { CountersignError, quoted } from '../../../errors.ts'
import { contentOf, type BundleContent } from '../../../policy/bundle-content.ts'
import { signatureFile, verifyBundle } from '../../../policy/bundle-signature.ts'
import type { PolicyName } from '../../../policy/engine.ts'
import { openPolicyBase } from '../../../policy/engine.ts'
import type { BundleTrust } from '../../../policy/bundle-trust.ts'
import { openTrust } from '../../policy-files.ts'
import type { Terminal } from '../../terminal.ts'
import { algorithmOf } from './algorithm.ts'
import { readTested } from './open-bundle.ts'
import { lockPlace, previousPlace, replaceAt } from './promote-place.ts'
import { readNamedBundle } from './read-bundle.ts'
import { signContent, type SigningOptions } from './sign-content.ts'

export interface PolicyPromoteOptions extends SigningOptions {
  readonly to?: string
  readonly revision?: string
  readonly digest?: string
  readonly rollBack?: boolean
  readonly data?: readonly string[]
  readonly publicKey?: string
  readonly key?: string
  /** What is there is signed by another key than the one given, and when it was is not looked at. */
  readonly newSigner?: boolean
  readonly by?: string
  readonly json?: boolean
}

/**
 * Puts a candidate in the place that gateways follow, once it has passed all that they ask of it; `--roll-back` puts back what was there
 * before. What is put there are the octets that were looked at. Throws `policy/…`, `cli/usage`.
 */
export async function runPolicyPromote(
  candidate: string | undefined,
  options: PolicyPromoteOptions,
  terminal: Terminal,
): Promise<void> {
  const { to, data = [] } = options
  const from = sourceOf(candidate, options)
  if (to === undefined) throw usage('--to: want=archive that gateways follow got=none')
  await using _ = await lockPlace(to)
  const present = await readPresent(to)
  const trust = await trustOf(options, present)
  // The candidate of a key of our own is signed anew: nobody else need have signed it.
  const admit = (read: BundleContent): void => {
    if (options.key === undefined) trust.admit(read)
  }
  const { content, documents } = await readTested(from, data, terminal.signal, { admit })
  const base = await openPolicyBase({ content })
  const { revision, digest } = base.engineWith(documents, { tested: true })
  checkNamed({ revision, digest }, options)
  if (present !== undefined && isSameBut(content, present)) {
    throw refused(`it is there already, got=${quoted(revision)}`)
  }
  const files = await filesOf(content, options, present)
  const before = present === undefined ? undefined : revisionOf(present)
  const record = {
    at: new Date().toISOString(),
    by: options.by ?? userName(),
    account: `${userName()}@${hostname()}`,
    act: options.rollBack === true ? 'roll-back' : 'promote',
    from: before,
    to: { revision, digest },
  }
  await replaceAt(to, files, record)
  const document = { version: 1, ok: true, ...record }
  if (options.json === true) terminal.out(`${JSON.stringify(document)}\n`)
  else {
    terminal.out(`revision ${revision}, with its data ${digest}, is in ${to}\n`)
    if (before !== undefined)
      terminal.out(`revision ${before} comes back with --roll-back --revision ${before}\n`)
  }
}

function sourceOf(candidate: string | undefined, options: PolicyPromoteOptions): string {
  const { rollBack = false, revision, to = '' } = options
  if (rollBack && candidate !== undefined) {
    throw usage('--roll-back: want=no candidate beside it')
  }
  if (!rollBack && candidate === undefined) throw usage('want=candidate, or --roll-back')
  // Of two who roll back at once the second one would else bring back what both are rid of.
  if (revision === undefined) throw usage('--revision: want=revision that is to be there got=none')
  return candidate ?? previousPlace(to)
}

/** Undefined where nothing is there yet. */
async function readPresent(to: string): Promise<BundleContent | undefined> {
  const found = await lstat(to).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw refused(`place cannot be looked at, got=${quoted(to, 200)}`, error)
  })
  if (found === undefined) return undefined
  if (!found.isFile()) throw usage(`--to: want=archive, no folder or link got=${quoted(to, 200)}`)
  return readNamedBundle(to)
}

/** What gateways that follow the place would admit there. */
async function trustOf(
  options: PolicyPromoteOptions,
  present: BundleContent | undefined,
): Promise<BundleTrust> {
  const { publicKey, key, keyId = 'given', scope = '' } = options
  if (publicKey !== undefined && key !== undefined) {
    throw usage('--key: want=--key, which signs anew, or --public-key, not both')
  }
  if (publicKey === undefined) {
    if (key === undefined && present?.files.has(signatureFile) === true) {
      throw usage('what is there is signed, want=--public-key of its signer, or --key to sign anew')
    }
    return openTrust(undefined)
  }
  const signers = { keys: [{ id: keyId, algorithm: algorithmOf(options), publicKey }], scope }
  // A server may send from the place: who asks one takes nothing without a time, or of the same second.
  const trust = await openTrust(signers, { dated: Date.now })
  const ordered = orderedAfter(present, options)
  if (ordered === undefined) return trust
  const { issuedAt } = (await openTrust(signers)).admit(ordered)
  // What was signed before it is refused by those who have it in force.
  if (issuedAt !== undefined) trust.admit(ordered).accepted()
  return trust
}

/** What is there, where the candidate has to be signed later than that. */
function orderedAfter(
  present: BundleContent | undefined,
  { newSigner = false }: PolicyPromoteOptions,
): BundleContent | undefined {
  return !newSigner && present?.files.has(signatureFile) === true ? present : undefined
}

function checkNamed(found: PolicyName, { revision, digest }: PolicyPromoteOptions): void {
  if (revision !== undefined && revision !== found.revision) {
    const told = `want=${quoted(revision)} got=${quoted(found.revision)}`
    throw refused(`candidate is another revision than the one that is named, ${told}`)
  }
  if (digest !== undefined && digest !== found.digest) {
    const told = `want=${quoted(digest)} got=${found.digest}`
    throw refused(`candidate with this data is another one than the one that is named, ${told}`)
  }
}

async function filesOf(
  content: BundleContent,
  options: PolicyPromoteOptions,
  present: BundleContent | undefined,
): Promise<BundleContent['files']> {
  const { key, scope = '' } = options
  if (key === undefined) return content.files
  const { known, ...first } = await signContent(content, { ...options, key })
  const ordered = orderedAfter(present, options)
  const { issuedAt = -1 } =
    ordered === undefined ? {} : verifyBundle(ordered, { keys: [known], scope })
  if (first.issuedAt > issuedAt) return first.files
  const { files } = await signContent(content, { ...options, key }, issuedAt + 1)
  return files
}

/** The same files, whoever has signed them and when. */
function isSameBut(one: BundleContent, other: BundleContent): boolean {
  const [first, second] = [one, other].map(({ files }) => {
    const unsigned = [...files].filter(([path]) => path !== signatureFile)
    return contentOf(new Map(unsigned)).digest
  })
  return first === second
}

function revisionOf({ files }: BundleContent): string {
  try {
    const { revision } = JSON.parse(String(files.get('.manifest'))) as { revision?: unknown }
    if (typeof revision === 'string') return revision
  } catch {
    // What is broken has none, and may be replaced.
  }
  return 'none'
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    // An account without a name, as in many containers.
    return `uid ${process.getuid?.() ?? 'unknown'}`
  }
}

function usage(message: string): CountersignError {
  return new CountersignError('cli/usage', message)
}

function refused(message: string, cause?: unknown): CountersignError {
  return new CountersignError('policy/bundle', message, { cause })
}
