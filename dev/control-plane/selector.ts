import { badRequest } from './status.ts'
import { checkLabelValue, checkQualifiedName } from './names.ts'
import { isJsonObject } from './json-object.ts'

export type Labels = Readonly<Record<string, string>>
export type LabelSelector = (labels: Labels) => boolean

export interface FieldRequirement {
  readonly field: string
  readonly equal: boolean
  readonly value: string
}

/** Parses `a=b,c!=d,e in (f,g),h notin (i),j,!k`; whatever else is a 400. */
export function parseLabelSelector(text: string): LabelSelector {
  const requirements = splitOutsideParentheses(text).map(parseLabelRequirement)
  return (labels) => requirements.every((requirement) => requirement(labels))
}

function splitOutsideParentheses(text: string): readonly string[] {
  const parts = text.split(/,(?![^(]*\))/).map((part) => part.trim())
  return parts.length === 1 && parts[0] === '' ? [] : parts
}

const setRequirement = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/
const equalityRequirement = /^([^\s!=]+)\s*(==|=|!=)\s*(\S*)$/
const existenceRequirement = /^(!?)\s*([^\s!=()]+)$/

function parseLabelRequirement(text: string): LabelSelector {
  const set = setRequirement.exec(text)
  if (set !== null) {
    const [, key = '', operator, list = ''] = set
    return labelRequirement(key, operator === 'in' ? 'In' : 'NotIn', splitValues(list))
  }
  const equality = equalityRequirement.exec(text)
  if (equality !== null) {
    const [, key = '', operator, value = ''] = equality
    return labelRequirement(key, operator === '!=' ? 'NotIn' : 'In', [value])
  }
  const existence = existenceRequirement.exec(text)
  if (existence === null) {
    throw badRequest(`unable to parse requirement: ${JSON.stringify(text)}`)
  }
  const [, not, key = ''] = existence
  return labelRequirement(key, not === '!' ? 'DoesNotExist' : 'Exists', [])
}

function splitValues(list: string): readonly string[] {
  return list.split(',').map((value) => value.trim())
}

type Operator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'

function labelRequirement(
  key: string,
  operator: Operator,
  values: readonly string[],
): LabelSelector {
  const messages = [...checkQualifiedName(key), ...values.flatMap(checkLabelValue)]
  if (messages.length > 0) {
    throw badRequest(`unable to parse requirement: ${JSON.stringify(key)}: ${messages.join('; ')}`)
  }
  const has = (labels: Labels): boolean => Object.hasOwn(labels, key)
  const among = (labels: Labels): boolean => has(labels) && values.includes(labels[key] ?? '')
  const requirements: Readonly<Record<Operator, LabelSelector>> = {
    In: among,
    // A label that is not there is in no set (labels.Requirement.Matches).
    NotIn: (labels) => !among(labels),
    Exists: has,
    DoesNotExist: (labels) => !has(labels),
  }
  return requirements[operator]
}

/** Parses `field=value,other!=value`; which fields a resource knows is for its table row to say. */
export function parseFieldSelector(text: string): readonly FieldRequirement[] {
  if (text.trim() === '') return []
  return text.split(',').map((part) => {
    const match = /^\s*([^=!]+?)\s*(==|=|!=)\s*(.*?)\s*$/.exec(part)
    if (match === null)
      throw badRequest(
        `invalid selector: ${JSON.stringify(text)}; can't understand ${JSON.stringify(part)}`,
      )
    const [, field = '', operator, value = ''] = match
    return { field, equal: operator !== '!=', value }
  })
}

export function labelsOf(value: unknown): Labels {
  return isJsonObject(value) ? (value as Labels) : {}
}
