import { createPrivateKey, X509Certificate } from 'node:crypto'
import { CountersignError } from '../errors.ts'
import { formatPem, parsePem, type PemBlock } from './pem.ts'

/** Far above every key and chain. */
const charactersMax = 128 * 1024
/** A leaf, and those above it. */
const certificatesMax = 9

/**
 * One credential bundle of files that somebody else keeps, each with the name of its field: the key in the form that all take. Times and names are for
 * whoever takes it. Throws `renewal/source`, naming the field.
 */
export function joinCredential(texts: readonly (readonly [field: string, text: string])[]): string {
  const blocks = texts.flatMap(([field, text]) => blocksOf(field, text))
  const where = texts.map(([field]) => field).join(' and ')
  const isKey = ({ label }: PemBlock): boolean => label.endsWith('PRIVATE KEY')
  const keys = blocks.filter(isKey)
  const certificates = blocks.filter(({ label }) => label === 'CERTIFICATE')
  const [key, secondKey] = keys
  const [leaf] = certificates
  if (key === undefined || secondKey !== undefined) {
    throw refused(`files: ${where}: want=one private key got=${keys.length}`)
  }
  if (leaf === undefined || certificates.length > certificatesMax) {
    throw refused(
      `files: ${where}: want=1..${certificatesMax} certificates got=${certificates.length}`,
    )
  }
  const odd = blocks.find((block) => !isKey(block) && block.label !== 'CERTIFICATE')
  if (odd !== undefined) throw refused(`files: ${where}: a block is of no use, ${odd.label}`)
  const privateKeyPem = pairedKey(key, leaf)
  if (privateKeyPem === undefined) {
    throw refused(`files: ${where}: key and certificate do not belong together`)
  }
  return `${privateKeyPem}${certificates.map(({ der }) => formatPem('CERTIFICATE', der)).join('')}`
}

function blocksOf(field: string, text: string): readonly PemBlock[] {
  const what = `files.${field}`
  const blocks = parsePem(text, { code: 'renewal/source', what, charactersMax })
  const odd = blocks.find(({ label }) =>
    field === 'certificate'
      ? label !== 'CERTIFICATE'
      : field === 'privateKey' && label === 'CERTIFICATE',
  )
  if (odd !== undefined) throw refused(`${what}: a block stands in the other file, ${odd.label}`)
  return blocks
}

/** Undefined where they are no pair. OpenSSL's own message is dropped: of a key it may tell octets. */
function pairedKey(key: PemBlock, leaf: PemBlock): string | undefined {
  try {
    const privateKey = createPrivateKey(formatPem(key.label, key.der))
    if (!new X509Certificate(leaf.der).checkPrivateKey(privateKey)) return undefined
    return privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  } catch {
    return undefined
  }
}

function refused(why: string): CountersignError {
  return new CountersignError('renewal/source', why)
}
