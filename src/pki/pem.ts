import { CountersignError, quoted } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'

export interface PemBlock {
  readonly label: string
  readonly der: Buffer
}

const edge = /^-----(BEGIN|END) ([A-Z0-9 ]{1,40})-----$/

/**
 * Reads PEM as people have it and as OpenSSL does (RFC 7468 §2, §5.2): text outside of blocks says nothing, lines may end in spaces or CR LF,
 * blank lines may stand anywhere, and a byte order mark before all. What resembles the edge of a block and is none is refused: others would
 * skip the block without a word. The limit is on characters; the message never repeats the content, which may be a key.
 */
export function parsePem(
  text: string,
  options: { readonly code: ErrorCode; readonly what: string; readonly charactersMax: number },
): readonly PemBlock[] {
  const { code, what, charactersMax } = options
  const refused = (message: string): CountersignError =>
    new CountersignError(code, `${what} ${message}`)
  if (text.length > charactersMax) {
    throw refused(`is too large, want=..${charactersMax} got=${text.length}`)
  }
  const blocks: PemBlock[] = []
  let open: { readonly label: string; readonly lines: string[] } | undefined
  for (const [index, untrimmed] of text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    const line = untrimmed.trimEnd()
    const [, side, label = ''] = edge.exec(line) ?? []
    if (side === undefined && /-----(?:BEGIN|END)/.test(line)) {
      throw refused(`has a line that is almost the edge of a PEM block, at line ${index + 1}`)
    }
    if (open === undefined) {
      if (side === 'END') {
        throw refused(`has a PEM block without a beginning, at line ${index + 1}`)
      }
      if (side === 'BEGIN') open = { label, lines: [] }
      continue
    }
    if (side === undefined) {
      if (line.includes(':')) {
        throw refused(`has a PEM block with headers, as encrypted keys have, at line ${index + 1}`)
      }
      open.lines.push(line.trimStart())
      continue
    }
    if (side === 'BEGIN' || label !== open.label) throw refused('has a PEM block without an end')
    const base64 = open.lines.join('')
    const der = Buffer.from(base64, 'base64')
    // Decoding skips what it does not know, so encode again: one spelling for one value.
    if (der.length === 0 || der.toString('base64') !== base64) {
      throw refused(`has a PEM block that is not base64, ${quoted(label)}`)
    }
    blocks.push({ label, der })
    open = undefined
  }
  if (open !== undefined) throw refused('has a PEM block without an end')
  if (blocks.length === 0 && text.trim() !== '') throw refused(`has no PEM block${guessOf(text)}`)
  return blocks
}

/** What people have instead of PEM, most often. */
function guessOf(text: string): string {
  if (text.includes('\0')) return ': it is DER or UTF-16, perhaps'
  return text.includes('\uFFFD') ? ': it is DER, perhaps' : ''
}

/**
 * DER of each block that says it is a certificate, whatever stands around them: for what others have published, which is read as far as
 * it can be. Whether it is a certificate is for the reader to find out.
 */
export function certificateBlocks(text: string): readonly Buffer[] {
  const blocks = text.matchAll(/-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----/g)
  return [...blocks].map(([, base64 = '']) => Buffer.from(base64, 'base64'))
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
