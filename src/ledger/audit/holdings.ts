import type { AuthorityVerdict, IssuanceIntent, IssuanceResult } from '../record.ts'
import type { Placed } from './read-ledgers.ts'

/** Who could prove to be whom, and when: a certificate that was signed, or may have been. */
export interface Holding {
  readonly spiffeId: string
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid: string }
  readonly serviceAccount: string
  readonly node: string
  readonly notBefore: string
  readonly notAfter: string
  readonly serialNumber: string
  readonly spkiSha256: string
  readonly certificateSha256: string | null
  /** `open` has no result yet. Whatever is not `unpublished` counts as held. */
  readonly outcome: IssuanceResult['outcome'] | 'open'
  /** `signer`: a CA, for the signer of another cluster. */
  readonly requester: IssuanceIntent['requester'] | 'signer'
  readonly issuanceId: string
  readonly ledger: string
  /** Of the intent. */
  readonly index: number
}

/** What narrows a question; a certificate is told of when all that is given fits. */
export interface Question {
  readonly spiffeId?: string | undefined
  /** `<namespace>/<name>`, or a UID. */
  readonly pod?: string | undefined
  readonly node?: string | undefined
  readonly serialNumber?: string | undefined
  /** SHA-256 of a certificate or of a public key. */
  readonly sha256?: string | undefined
  /** Milliseconds. */
  readonly at?: number | undefined
}

/** Every certificate that the question is about, by its notBefore. Reads all records: a result may come long after. */
export async function readHoldings(
  records: AsyncIterable<Placed>,
  question: Question,
): Promise<readonly Holding[]> {
  const byId = new Map<string, Holding>()
  for await (const { ledger, index, record } of records) {
    if (record.kind === 'issuance-intent') {
      const holding = holdingOf(record, { ledger, index })
      if (mayFit(holding, question)) byId.set(record.issuanceId, holding)
    } else if (record.kind === 'issuance-result') {
      const holding = byId.get(record.issuanceId)
      const { outcome, certificateSha256 = null } = record
      if (holding) byId.set(record.issuanceId, { ...holding, outcome, certificateSha256 })
    } else if (record.kind === 'authority-verdict') {
      const holding = authorityHolding(record, { ledger, index })
      if (holding && mayFit(holding, question)) byId.set(record.issuanceId, holding)
    }
  }
  const { sha256 } = question
  return [...byId.values()]
    .filter((holding) => {
      return (
        sha256 === undefined || [holding.certificateSha256, holding.spkiSha256].includes(sha256)
      )
    })
    .toSorted((a, b) => Date.parse(a.notBefore) - Date.parse(b.notBefore))
}

function holdingOf(
  intent: IssuanceIntent,
  place: { readonly ledger: string; readonly index: number },
): Holding {
  const { spiffeId, notBefore, notAfter, serialNumber, spkiSha256, requester, issuanceId } = intent
  return {
    spiffeId,
    pod: { namespace: intent.request.namespace, ...intent.pod },
    serviceAccount: intent.serviceAccount.name,
    node: intent.node.name,
    notBefore,
    notAfter,
    serialNumber,
    spkiSha256,
    certificateSha256: null,
    outcome: 'open',
    requester,
    issuanceId,
    ...place,
  }
}

/** A CA can name anybody of its trust domain: it is held under the ID of that. */
function authorityHolding(
  record: AuthorityVerdict,
  place: { readonly ledger: string; readonly index: number },
): Holding | undefined {
  const { authority, requester, issuanceId, outcome, spkiSha256, certificateSha256 } = record
  if (record.verdict !== 'issued' || authority === undefined) return undefined
  const [, , namespace = '', serviceAccount = ''] = requester.username.split(':')
  const { trustDomain, notBefore, notAfter } = authority
  return {
    spiffeId: `spiffe://${trustDomain}`,
    pod: { namespace, ...(requester.pod ?? { name: '', uid: '' }) },
    serviceAccount,
    node: '',
    notBefore,
    notAfter,
    serialNumber: issuanceId,
    spkiSha256: spkiSha256 ?? '',
    certificateSha256: certificateSha256 ?? null,
    outcome: outcome === 'unknown' ? 'open' : outcome,
    requester: 'signer',
    issuanceId,
    ...place,
  }
}

function mayFit(holding: Holding, question: Question): boolean {
  const { spiffeId, pod, node, serialNumber, at } = question
  const { namespace, name, uid } = holding.pod
  if (spiffeId !== undefined && holding.spiffeId !== spiffeId) return false
  if (pod !== undefined && pod !== uid && pod !== `${namespace}/${name}`) return false
  if (node !== undefined && holding.node !== node) return false
  if (serialNumber !== undefined && plain(holding.serialNumber) !== plain(serialNumber))
    return false
  if (at === undefined) return true
  return Date.parse(holding.notBefore) <= at && at < Date.parse(holding.notAfter)
}

/** As openssl writes a serial number, and as we do: colons, case and zeros in front say nothing. */
function plain(serialNumber: string): string {
  return serialNumber.toLowerCase().replaceAll(':', '').replace(/^0+/, '')
}
