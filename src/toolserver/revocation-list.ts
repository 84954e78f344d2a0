import { CountersignError, quoted } from '../errors.ts'
import { revocationNames as names, type Revocation } from '../pki/revocation.ts'

type Fields = Readonly<Record<string, unknown>>

const matchers = ['podUID', 'tenant', 'issuanceID', 'issuedBefore', 'serviceAccount'] as const
const known: ReadonlySet<string> = new Set([...matchers, 'reason'])
const knownOfAccount: ReadonlySet<string> = new Set(['namespace', 'name'])

/**
 * Reads what `kubectl get revocations -o json` and the API server give: a list of Revocations. Whom one means that cannot be read nobody
 * knows, so one such makes the list unreadable, as what is not the whole does. Throws `toolserver/revocations`.
 */
export function parseRevocationList(text: string): readonly Revocation[] {
  const { items, metadata: of = {} } = fieldsOf(parseJson(text), 'list')
  const rest = textOf(fieldsOf(of, 'metadata')['continue'], 'metadata.continue') ?? ''
  // Whom the rest takes nobody knows.
  if (rest !== '') throw refused('metadata.continue', 'the whole list')
  if (!Array.isArray(items)) throw refused('items', 'a list')
  return items.map((item: unknown, at) => {
    const { metadata, spec } = fieldsOf(item, `items[${at}]`)
    const name = textOf(fieldsOf(metadata, `items[${at}].metadata`)['name'], 'metadata.name')
    if (name === undefined || name === '') throw refused(`items[${at}].metadata.name`, 'a name')
    return readSpec(name, fieldsOf(spec, quoted(name)))
  })
}

function readSpec(name: string, spec: Fields): Revocation {
  refuseStrange(spec, known, quoted(name))
  if (matchers.every((matcher) => spec[matcher] === undefined)) {
    throw refused(quoted(name), 'at least one matcher')
  }
  const podUid = nameOf(spec['podUID'], 'podUID', names.podUid)
  const tenant = nameOf(spec['tenant'], 'tenant', names.tenant)
  const issuanceId = nameOf(spec['issuanceID'], 'issuanceID', names.issuanceId)
  const issuedBefore = timeOf(spec['issuedBefore'])
  const serviceAccount = accountOf(spec['serviceAccount'])
  return {
    name,
    reason: textOf(spec['reason'], 'reason') ?? '',
    ...(podUid === undefined ? {} : { podUid }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(issuanceId === undefined ? {} : { issuanceId }),
    ...(issuedBefore === undefined ? {} : { issuedBefore }),
    ...(serviceAccount === undefined ? {} : { serviceAccount }),
  }
}

function accountOf(value: unknown): Revocation['serviceAccount'] {
  if (value === undefined) return undefined
  const account = fieldsOf(value, 'serviceAccount')
  refuseStrange(account, knownOfAccount, 'serviceAccount')
  const namespace = nameOf(account['namespace'], 'serviceAccount.namespace', names.namespace)
  const name = nameOf(account['name'], 'serviceAccount.name', names.serviceAccount)
  if (namespace === undefined || name === undefined) {
    throw refused('serviceAccount', 'namespace and name')
  }
  return { namespace, name }
}

/** RFC 3339, as the API server writes times: anything else is read in as many ways as there are readers. */
const timePattern = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/

function timeOf(value: unknown): Date | undefined {
  const text = textOf(value, 'issuedBefore')
  if (text === undefined) return undefined
  const time = new Date(text)
  if (!timePattern.test(text) || Number.isNaN(time.getTime()))
    throw refused('issuedBefore', 'a time')
  return time
}

/** One matcher less takes more certificates than was meant, or others. */
function refuseStrange(fields: Fields, known: ReadonlySet<string>, where: string): void {
  const strange = Object.keys(fields).find((member) => !known.has(member))
  if (strange !== undefined) throw refused(`${where}: ${quoted(strange)}`, 'no such member')
}

function nameOf(
  value: unknown,
  where: string,
  isName: (text: string) => boolean,
): string | undefined {
  const text = textOf(value, where)
  if (text !== undefined && !isName(text)) throw refused(where, 'a name')
  return text
}

function textOf(value: unknown, where: string): string | undefined {
  if (value === undefined || typeof value === 'string') return value
  throw refused(where, 'text')
}

function fieldsOf(value: unknown, where: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  throw refused(where, 'an object')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new CountersignError('toolserver/revocations', 'list of revocations is no JSON', {
      cause,
    })
  }
}

function refused(where: string, want: string): CountersignError {
  return new CountersignError(
    'toolserver/revocations',
    `list of revocations: ${where}: want=${want}`,
  )
}
