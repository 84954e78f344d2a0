import { constants, type Stats } from 'node:fs'
import {
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readlink,
  rename,
  rm,
  symlink,
  type FileHandle,
} from 'node:fs/promises'
import { basename, join } from 'node:path'
import { CountersignError, quoted } from '../errors.ts'
import { splitCredentialBundle } from '../pki/node-serving.ts'
import { checkInMemory, type FileSystemOf } from './memory-folder.ts'
import { formatPending, parsePending, type PendingStore } from './pending.ts'
import { readRegularFile, type RegularFile } from './regular-file.ts'

/** What others read. */
export interface CredentialFiles {
  /** PEM: key, certificate, intermediates, as kubelet writes it. */
  readonly credentialBundle: string
  /** PEM of anchors. */
  readonly trustBundle: string
  /** Which source it is of, for whoever starts again; undefined where nobody wrote that down. */
  readonly source?: string | undefined
}

export interface CredentialFolder extends PendingStore {
  /** Undefined while nothing was written, or what stands there is not whole. */
  read(): Promise<CredentialFiles | undefined>
  /** All of it at one moment, as kubelet does: whoever reads sees the files before or those after. */
  write(files: CredentialFiles): Promise<void>
}

const credentialName = 'credential-bundle.pem'
const trustName = 'trust-bundle.pem'
/** Beside the others and for nobody else, so no link leads to it. */
const sourceName = 'source'
const pendingName = '..pending.json'
const dataName = '..data'
/** For programs that want two files, as kubelet's are. */
const keyName = 'tls.key'
const chainName = 'tls.crt'
const versionPattern = /^\.\.\d{4}-[\w-]+$/
const octetsMax = 2 * 1024 * 1024

/** Who we are, as the system says. */
type OwnUid = () => number | undefined
const processUid: OwnUid = () => process.getuid?.()

/**
 * A folder in which a credential is kept, made where there is none. Folders and files are its owner's alone unless the group may read; there is no moment at
 * which another could. What others could have written is neither read nor written to. Throws `renewal/folder`.
 */
export async function openCredentialFolder(
  folder: string,
  options: {
    readonly groupReadable: boolean
    /** Whether key and chain stand in files of their own, too. */
    readonly split?: boolean
    /** Whether it has to be in memory. */
    readonly memory?: boolean
    readonly uid?: OwnUid
    readonly fileSystemOf?: FileSystemOf
  },
): Promise<CredentialFolder> {
  const { groupReadable, split = false, memory = false, uid = processUid } = options
  // Each time: what was mounted there may be gone, and then it is a folder of a disk.
  const checkMemory = (): Promise<void> =>
    memory ? checkInMemory(folder, options.fileSystemOf) : Promise.resolve()
  const fileMode = groupReadable ? 0o640 : 0o600
  const folderMode = groupReadable ? 0o750 : 0o700
  const attempt = <T>(work: () => Promise<T>): Promise<T> =>
    withFailure(folder, async () => {
      await checkOwn(folder, uid)
      await checkMemory()
      return work()
    })
  await withFailure(folder, () => mkdir(folder, { recursive: true, mode: folderMode }))
  await withFailure(folder, () => checkOwn(folder, uid, groupReadable ? 0o050 : 0))
  await withFailure(folder, checkMemory)
  return {
    read: () => readCredentialFiles(folder, uid),
    write: (files) =>
      attempt(async () => {
        const { source } = files
        await writeVersion(folder, partsOf(files, split), { source, uid, fileMode, folderMode })
      }),
    pending: () =>
      attempt(async () => {
        const path = join(folder, pendingName)
        // A key that another could read, or has placed here, is none: another one is made.
        if (!isOwnAlone(await lstat(path).catch(() => undefined), uid)) return undefined
        const found = await readOwnFile(path)
        return found === undefined || !isOwnAlone(found.status, uid)
          ? undefined
          : parsePending(found.text)
      }),
    keepPending: (pending) =>
      attempt(async () => {
        const path = join(folder, pendingName)
        if (pending === undefined) return rm(path, { force: true })
        const next = `${path}.new`
        await rm(next, { force: true })
        // The key of a request is for nobody else, whoever reads the credential later.
        await writeNew(next, formatPending(pending), 0o600)
        await rename(next, path)
      }),
  }
}

/** In new files, with one link that swaps all. */
async function writeVersion(
  folder: string,
  parts: ReadonlyMap<string, string>,
  options: {
    readonly source: string | undefined
    readonly uid: OwnUid
    readonly fileMode: number
    readonly folderMode: number
  },
): Promise<void> {
  const { source, uid, fileMode, folderMode } = options
  for (const name of [dataName, ...parts.keys()]) await checkReplaceable(join(folder, name))
  await sweep(folder)
  const now = new Date().toISOString().replaceAll(/[:.]/g, '_')
  const version = basename(await mkdtemp(join(folder, `..${now}-`)))
  try {
    await checkOwn(join(folder, version), uid, folderMode)
    for (const [name, text] of parts) {
      await writeNew(join(folder, version, name), text, fileMode)
    }
    if (source !== undefined) {
      await writeNew(join(folder, version, sourceName), source, fileMode)
    }
    await link(version, join(folder, dataName))
    for (const name of parts.keys()) {
      await linkOnce(join(dataName, name), join(folder, name))
    }
  } finally {
    await sweep(folder)
  }
}

