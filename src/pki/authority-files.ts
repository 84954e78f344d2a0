import { CountersignError } from '../errors.ts'
import type { TrustDomain } from '../identity/trust-domain.ts'
import type { Log } from '../log.ts'
import { notEnded, parseAuthority } from './authority.ts'
import type { Authority, AuthoritySource } from './authority.ts'
import { openReloadingFiles } from './reloading-files.ts'

/**
 * Opens a CA in two files (a mounted Secret, or a disk) and follows their changes, keeping the last good pair: a key that does not belong
 * to the certificate is a change half written. An authority that ends is unavailable, it is never replaced by another kind.
 * Throws `pki/authority` when the first pair is neither good nor awaited.
 */
export async function openAuthorityFiles(options: {
  /** The CA's certificate first, then those above it to the root. */
  readonly certificateFile: string
  readonly privateKeyFile: string
  readonly trustDomain: TrustDomain
  /** Below which every DNS name is that it has to sign for. */
  readonly dnsSuffixes?: readonly string[]
  readonly now: () => number
  readonly log: Log
  /** They may be written later than this is called, and are waited for. */
  readonly awaited?: boolean
  /** Told of each change of the files: of what is not taken once. */
  readonly onReload?: (outcome: 'taken' | 'refused') => void
  readonly pollSeconds?: number
}): Promise<AuthoritySource & AsyncDisposable> {
  const { certificateFile, privateKeyFile, trustDomain, now, log, pollSeconds } = options
  const suffixes = options.dnsSuffixes === undefined ? {} : { dnsSuffixes: options.dnsSuffixes }
  const files = await openReloadingFiles({
    files: [certificateFile, privateKeyFile],
    code: 'pki/authority',
    parse: ([certificatePem = '', privateKeyPem = '']) =>
      parseAuthority({ certificatePem, privateKeyPem, trustDomain, now, ...suffixes }),
    log,
    awaited: options.awaited ?? false,
    ...(options.onReload === undefined ? {} : { onReload: options.onReload }),
    ...(pollSeconds === undefined ? {} : { pollSeconds }),
  })
  const loaded = (): Authority => {
    try {
      return files.current()
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new CountersignError('pki/authority-unavailable', why, { cause })
    }
  }
  return {
    current: () => notEnded(loaded(), now()),
    anchors: () => loaded().anchors,
    get problem() {
      return files.problem
    },
    onChange: (listener) => files.onChange(listener),
    [Symbol.asyncDispose]: () => files[Symbol.asyncDispose](),
  }
}
