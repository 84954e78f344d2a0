import { CountersignError, quoted } from '../errors.ts'

/** One entry of a Status object's `details.causes`. */
export interface ApiCause {
  readonly reason: string
  /** Not uniform between rules of the API server: never match it exactly, except `spec.signerName`. */
  readonly field: string
  readonly message: string
}

/** Causes beyond this many say nothing new. */
const causesMax = 32
const messageCharactersMax = 500

/** The API server's own refusal of a request: its Status object, or what little a proxy before it said. */
export class ApiError extends CountersignError {
  /** The HTTP status, or the `code` of an ERROR event in a watch. */
  readonly status: number
  /** The machine-readable reason, for example `Invalid` or `Expired`; empty when the answer was no Status object. */
  readonly reason: string
  readonly causes: readonly ApiCause[]
  readonly retryAfterSeconds: number | undefined
  /** The Status object's `details` as they came. */
  readonly details: unknown
  /** With an expired page token: the one to go on with, whose pages show a later time than those before. */
  readonly continueToken: string | undefined

  constructor(options: {
    readonly message: string
    readonly status: number
    readonly reason?: string
    readonly causes?: readonly ApiCause[]
    readonly retryAfterSeconds?: number | undefined
    readonly details?: unknown
    readonly continueToken?: string | undefined
  }) {
    super('kubernetes/api', options.message)
    this.status = options.status
    this.reason = options.reason ?? ''
    this.causes = options.causes ?? []
    this.retryAfterSeconds = options.retryAfterSeconds
    this.details = options.details
    this.continueToken = options.continueToken
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, messageCharactersMax) : ''
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function causesOf(details: Readonly<Record<string, unknown>>): readonly ApiCause[] {
  if (!Array.isArray(details['causes'])) return []
  return details['causes'].slice(0, causesMax).map((entry: unknown) => {
    const cause = objectOf(entry)
    return {
      reason: textOf(cause['reason']),
      field: textOf(cause['field']),
      message: textOf(cause['message']),
    }
  })
}

function tokenOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function secondsOf(value: unknown): number | undefined {
  const seconds = typeof value === 'string' && /^\d{1,6}$/.test(value) ? Number(value) : value
  return typeof seconds === 'number' && seconds > 0 && seconds < 1e6 ? seconds : undefined
}

/**
 * Reads a Status object leniently: it comes with an error already, and a second error would hide the first.
 * `what` names the request (`PATCH /apis/…/status`) or the watch.
 */
export function parseApiError(options: {
  readonly what: string
  readonly status: number
  /** The parsed answer, or its text where it was no JSON. */
  readonly answer: unknown
  /** The Retry-After header; only its form in seconds is used. */
  readonly retryAfter?: string | undefined
}): ApiError {
  const { what, status, answer } = options
  const body = objectOf(answer)
  const details = objectOf(body['details'])
  const said = textOf(body['message']) || (typeof answer === 'string' ? answer : '')
  return new ApiError({
    message: `${what}: status ${status}: ${quoted(said, messageCharactersMax)}`,
    status,
    reason: textOf(body['reason']),
    causes: causesOf(details),
    retryAfterSeconds: secondsOf(options.retryAfter) ?? secondsOf(details['retryAfterSeconds']),
    details: body['details'],
    continueToken: tokenOf(objectOf(body['metadata'])['continue']),
  })
}

/** The API server says that the object is not there. Anybody else's 404, or one for what is not served, proves nothing. */
export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404 && error.reason === 'NotFound'
}

/** The object changed since it was read, or already exists. */
export function isConflict(error: unknown): boolean {
  return error instanceof ApiError && error.status === 409
}

/** The resource version is too old to list or watch from: only a new list helps. */
export function isExpired(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false
  return error.status === 410 || error.reason === 'Expired' || error.reason === 'Gone'
}
