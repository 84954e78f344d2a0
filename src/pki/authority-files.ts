import { CountersignError } from '../errors.ts'
import type { TrustDomain } from '../identity/trust-domain.ts'
import type { Log } from '../log.ts'
import { parseAuthority } from './authority.ts'
import type { AuthoritySource } from './authority.ts'
import { openReloadingFiles } from './reloading-files.ts'

/**
 * Opens a CA in two files (a mounted Secret, or a disk) and follows their changes, keeping the last good pair: a key that does not belong
 * to the certificate is a change half written. An authority that ends is unavailable, it is never replaced by another kind.
 * Throws `pki/authority` when the first pair is not good.
 */
export async function openAuthorityFiles(options: {
  /** The CA's certificate first, then those above it to the root. */
  readonly certificateFile: string
  readonly privateKeyFile: string
  readonly trustDomain: TrustDomain
  readonly now: () => number
  readonly log: Log
  readonly pollSeconds?: number
}): Promise<AuthoritySource & AsyncDisposable> {
  const { certificateFile, privateKeyFile, trustDomain, now, log, pollSeconds } = options
  const files = await openReloadingFiles({
    files: [certificateFile, privateKeyFile],
    code: 'pki/authority',
    parse: ([certificatePem = '', privateKeyPem = '']) =>
      parseAuthority({ certificatePem, privateKeyPem, trustDomain, now }),
    log,
    ...(pollSeconds === undefined ? {} : { pollSeconds }),
  })
  return {
    current: () => {
      const authority = files.current()
      const { notAfter } = authority.certificate
      if (now() > notAfter.getTime()) {
        throw new CountersignError(
          'pki/authority-unavailable',
          `authority has ended, notAfter=${notAfter.toISOString()}`,
        )
      }
      return authority
    },
    anchors: () => files.current().anchors,
    onChange: (listener) => files.onChange(listener),
    [Symbol.asyncDispose]: () => files[Symbol.asyncDispose](),
  }
}
