import { createPrivateKey, createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { CountersignError, quoted } from '../errors.ts'
import type { Log } from '../log.ts'
import { parseCaCertificate } from './ca-certificate.ts'
import { withCode } from './der-read.ts'
import { formatCertificates, formatPem, parsePem } from './pem.ts'
import type { PemBlock } from './pem.ts'
import { openReloadingFiles } from './reloading-files.ts'
import type { Reloading } from './reloading-files.ts'
import { parseX509Svid } from './x509-svid.ts'
import type { X509Svid } from './x509-svid.ts'

/** What a workload holds to be itself: an SVID and the key that belongs to it. */
export interface Credential {
  readonly svid: X509Svid
  readonly privateKeyPem: string
  /** Leaf first, then intermediates, never a root. */
  readonly chainPem: string
  /** DER of those intermediates; then, of a file that is followed, of those before them: peers have them for a while. */
  readonly intermediates: readonly Buffer[]
}

/** The credential in force now. */
export interface CredentialSource {
  current(): Credential
  /** Calls the listener after each change; gives what ends that. */
  onChange(listener: () => void): () => void
}

/** The API server's bound on a chain, and room for the largest key. */
const charactersMax = 128 * 1024
const intermediatesMax = 8

/** Reads kubelet's one-file bundle: a PKCS#8 key, its certificate, intermediates. Throws `pki/credential`. */
export function parseCredentialBundle(
  pem: string,
  options: { readonly identityExtensionOid?: string } = {},
): Credential {
  const blocks = parsePem(pem, { code: 'pki/credential', what: 'credential', charactersMax })
  const [key, leaf, ...intermediates] = blocks
  if (key?.label !== 'PRIVATE KEY') {
    throw refused(`does not begin with its key, want="PRIVATE KEY" got=${quoted(key?.label ?? '')}`)
  }
  if (leaf === undefined) throw refused('has no certificate')
  const odd = [leaf, ...intermediates].find((block) => block.label !== 'CERTIFICATE')
  if (odd !== undefined)
    throw refused(`has another block, want="CERTIFICATE" got=${quoted(odd.label)}`)
  if (intermediates.length > intermediatesMax) {
    throw refused(
      `has too many intermediates, want=..${intermediatesMax} got=${intermediates.length}`,
    )
  }
  for (const { der } of intermediates) parseCaCertificate(der, 'pki/credential')
  const svid = withCode('pki/credential', () => parseX509Svid(leaf.der, options))
  const publicKey = createPublicKey(readKey(key)).export({ format: 'der', type: 'spki' })
  if (!publicKey.equals(svid.certificate.spki)) {
    throw refused('has a key that does not belong to its certificate')
  }
  const ders = intermediates.map((block) => block.der)
  return {
    svid,
    privateKeyPem: formatPem('PRIVATE KEY', key.der),
    chainPem: formatCertificates([leaf.der, ...ders]),
    intermediates: ders,
  }
}

/** Opens a credential file and follows its changes, keeping the last good one. Throws `pki/credential` when the first is neither good nor awaited. */
export function openCredentialFile(options: {
  readonly file: string
  readonly log: Log
  /** It may be written later than this is called, and is waited for. */
  readonly awaited?: boolean
  readonly pollSeconds?: number
  readonly identityExtensionOid?: string
}): Promise<Reloading<Credential>> {
  const { file, log, awaited = false, pollSeconds, identityExtensionOid } = options
  let known: readonly Buffer[] = []
  return openReloadingFiles({
    files: [file],
    code: 'pki/credential',
    parse([pem = '']) {
      const credential = parseCredentialBundle(
        pem,
        identityExtensionOid === undefined ? {} : { identityExtensionOid },
      )
      const { intermediates } = credential
      const earlier = known.filter((der) => !intermediates.some((each) => each.equals(der)))
      known = [...intermediates, ...earlier].slice(0, intermediatesMax)
      return { ...credential, intermediates: known }
    },
    log,
    awaited,
    ...(pollSeconds === undefined ? {} : { pollSeconds }),
  })
}

/** OpenSSL's own message is dropped: it may tell of the key's octets. */
function readKey(block: PemBlock): KeyObject {
  try {
    return createPrivateKey({ key: block.der, format: 'der', type: 'pkcs8' })
  } catch {
    throw refused('has a key that is not PKCS#8')
  }
}

function refused(message: string): CountersignError {
  return new CountersignError('pki/credential', `credential ${message}`)
}
