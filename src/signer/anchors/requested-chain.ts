import { CountersignError } from '../../errors.ts'
import type { TrustDomain } from '../../identity/trust-domain.ts'
import { entryOf, pathCharactersMax, type JournalEntry } from '../../pki/authority-journal.ts'
import { parseAuthority } from '../../pki/authority.ts'
import { parseCaCertificate, type CaCertificate } from '../../pki/ca-certificate.ts'
import { formatCertificates, parsePem } from '../../pki/pem.ts'

/** A CA that signs for less is replaced more often than people can approve. */
const requestedSecondsMin = 86_400

/** Clocks of whoever signs and of those who read may differ by so much. */
const skewMilliseconds = 300_000

/**
 * What has come for a key, with its path to an anchor that is configured, as a journal has it. It is held to every rule of a CA in files,
 * and the roots among it count for nothing: whoever answers requests would else say what all pods trust. Throws `pki/authority` for what
 * never fits, and `pki/authority-unavailable` for what fits in a moment.
 */
export function judgeRequested(options: {
  readonly chainPem: string
  readonly privateKeyPem: string
  /** Those that are configured. */
  readonly anchors: readonly CaCertificate[]
  readonly trustDomain: TrustDomain
  readonly dnsSuffixes: readonly string[]
  /** The one that signs now and may go on doing so. */
  readonly before?: JournalEntry | undefined
  readonly place: Pick<JournalEntry, 'state' | 'since'>
  readonly now: () => number
}): JournalEntry {
  const { privateKeyPem, anchors, trustDomain, dnsSuffixes, before, place, now } = options
  const certificates = certificatesIn(options.chainPem)
  const [first] = certificates
  if (first === undefined) throw refused('has no certificate')
  const begins = first.notBefore.getTime() - now()
  if (begins > 0 && begins <= skewMilliseconds) {
    const message = `authority has not begun, notBefore=${first.notBefore.toISOString()}`
    throw new CountersignError('pki/authority-unavailable', message)
  }
  const below = certificates.filter((ca) => !ca.selfSigned)
  const certificatePem = formatCertificates(below.map(({ der }) => der))
  // More may be configured than a CA has above it.
  const above = anchors.filter(({ subject }) =>
    below.some(({ certificate: { issuer } }) => issuer.equals(subject)),
  )
  const chainPem = formatCertificates(above.map(({ der }) => der))
  const parts = { certificatePem, chainPem, privateKeyPem }
  const { path } = parseAuthority({ ...parts, trustDomain, dnsSuffixes, now })
  const entry = entryOf(formatCertificates(path.map(({ der }) => der)), place, 'requested')
  const ends = entry.notAfter.getTime()
  const seconds = Math.floor((ends - now()) / 1000)
  if (seconds < requestedSecondsMin) {
    throw refused(`ends too soon, want=${requestedSecondsMin}s got=${seconds}s`)
  }
  if (before !== undefined && ends <= before.notAfter.getTime()) {
    throw refused(
      `ends no later than the one that it would replace, notAfter=${entry.notAfter.toISOString()}`,
    )
  }
  return entry
}

function certificatesIn(chainPem: string): readonly CaCertificate[] {
  const what = 'authority that was issued'
  const bounds = { code: 'pki/authority', what, charactersMax: pathCharactersMax } as const
  return parsePem(chainPem, bounds).map(({ label, der }) => {
    if (label === 'CERTIFICATE') return parseCaCertificate(der, 'pki/authority')
    throw refused('has another block, want="CERTIFICATE"')
  })
}

function refused(message: string): CountersignError {
  return new CountersignError('pki/authority', `authority that was issued ${message}`)
}
