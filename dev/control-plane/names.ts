import { invalid, required, tooLong, type FieldError } from './field-error.ts'

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const labelPattern = new RegExp(`^${label}$`)
const subdomainPattern = new RegExp(`^${label}(\\.${label})*$`)
const keyNamePattern = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/

/** Each check below gives the rules that the text breaks, none when it is good. */
export type NameRule = (text: string) => readonly string[]

/** RFC 1123 label: at most 63 octets. */
export function checkLabel(text: string): readonly string[] {
  return [
    ...(text.length > 63 ? ['must be no more than 63 bytes'] : []),
    ...(labelPattern.test(text) ? [] : ['must be an RFC 1123 label: a-z, 0-9 and inner hyphens']),
  ]
}

/** RFC 1123 subdomain: labels with dots between, at most 253 octets. */
export function checkSubdomain(text: string): readonly string[] {
  return [
    ...(text.length > 253 ? ['must be no more than 253 bytes'] : []),
    ...(subdomainPattern.test(text)
      ? []
      : ['must be an RFC 1123 subdomain: labels of a-z, 0-9 and inner hyphens, dots between']),
  ]
}

/** What may stand in a path: RBAC names hold colons. */
export function checkPathSegment(text: string): readonly string[] {
  if (text === '.' || text === '..') return [`may not be '${text}'`]
  return ['/', '%']
    .filter((character) => text.includes(character))
    .map((character) => `may not contain '${character}'`)
}

/** A label or annotation key: an optional DNS subdomain and a slash, then a name. */
export function checkQualifiedName(text: string): readonly string[] {
  const parts = text.split('/')
  if (parts.length > 2) {
    return ['must be a name, or a prefix, one slash and a name']
  }
  const name = parts.at(-1) ?? ''
  const prefix = parts.length === 2 ? (parts[0] ?? '') : undefined
  return [
    ...(prefix === '' ? ['prefix part must be non-empty'] : []),
    ...(prefix ? checkSubdomain(prefix).map((message) => `prefix part ${message}`) : []),
    ...(name.length > 63 ? ['name part must be no more than 63 bytes'] : []),
    ...(keyNamePattern.test(name)
      ? []
      : ['name part must be alphanumerics with inner hyphens, underscores and dots']),
  ]
}

export function checkLabelValue(text: string): readonly string[] {
  return [
    ...(text.length > 63 ? ['must be no more than 63 bytes'] : []),
    ...(text === '' || keyNamePattern.test(text)
      ? []
      : ['must be empty, or alphanumerics with inner hyphens, underscores and dots']),
  ]
}

/** `domain/path`, both of DNS labels, the domain of two at least (CertificateSigningRequest signers). */
export function validateSignerName(field: string, signerName: string): readonly FieldError[] {
  if (signerName === '') return [required(field)]
  const [domain = '', path = '', ...more] = signerName.split('/')
  if (more.length > 0 || !signerName.includes('/')) {
    const form = 'must be one domain, one slash and one path, as in example.com/signer'
    return [invalid(field, signerName, form)]
  }
  const errors: FieldError[] = []
  if (domain.length > 253) errors.push(tooLong(field, 253))
  errors.push(...firstBadPiece({ field, text: domain, rule: checkLabel }))
  if (!domain.includes('.')) {
    const rule = 'must be a domain of at least two labels'
    errors.push(invalid(field, domain, rule))
  }
  errors.push(...firstBadPiece({ field, text: path, rule: checkSubdomain }))
  if (signerName.length > 571) errors.push(tooLong(field, 571))
  return errors
}

function firstBadPiece(options: {
  readonly field: string
  readonly text: string
  readonly rule: NameRule
}): readonly FieldError[] {
  for (const piece of options.text.split('.')) {
    const messages = options.rule(piece)
    if (messages.length === 0) continue
    const where = `validating label ${JSON.stringify(piece)}`
    return messages.map((message) => invalid(options.field, options.text, `${where}: ${message}`))
  }
  return []
}

export function isKubernetesSigner(signerName: string): boolean {
  const [domain = ''] = signerName.split('/')
  return domain === 'kubernetes.io' || domain.endsWith('.kubernetes.io')
}

/** Keys are judged in lower case and kept as they were; values are free; 256 KiB in all. */
export function validateUserAnnotations(
  field: string,
  annotations: Readonly<Record<string, unknown>>,
): readonly FieldError[] {
  const errors = Object.keys(annotations).flatMap((key) => checkDomainPrefixedKey(field, key))
  return annotationBytes(annotations) > annotationBytesMax
    ? [...errors, tooLong(field, annotationBytesMax)]
    : errors
}

function checkDomainPrefixedKey(field: string, key: string): readonly FieldError[] {
  const lower = key.toLowerCase()
  if (lower === '') return [required(field)]
  const messages = checkQualifiedName(lower)
  if (messages.length > 0) return messages.map((message) => invalid(field, lower, message))
  if (lower.includes('/')) return []
  return [
    invalid(field, lower, 'must be a key with a domain before the slash, as in example.com/key'),
  ]
}

export const annotationBytesMax = 262_144

export function annotationBytes(annotations: Readonly<Record<string, unknown>>): number {
  return Object.entries(annotations).reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(String(value)),
    0,
  )
}
