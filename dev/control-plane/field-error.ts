/** One broken validation rule, as `details.causes` of a 422 names it. */
export interface FieldError {
  readonly reason: FieldErrorReason
  readonly field: string
  readonly message: string
}

export type FieldErrorReason =
  | 'FieldValueInvalid'
  | 'FieldValueRequired'
  | 'FieldValueNotFound'
  | 'FieldValueNotSupported'
  | 'FieldValueForbidden'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany'
  | 'FieldValueDuplicate'
  | 'FieldValueTypeInvalid'

/** The value is left out of the message: it is long, or says nothing. */
export const omitted: unique symbol = Symbol('omitted')

function body(heading: string, value: unknown, detail: string): string {
  const shown = value === omitted ? heading : `${heading}: ${JSON.stringify(value) ?? 'null'}`
  return detail === '' ? shown : `${shown}: ${detail}`
}

export function invalid(field: string, value: unknown, detail: string): FieldError {
  return { reason: 'FieldValueInvalid', field, message: body('Invalid value', value, detail) }
}

export function required(field: string, detail = ''): FieldError {
  return { reason: 'FieldValueRequired', field, message: body('Required value', omitted, detail) }
}

export function forbidden(field: string, detail: string): FieldError {
  return { reason: 'FieldValueForbidden', field, message: body('Forbidden', omitted, detail) }
}

export function duplicate(field: string, value: unknown): FieldError {
  return { reason: 'FieldValueDuplicate', field, message: body('Duplicate value', value, '') }
}

export function missing(field: string, value: unknown): FieldError {
  return { reason: 'FieldValueNotFound', field, message: body('Not found', value, '') }
}

export function tooLong(field: string, bytesMax: number): FieldError {
  const detail = `may not be more than ${bytesMax} bytes`
  return { reason: 'FieldValueTooLong', field, message: body('Too long', omitted, detail) }
}

export function notSupported(
  field: string,
  value: unknown,
  supported: readonly string[],
): FieldError {
  const detail = `supported values: ${supported.map((item) => JSON.stringify(item)).join(', ')}`
  return {
    reason: 'FieldValueNotSupported',
    field,
    message: body('Unsupported value', value, detail),
  }
}

export function typeInvalid(field: string, value: unknown, detail: string): FieldError {
  return { reason: 'FieldValueTypeInvalid', field, message: body('Invalid value', value, detail) }
}
