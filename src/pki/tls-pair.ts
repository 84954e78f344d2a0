import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { CountersignError } from '../errors.ts'

/** What a TLS server shows to be itself: PEM of its certificate and those above, and of its key. */
export interface TlsPair {
  readonly cert: string
  readonly key: string
}

/**
 * Takes a certificate of any kind and its key, as they are in two files. A context takes an empty one of them for none, and a file that
 * is written anew is empty first. Throws `pki/credential`.
 */
export function parseTlsPair(pair: TlsPair): TlsPair {
  const { cert, key } = pair
  try {
    createSecureContext(pair)
    if (new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) return pair
  } catch {
    // OpenSSL's own message is dropped: it may tell of the key's octets.
  }
  throw new CountersignError('pki/credential', 'certificate and key do not belong together')
}
