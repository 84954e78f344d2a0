import { CountersignError, quoted } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'

export interface PemBlock {
  readonly label: string
  readonly der: Buffer
}

/**
 * Reads a file of PEM blocks as SPIFFE Filesystem Delivery wants it: no headers, no text between blocks.
 * The limit is on characters; the message never repeats the content, which may be a key.
 */
export function parsePem(
  text: string,
  options: { readonly code: ErrorCode; readonly what: string; readonly charactersMax: number },
): readonly PemBlock[] {
  const { code, what, charactersMax } = options
  if (text.length > charactersMax) {
    throw new CountersignError(
      code,
      `${what} is too large, want=..${charactersMax} got=${text.length}`,
    )
  }
  const blocks: PemBlock[] = []
  const lines = text.split(/\r?\n/)
  if (lines.at(-1) === '') lines.pop()
  for (let index = 0; index < lines.length; index++) {
    const label = /^-----BEGIN ([A-Z0-9 ]{1,40})-----$/.exec(lines[index] ?? '')?.[1]
    if (label === undefined) {
      throw new CountersignError(code, `${what} has text outside a PEM block, at line ${index + 1}`)
    }
    const end = lines.indexOf(`-----END ${label}-----`, index)
    if (end === -1) throw new CountersignError(code, `${what} has a PEM block without an end`)
    const base64 = lines.slice(index + 1, end).join('')
    const der = Buffer.from(base64, 'base64')
    // Decoding skips what it does not know, so encode again: one spelling for one value.
    if (der.length === 0 || der.toString('base64') !== base64) {
      throw new CountersignError(
        code,
        `${what} has a PEM block that is not base64, ${quoted(label)}`,
      )
    }
    blocks.push({ label, der })
    index = end
  }
  return blocks
}

/** One PEM block in lines of 64 characters (RFC 7468 §3). */
export function formatPem(label: string, der: Buffer): string {
  let text = `-----BEGIN ${label}-----\n`
  for (let start = 0; start < der.length; start += 48) {
    text += `${der.toString('base64', start, start + 48)}\n`
  }
  return `${text}-----END ${label}-----\n`
}

/** Certificates as one PEM text, in their order. */
export function formatCertificates(ders: readonly Buffer[]): string {
  return ders.map((der) => formatPem('CERTIFICATE', der)).join('')
}
