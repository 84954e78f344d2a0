import { X509Certificate } from 'node:crypto'
import { CountersignError, quoted, type ErrorCode } from '../errors.ts'
import { parsePem } from './pem.ts'

/** All authorities of a system are half a million. */
const charactersMax = 2 * 1024 * 1024

/**
 * Reads the authorities that a server of TLS is known by, as they are given to TLS: PEM of certificates, one at least, and each such as
 * OpenSSL reads, which stops without a word at one that it does not. Of an empty text Node makes the authorities of the system.
 */
export function parseAuthorities(pem: string, code: ErrorCode): string {
  const what = 'file of authorities'
  const refused = (message: string, cause?: unknown): CountersignError =>
    new CountersignError(code, `${what} ${message}`, { cause })
  const blocks = parsePem(pem, { code, what, charactersMax })
  if (blocks.length === 0) throw refused('has no certificate')
  for (const { label, der } of blocks) {
    if (label !== 'CERTIFICATE') {
      throw refused(`has another block, want="CERTIFICATE" got=${quoted(label)}`)
    }
    try {
      void new X509Certificate(der)
    } catch (cause) {
      throw refused('has a certificate that cannot be read', cause)
    }
  }
  return pem
}
