import { CountersignError, quoted } from '../errors.ts'

/** Why a decision is what it is. `code` is stable; what only an operator may read never leaves the cluster's own logs. */
export interface Reason {
  readonly code: string
  readonly message: string
  readonly audience: 'agent' | 'operator'
}

/** What must be done with the call (AuthZEN obligations profile). One that nobody can fulfil turns a permit into a refusal. */
export interface Obligation {
  readonly id: string
  readonly type: string
  readonly properties: Readonly<Record<string, unknown>>
}

export interface Decision {
  readonly allow: boolean
  readonly reasons: readonly Reason[]
  readonly obligations: readonly Obligation[]
}

/** Far above what a rule can mean to say; keeps an answer and a log line bounded. */
const membersMax = 64
const messageCharactersMax = 1024

/** Reads a policy's result. Anything odd is no decision: throws `policy/result`. */
export function parseDecision(value: unknown): Decision {
  const members = parseMembers(value, 'decision', ['allow', 'reasons', 'obligations'])
  return {
    allow: parseBoolean(members['allow'], 'allow'),
    reasons: parseReasons(members['reasons']),
    obligations: parseList(members['obligations'], 'obligations').map(parseObligation),
  }
}

/** Reads the reasons of any kind of decision. Throws `policy/result`. */
export function parseReasons(value: unknown): readonly Reason[] {
  return parseList(value, 'reasons').map(parseReason)
}

/** Reads an object that has no other members than these. Throws `policy/result`. */
export function parseMembers(
  value: unknown,
  what: string,
  names: readonly string[],
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw refused(`${what} is of the wrong type, want=object got=${typeOf(value)}`)
  }
  const unknown = Object.keys(value).find((name) => !names.includes(name))
  if (unknown !== undefined) {
    throw refused(`${what} has an unknown member, want=${names.join('|')} got=${quoted(unknown)}`)
  }
  return value as Record<string, unknown>
}

/** Only the two booleans are an answer: nothing is truthy. Throws `policy/result`. */
export function parseBoolean(value: unknown, what: string): boolean {
  if (typeof value !== 'boolean') {
    throw refused(`${what} is of the wrong type, want=boolean got=${typeOf(value)}`)
  }
  return value
}

function parseReason(value: unknown): Reason {
  const members = parseMembers(value, 'reason', ['code', 'message', 'audience'])
  const audience = members['audience']
  if (audience !== 'agent' && audience !== 'operator') {
    throw refused('audience of a reason is neither agent nor operator')
  }
  return {
    code: parseName(members['code'], 'code of a reason'),
    message: parseText(members['message'], 'message of a reason'),
    audience,
  }
}

function parseObligation(value: unknown): Obligation {
  const members = parseMembers(value, 'obligation', ['id', 'type', 'properties'])
  const properties = members['properties']
  if (typeof properties !== 'object' || properties === null || Array.isArray(properties)) {
    throw refused(
      `properties of an obligation are of the wrong type, want=object got=${typeOf(properties)}`,
    )
  }
  return {
    id: parseText(members['id'], 'id of an obligation'),
    type: parseName(members['type'], 'type of an obligation'),
    properties: properties as Record<string, unknown>,
  }
}

function parseList(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) {
    throw refused(`${what} are of the wrong type, want=array got=${typeOf(value)}`)
  }
  if (value.length > membersMax) {
    throw refused(`${what} are too many, want=..${membersMax} got=${value.length}`)
  }
  return value
}

function parseText(value: unknown, what: string): string {
  if (typeof value !== 'string') {
    throw refused(`${what} is of the wrong type, want=string got=${typeOf(value)}`)
  }
  if (value.length > messageCharactersMax) {
    throw refused(`${what} is too long, want=..${messageCharactersMax} got=${value.length}`)
  }
  return value
}

/** A stable name that fits a metric label and a JSON key: lower case, digits, `-` and `_`. */
function parseName(value: unknown, what: string): string {
  const text = parseText(value, what)
  if (!/^[a-z][a-z0-9_-]{0,63}$/.test(text)) {
    throw refused(`${what} is no stable name, want=[a-z][a-z0-9_-]{0,63} got=${quoted(text)}`)
  }
  return text
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}

function refused(message: string): CountersignError {
  return new CountersignError('policy/result', message)
}