/** Of the same octets: who opens two files may still see the key of one moment and the certificate of the next. */
function partsOf(
  { credentialBundle, trustBundle }: CredentialFiles,
  split: boolean,
): ReadonlyMap<string, string> {
  const parts = new Map([
    [credentialName, credentialBundle],
    [trustName, trustBundle],
  ])
  if (!split) return parts
  const { privateKeyPem, chainPem } = splitCredentialBundle(credentialBundle)
  return parts.set(keyName, privateKeyPem).set(chainName, chainPem)
}

/** What stands in a folder, which is left as it is. Throws `renewal/folder`. */
export async function readCredentialFiles(
  folder: string,
  uid: OwnUid = processUid,
): Promise<CredentialFiles | undefined> {
  return withFailure(folder, async () => {
    for (;;) {
      const version = await currentVersion(folder)
      if (version === undefined) return undefined
      const found = await readVersion(folder, version, uid).catch((error: unknown) => ({ error }))
      // Whoever keeps it may have written the next one meanwhile, and taken this one away.
      if ((await currentVersion(folder)) !== version) continue
      if (found !== undefined && 'error' in found) throw found.error
      return found
    }
  })
}

async function readVersion(
  folder: string,
  version: string,
  uid: OwnUid,
): Promise<CredentialFiles | undefined> {
  for (const each of [folder, join(folder, version)]) await checkOwn(each, uid)
  const [credential, trust, source] = await Promise.all(
    [credentialName, trustName, sourceName].map((name) => readOwnFile(join(folder, version, name))),
  )
  if (credential === undefined || trust === undefined) return undefined
  for (const each of [credential, trust, source]) {
    if (each !== undefined) checkOwner(folder, each.status, uid)
  }
  const files = { credentialBundle: credential.text, trustBundle: trust.text }
  return source === undefined ? files : { ...files, source: source.text }
}

/** The folder that our own link leads to. */
async function currentVersion(folder: string): Promise<string | undefined> {
  try {
    const version = await readlink(join(folder, dataName))
    if (versionPattern.test(version)) return version
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  throw refused(join(folder, dataName), 'leads elsewhere')
}

/** Nor what a link leads to: none stands where files of ours do. */
const readOwnFile = (path: string): Promise<RegularFile | undefined> =>
  readRegularFile(path, {
    code: 'renewal/folder',
    what: 'folder',
    octetsMax,
    flags: constants.O_NOFOLLOW,
  })

/** A folder itself, no link to one, that is ours and that nobody else writes to; with these rights where it has to have them. */
async function checkOwn(path: string, uid: OwnUid, rights = 0): Promise<void> {
  await using folder = await openFolder(path)
  const status = await folder.stat()
  checkOwner(path, status, uid)
  // What the mode has beyond the rights is its own, as a group that is inherited.
  if ((status.mode & rights) !== rights) await folder.chmod((status.mode & 0o7777) | rights)
}

async function openFolder(path: string): Promise<FileHandle> {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants
  try {
    return await open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOTDIR') throw error
    throw refused(path, 'is no folder, or a link to one')
  }
}

function checkOwner(path: string, { uid: owner, mode }: Stats, uid: OwnUid): void {
  const own = uid()
  if (own !== undefined && owner !== own) {
    throw refused(path, `is of another owner, want=${own} got=${owner}`)
  }
  if ((mode & 0o022) !== 0) {
    throw refused(path, `can be written by others, got=${(mode & 0o777).toString(8)}`)
  }
}

function isOwnAlone(status: Stats | undefined, uid: OwnUid): boolean {
  if (status?.isFile() !== true || (status.mode & 0o777) !== 0o600) return false
  const own = uid()
  return own === undefined || status.uid === own
}

/** Never over what is there, nor through a link: with its mode from the beginning, and on the disk before it is named. */
async function writeNew(path: string, text: string, mode: number): Promise<void> {
  await using file = await open(path, 'wx', mode)
  await file.writeFile(text)
  await file.chmod(mode)
  await file.sync()
}

async function link(target: string, path: string): Promise<void> {
  const next = `${path}_tmp`
  await rm(next, { force: true })
  await symlink(target, next)
  await rename(next, path)
}

async function linkOnce(target: string, path: string): Promise<void> {
  const found = await readlink(path).catch(() => undefined)
  if (found !== target) await link(target, path)
}

/** Nothing can be renamed over a folder: better known before a key is written than afterwards. */
async function checkReplaceable(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined || found.isSymbolicLink() || found.isFile()) return
  throw refused(path, 'is neither a file nor a link')
}

/** All versions but that in force: keys that are over, or that a write which failed or was ended has left. */
async function sweep(folder: string): Promise<void> {
  const current = await currentVersion(folder)
  const names = await readdir(folder)
  const old = names.filter((name) => versionPattern.test(name) && name !== current)
  for (const name of old) await rm(join(folder, name), { recursive: true, force: true })
}

async function withFailure<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof CountersignError ? error : refused(folder, 'cannot be used', error)
  }
}

function refused(path: string, why: string, cause?: unknown): CountersignError {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code
  const got = code === undefined ? '' : `, got=${code}`
  return new CountersignError('renewal/folder', `folder: ${quoted(path, 200)} ${why}${got}`, {
    cause,
    hint: 'want=a folder of the agent alone: name one that is not there yet, and the agent makes it',
  })
}
