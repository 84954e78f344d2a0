import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { link, open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { CountersignError, quoted } from '../errors.ts'
import { isCode, syncFolder } from './durable-file.ts'

/** RFC 8410: what stands before the 32 octets of an Ed25519 key in its SubjectPublicKeyInfo. */
const spkiHead = Buffer.from('302a300506032b6570032100', 'hex')

export function ed25519Octets(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: 'spki', format: 'der' }).subarray(spkiHead.length)
}

export function ed25519PublicKey(octets: Buffer): KeyObject {
  return createPublicKey({ key: Buffer.concat([spkiHead, octets]), format: 'der', type: 'spki' })
}

const keyOctetsMax = 16_384

/**
 * The Ed25519 key of a file in PKCS#8 PEM, which signs what a log says of itself and nothing else. Throws
 * 'ledger/log-key'. Where there is none and `make` says so, one is made with mode 0600: by one process, if several start.
 */
export async function readLogKey(
  file: string,
  options: { readonly make: boolean },
): Promise<KeyObject> {
  let pem: string
  try {
    pem = await readPrivate(file)
  } catch (cause) {
    if (cause instanceof CountersignError) throw cause
    if (!isCode(cause, 'ENOENT') || !options.make) {
      const hint =
        'openssl genpkey -algorithm ed25519 makes one, and makeKey: true beside its name, too'
      throw refused(`key of the log cannot be read: got=${quoted(file, 300)}`, { cause, hint })
    }
    await makeLogKey(file)
    pem = await readPrivate(file)
  }
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch {
    // What the parser says could quote the file.
    throw refused(`no private key in PEM: ${quoted(file, 300)}`, {})
  }
  if (key.asymmetricKeyType === 'ed25519') return key
  throw refused(`key of the log: want=ed25519 got=${key.asymmetricKeyType ?? 'unknown'}`, {})
}

/** Whoever can write the key can sign for the log: it is the administrator's, or ours, and nobody else may change it. */
async function readPrivate(file: string): Promise<string> {
  await using handle = await open(file, 'r')
  const { mode, uid, size } = await handle.stat()
  const own = process.geteuid?.()
  if (size > keyOctetsMax) throw refused('key of the log is too long', {})
  if (uid !== 0 && uid !== own) {
    throw refused(`key of the log is somebody else's: want=uid 0 or ${own} got=${uid}`, {})
  }
  if ((mode & 0o002) !== 0) {
    const got = (mode & 0o777).toString(8)
    throw refused(`key of the log can be written by everybody: want=mode 0600 got=0${got}`, {})
  }
  return handle.readFile('utf8')
}

async function makeLogKey(file: string): Promise<void> {
  const { privateKey } = generateKeyPairSync('ed25519')
  // In a container every process has the same number: a crash must not leave what the next start stumbles over.
  const draft = `${file}.${randomBytes(8).toString('hex')}.new`
  const handle = await open(draft, 'wx', 0o600)
  try {
    await handle.writeFile(privateKey.export({ type: 'pkcs8', format: 'pem' }))
    await handle.sync()
  } finally {
    await handle.close()
  }
  try {
    await link(draft, file)
    await syncFolder(dirname(file))
  } catch (error) {
    // Another process was faster, and its key is as good.
    if (!isCode(error, 'EEXIST')) throw error
  } finally {
    await rm(draft, { force: true })
  }
}

function refused(
  rule: string,
  options: { readonly cause?: unknown; readonly hint?: string },
): CountersignError {
  return new CountersignError('ledger/log-key', rule, options)
}
