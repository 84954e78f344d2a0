import type { FieldError } from './field-error.ts'

/** What a failure is about: the plural for most answers, the kind for a 422. */
export interface Subject {
  readonly group: string
  readonly resource: string
  readonly name?: string
}

interface StatusCause {
  readonly reason?: string
  readonly message: string
  readonly field?: string
}

interface StatusDetails {
  readonly name?: string
  readonly group?: string
  readonly kind?: string
  readonly causes?: readonly StatusCause[]
  readonly retryAfterSeconds?: number
}

/** A `Status` object of kind Failure on its way to the client; whatever else is thrown is a 500. */
export class StatusError extends Error {
  readonly code: number
  readonly reason: string
  readonly details: StatusDetails | undefined

  constructor(code: number, reason: string, message: string, details?: StatusDetails) {
    super(message)
    this.code = code
    this.reason = reason
    this.details = details
  }

  toJSON(): object {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      ...(this.reason === '' ? {} : { reason: this.reason }),
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.code,
    }
  }
}

function qualified({ group, resource }: Subject): string {
  return group === '' ? resource : `${resource}.${group}`
}

function detailsOf({ group, resource, name }: Subject): StatusDetails {
  return {
    ...(name === undefined || name === '' ? {} : { name }),
    ...(group === '' ? {} : { group }),
    kind: resource,
  }
}

export function badRequest(message: string): StatusError {
  return new StatusError(400, 'BadRequest', message)
}

export function unauthorized(): StatusError {
  return new StatusError(401, 'Unauthorized', 'Unauthorized')
}

export function forbiddenPath(message: string): StatusError {
  return new StatusError(403, 'Forbidden', `forbidden: ${message}`, {})
}

export function forbiddenAccess(subject: Subject, message: string): StatusError {
  const name = subject.name ? ` ${JSON.stringify(subject.name)}` : ''
  const text = `${qualified(subject)}${name} is forbidden: ${message}`
  return new StatusError(403, 'Forbidden', text, detailsOf(subject))
}

export function notFound(subject: Subject): StatusError {
  const text = `${qualified(subject)} ${JSON.stringify(subject.name ?? '')} not found`
  return new StatusError(404, 'NotFound', text, detailsOf(subject))
}

/** No such path at all: the answer of the API server's last door. */
export function noSuchPath(): StatusError {
  const message = 'the server could not find the requested resource'
  return new StatusError(404, 'NotFound', message, {})
}

export function methodNotAllowed(subject: Subject, action: string): StatusError {
  const text = `${action} is not supported on resources of kind ${JSON.stringify(qualified(subject))}`
  return new StatusError(405, 'MethodNotAllowed', text, detailsOf(subject))
}

export function alreadyExists(subject: Subject): StatusError {
  const text = `${qualified(subject)} ${JSON.stringify(subject.name ?? '')} already exists`
  return new StatusError(409, 'AlreadyExists', text, detailsOf(subject))
}

export function conflict(subject: Subject, why: string): StatusError {
  const name = JSON.stringify(subject.name ?? '')
  const text = `Operation cannot be fulfilled on ${qualified(subject)} ${name}: ${why}`
  return new StatusError(409, 'Conflict', text, detailsOf(subject))
}

export function expired(message: string): StatusError {
  return new StatusError(410, 'Expired', message)
}

export function bodyTooLarge(bytesMax: number): StatusError {
  const text = `Request entity too large: limit is ${bytesMax}`
  return new StatusError(413, 'RequestEntityTooLarge', text)
}

export function unsupportedMediaType(accepted: readonly string[]): StatusError {
  const text = `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`
  return new StatusError(415, 'UnsupportedMediaType', text)
}

/** 422 names the kind where the other answers name the plural. */
export function unprocessable(
  subject: { readonly group: string; readonly kind: string; readonly name: string },
  errors: readonly FieldError[],
): StatusError {
  const kind = subject.group === '' ? subject.kind : `${subject.kind}.${subject.group}`
  const lines = errors.map(({ field, message }) => `${field}: ${message}`)
  const list = lines.length === 1 ? (lines[0] ?? '') : `[${lines.join(', ')}]`
  const text = `${kind} ${JSON.stringify(subject.name)} is invalid: ${list}`
  return new StatusError(422, 'Invalid', text, {
    ...detailsOf({ group: subject.group, resource: subject.kind, name: subject.name }),
    causes: errors,
  })
}

export function internalError(message: string): StatusError {
  return new StatusError(500, 'InternalError', `Internal error occurred: ${message}`, {
    causes: [{ message }],
  })
}

/** An error of an admission plugin that is no refusal: it may be lag, so the client may try again. */
export function unknownError(message: string): StatusError {
  return new StatusError(500, '', message)
}

export function tooLargeResourceVersion(asked: string, current: number): StatusError {
  const text = `Timeout: Too large resource version: ${asked}, current: ${current}`
  return new StatusError(504, 'Timeout', text, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  })
}
