import { CountersignError, quoted } from '../errors.ts'
import type { Revocation } from '../pki/revocation.ts'

type Fields = Readonly<Record<string, unknown>>

const matchers = ['podUID', 'tenant', 'issuanceID', 'issuedBefore', 'serviceAccount'] as const
const known: ReadonlySet<string> = new Set([...matchers, 'reason'])

/**
 * Reads what `kubectl get revocations -o json` and the API server give: a list of Revocations. Whom one means that cannot be read nobody
 * knows, so one such makes the list unreadable. Throws `toolserver/revocations`.
 */
export function parseRevocationList(text: string): readonly Revocation[] {
  const { items } = fieldsOf(parseJson(text), 'list')
  if (!Array.isArray(items)) throw refused('items', 'a list')
  return items.map((item: unknown, at) => {
    const { metadata, spec } = fieldsOf(item, `items[${at}]`)
    const name = textOf(fieldsOf(metadata, `items[${at}].metadata`)['name'], 'metadata.name')
    return readSpec(name ?? '', fieldsOf(spec, quoted(name ?? '')))
  })
}

function readSpec(name: string, spec: Fields): Revocation {
  const strange = Object.keys(spec).find((member) => !known.has(member))
  // One matcher less takes more certificates than was meant, or others.
  if (strange !== undefined) throw refused(`${quoted(name)}: ${quoted(strange)}`, 'no such member')
  if (matchers.every((matcher) => spec[matcher] === undefined)) {
    throw refused(quoted(name), 'at least one matcher')
  }
  const podUid = textOf(spec['podUID'], 'podUID')
  const tenant = textOf(spec['tenant'], 'tenant')
  const issuanceId = textOf(spec['issuanceID'], 'issuanceID')
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
  const namespace = textOf(account['namespace'], 'serviceAccount.namespace')
  const name = textOf(account['name'], 'serviceAccount.name')
  if (namespace === undefined || name === undefined) {
    throw refused('serviceAccount', 'namespace and name')
  }
  return { namespace, name }
}

function timeOf(value: unknown): Date | undefined {
  const text = textOf(value, 'issuedBefore')
  if (text === undefined) return undefined
  const time = new Date(text)
  if (Number.isNaN(time.getTime())) throw refused('issuedBefore', 'a time')
  return time
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
