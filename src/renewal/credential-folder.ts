import { lstat, mkdir, open, readdir, rename, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { CountersignError, quoted } from '../errors.ts'

/** What others read. */
export interface CredentialFiles {
  /** PEM: key, certificate, intermediates, as kubelet writes it. */
  readonly credentialBundle: string
  /** PEM of anchors. */
  readonly trustBundle: string
}

/** A request that was sent, or is about to be: with its key, which is nowhere else. */
export interface Pending {
  readonly name: string
  readonly privateKeyPem: string
}

export interface CredentialFolder {
  /** Undefined while nothing was written, or what stands there is not whole. */
  read(): Promise<CredentialFiles | undefined>
  /** All of it at one moment, as kubelet does: whoever reads sees the files before or those after. */
  write(files: CredentialFiles): Promise<void>
  pending(): Promise<Pending | undefined>
  keepPending(pending: Pending | undefined): Promise<void>
}

const credentialName = 'credential-bundle.pem'
const trustName = 'trust-bundle.pem'
const pendingName = '..pending.json'
const dataName = '..data'
const octetsMax = 2 * 1024 * 1024

/**
 * A folder in which a credential is kept. Files and folders are its owner's alone unless the group may read; there is no moment at which
 * another could. Throws `renewal/folder`.
 */
export async function openCredentialFolder(
  folder: string,
  options: { readonly groupReadable: boolean },
): Promise<CredentialFolder> {
  const fileMode = options.groupReadable ? 0o640 : 0o600
  const folderMode = options.groupReadable ? 0o750 : 0o700
  await attempt(folder, () => mkdir(folder, { recursive: true, mode: folderMode }))
  return {
    async read() {
      const [credentialBundle, trustBundle] = await Promise.all(
        [credentialName, trustName].map((name) => readIfThere(join(folder, dataName, name))),
      )
      if (credentialBundle === undefined || trustBundle === undefined) return undefined
      return { credentialBundle, trustBundle }
    },
    write: ({ credentialBundle, trustBundle }) =>
      attempt(folder, async () => {
        const version = `..${new Date().toISOString().replaceAll(/[:.]/g, '_')}`
        await mkdir(join(folder, version), { mode: folderMode })
        await writeNew(join(folder, version, credentialName), credentialBundle, fileMode)
        await writeNew(join(folder, version, trustName), trustBundle, fileMode)
        await link(version, join(folder, dataName))
        for (const name of [credentialName, trustName]) {
          await linkOnce(join(dataName, name), join(folder, name))
        }
        await sweep(folder, version)
      }),
    async pending() {
      const text = await readIfThere(join(folder, pendingName))
      return text === undefined ? undefined : parsePending(text)
    },
    keepPending: (pending) =>
      attempt(folder, async () => {
        const path = join(folder, pendingName)
        if (pending === undefined) return rm(path, { force: true })
        const next = `${path}.new`
        await rm(next, { force: true })
        // The key of a request is for nobody else, whoever reads the credential later.
        await writeNew(next, JSON.stringify(pending), 0o600)
        await rename(next, path)
      }),
  }
}

/** What is there but cannot be read is not ours to write over. */
async function readIfThere(path: string): Promise<string | undefined> {
  try {
    await using file = await open(path, 'r')
    const { size } = await file.stat()
    if (size > octetsMax) throw refused(path, `too large, want=..${octetsMax} got=${size}`)
    return await file.readFile('utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error instanceof CountersignError ? error : refused(path, 'cannot be read', error)
  }
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
  const found = await lstat(path).catch(() => undefined)
  if (found?.isSymbolicLink() !== true) await link(target, path)
}

/** Versions before, with keys that are over. */
async function sweep(folder: string, current: string): Promise<void> {
  const names = await readdir(folder)
  const old = names.filter((name) => /^\.\.\d{4}-/.test(name) && name !== current)
  for (const name of old) await rm(join(folder, name), { recursive: true, force: true })
}

function parsePending(text: string): Pending | undefined {
  try {
    const { name, privateKeyPem } = JSON.parse(text) as Partial<Pending>
    if (typeof name === 'string' && typeof privateKeyPem === 'string')
      return { name, privateKeyPem }
  } catch {
    // Half written by whoever wrote over it: its key is lost, and another request is made.
  }
  return undefined
}

async function attempt<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof CountersignError ? error : refused(folder, 'cannot be written', error)
  }
}

function refused(path: string, why: string, cause?: unknown): CountersignError {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code
  const got = code === undefined ? '' : `, got=${code}`
  return new CountersignError('renewal/folder', `folder: ${quoted(path, 200)} ${why}${got}`, {
    cause,
  })
}
