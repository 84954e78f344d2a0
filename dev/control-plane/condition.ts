import { invalid, notSupported, required, tooLong, type FieldError } from './field-error.ts'
import { textAt, type JsonObject } from './json-object.ts'
import { parseTime } from './kube-object.ts'
import { checkQualifiedName } from './names.ts'

const reasonPattern = /^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/
const reasonBytesMax = 1024
const messageBytesMax = 32_768
const statuses = ['False', 'True', 'Unknown']

/** The rules of every `metav1.Condition`. */
export function validateCondition(condition: JsonObject, field: string): readonly FieldError[] {
  const type = textAt(condition, 'type')
  const status = textAt(condition, 'status')
  const generation = condition['observedGeneration']
  const errors: FieldError[] = []
  if (type === '') errors.push(required(`${field}.type`, 'is required'))
  else errors.push(...checkQualifiedName(type).map((text) => invalid(`${field}.type`, type, text)))
  if (status === '') errors.push(required(`${field}.status`))
  else if (!statuses.includes(status)) {
    errors.push(notSupported(`${field}.status`, status, statuses))
  }
  if (typeof generation === 'number' && generation < 0) {
    errors.push(invalid(`${field}.observedGeneration`, generation, 'must not be negative'))
  }
  if (parseTime(textAt(condition, 'lastTransitionTime')) === undefined) {
    errors.push(required(`${field}.lastTransitionTime`))
  }
  return [
    ...errors,
    ...validateReason(textAt(condition, 'reason'), `${field}.reason`),
    ...validateMessage(condition, field),
  ]
}

function validateReason(reason: string, field: string): readonly FieldError[] {
  if (reason === '') return [required(field)]
  const rule = `must match ${reasonPattern.source}`
  return [
    ...(reasonPattern.test(reason) ? [] : [invalid(field, reason, rule)]),
    ...(Buffer.byteLength(reason) > reasonBytesMax ? [tooLong(field, reasonBytesMax)] : []),
  ]
}

function validateMessage(condition: JsonObject, field: string): readonly FieldError[] {
  const bytes = Buffer.byteLength(textAt(condition, 'message'))
  return bytes > messageBytesMax ? [tooLong(`${field}.message`, messageBytesMax)] : []
}
