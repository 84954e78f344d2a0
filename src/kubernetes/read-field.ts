import { CountersignError, quoted } from '../errors.ts'

/** A JSON object whose members are not known yet. */
export type Fields = Readonly<Record<string, unknown>>

function typeName(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'list' : typeof value
}

function malformed(path: string, want: string, got: string): CountersignError {
  return new CountersignError('kubernetes/object', `${path}: want=${want} got=${got}`)
}

/**
 * The API server writes an absent field as nothing, as null or as an empty value, depending on the version
 * that it converts from. All readers below treat the three alike.
 */
function isAbsent(value: unknown): value is undefined | null | '' {
  return value === undefined || value === null || value === ''
}

export function readFields(value: unknown, path: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(path, 'object', typeName(value))
  }
  return value as Fields
}

/** The members of an object, none where it is absent. */
export function readOptionalFields(value: unknown, path: string): Fields {
  return isAbsent(value) ? {} : readFields(value, path)
}

export function readOptionalText(value: unknown, path: string): string | undefined {
  if (isAbsent(value)) return undefined
  if (typeof value !== 'string') throw malformed(path, 'text', typeName(value))
  return value
}

export function readText(value: unknown, path: string): string {
  const text = readOptionalText(value, path)
  if (text === undefined) throw malformed(path, 'text', 'nothing')
  return text
}

export function readOptionalInteger(value: unknown, path: string): number | undefined {
  if (isAbsent(value)) return undefined
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    throw malformed(path, 'integer', typeName(value))
  }
  return value
}

export function readList(value: unknown, path: string): readonly unknown[] {
  if (isAbsent(value)) return []
  if (!Array.isArray(value)) throw malformed(path, 'list', typeName(value))
  return value as readonly unknown[]
}

export function readTextList(value: unknown, path: string): readonly string[] {
  return readList(value, path).map((entry, index) => {
    if (typeof entry !== 'string') throw malformed(`${path}[${index}]`, 'text', typeName(entry))
    return entry
  })
}

/** Labels, annotations, selectors: text to text. An empty value is a value here. */
export function readTextMap(value: unknown, path: string): Readonly<Record<string, string>> {
  if (isAbsent(value)) return {}
  const fields = readFields(value, path)
  for (const [key, entry] of Object.entries(fields)) {
    if (typeof entry !== 'string') {
      throw malformed(`${path}[${quoted(key)}]`, 'text', typeName(entry))
    }
  }
  return fields as Readonly<Record<string, string>>
}

const timePattern = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/

/** RFC 3339, as metav1.Time and metav1.MicroTime are written. */
export function readOptionalTime(value: unknown, path: string): Date | undefined {
  const text = readOptionalText(value, path)
  if (text === undefined) return undefined
  const time = timePattern.test(text) ? new Date(text) : undefined
  if (time === undefined || Number.isNaN(time.getTime())) {
    throw malformed(path, 'RFC 3339 time', quoted(text))
  }
  return time
}

const base64Pattern = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** Octets as Go writes them: padded standard base64, at most `bytesMax` of them decoded. */
export function readOptionalBytes(
  value: unknown,
  path: string,
  bytesMax: number,
): Buffer | undefined {
  const text = readOptionalText(value, path)
  if (text === undefined) return undefined
  const charactersMax = Math.ceil(bytesMax / 3) * 4
  if (text.length > charactersMax) {
    throw malformed(path, `at most ${bytesMax} bytes`, `${text.length} base64 characters`)
  }
  if (!base64Pattern.test(text)) throw malformed(path, 'base64', quoted(text))
  return Buffer.from(text, 'base64')
}
