import { hash } from 'node:crypto'
import { CountersignError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { DecisionInput, Evaluated } from './authorizer.ts'
import { entrypoints } from './engine.ts'
import type { PolicyEngine } from './engine.ts'
import { openEventFile } from './event-file.ts'
import type { EventFile } from './event-file.ts'
import { boundedText, formatInput } from './input.ts'
import { applyMask } from './mask.ts'
import type { Rotation } from './rotate.ts'

/** One decision, as it was taken. */
export interface DecisionEvent {
  readonly decisionId: string
  /** The entrypoint, or `countersign/gateway/<check>` for a decision without policy. */
  readonly path: string
  readonly evaluated: Evaluated<unknown>
  /** SPIFFE ID of the caller. */
  readonly requestedBy: string
}

/** Keeps every decision: OPA's event format, one JSON object a line, masked by the policy's own rules. */
export interface DecisionLog extends AsyncDisposable {
  /** False: events cannot be kept now, so nothing may be decided. */
  readonly available: boolean
  /** Never throws. Masks and takes the event at once, so that it may change afterwards. */
  record(event: DecisionEvent): void
  /** Resolves when everything recorded so far is on disk. Throws `policy/log`. */
  flush(): Promise<void>
}

/** Eight mebibytes: some ten thousand calls. */
const bufferOctetsDefault = 8 * 1024 * 1024

/** The input of a list is a mebibyte at most, and the event has more than the input. */
const maskOctetsMax = 2 * 1024 * 1024

interface EventOptions {
  readonly engine: PolicyEngine
  /** Asked for with the first event: who writes may not be known at the start. */
  readonly labels: () => Readonly<Record<string, string>>
  /** Milliseconds since the epoch; a fraction is kept. */
  readonly now: () => number
  readonly log: Log
  readonly metrics: Metrics
}

/** Opens the log. Throws `policy/log`. */
export async function openDecisionLog(
  options: EventOptions & {
    readonly file: string
    readonly rotation?: Rotation
    readonly bufferOctetsMax?: number
  },
): Promise<DecisionLog> {
  const { bufferOctetsMax = bufferOctetsDefault } = options
  return createDecisionLog(await openEventFile({ ...options, bufferOctetsMax }), options)
}

/** A decision log over any file of events. */
export function createDecisionLog(file: EventFile, options: EventOptions): DecisionLog {
  const { log, metrics, labels, engine } = options
  let constant: { readonly digest: string; readonly text: string } | undefined
  // Grants are followed while running: without the digest two opposite decisions could not be told apart.
  const members = (): string => {
    const { revision, digest } = engine
    if (constant?.digest !== digest) {
      const bundles = { countersign: { revision }, data: { revision: digest } }
      constant = { digest, text: formatMembers({ labels: labels(), bundles }) }
    }
    return constant.text
  }
  let requests = 0
  return {
    get available() {
      return file.available
    },
    record(event) {
      requests += 1
      const format = { ...options, constant: members() }
      if (file.append(formatEvent(event, requests, format))) return
      metrics.count('countersign_policy_errors_total', { code: 'policy/log' })
      log.error({ decision: event.decisionId }, 'decision log is full and an event is lost')
    },
    flush: () => file.flush(),
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  }
}

interface EventFormat extends EventOptions {
  /** The members that all events share. */
  readonly constant: string
}

function formatEvent(event: DecisionEvent, request: number, options: EventFormat): string {
  const { evaluated } = event
  const own = formatMembers({
    decision_id: event.decisionId,
    path: event.path,
    requested_by: event.requestedBy,
    timestamp: formatTimestamp(options.now()),
  })
  const common = `${options.constant},${own}`
  const trailer = formatMembers({
    metrics: { timer_rego_query_eval_ns: Math.round(evaluated.seconds * 1e9) },
    req_id: request,
  })
  try {
    const masked = maskEvent(common, evaluated, options.engine)
    if (evaluated.error === undefined) return `{${common},${masked},${trailer}}`
    const error = formatMembers({ error: { message: evaluated.error } })
    return `{${common},${masked},${error},${trailer}}`
  } catch (failure) {
    // OPA loses an event whose mask fails. Ours keeps what can hold no secret.
    const code = failure instanceof CountersignError ? failure.code : 'unknown'
    options.metrics.count('countersign_policy_errors_total', { code })
    options.log.error({ decision: event.decisionId, code }, 'decision log keeps a minimal event')
    const error = { message: evaluated.error ?? 'event cannot be masked', mask: code }
    const input = outlineOf(evaluated.input)
    const minimal = formatMembers({ input, result: outcomeOf(evaluated.value), error })
    return `{${common},${minimal},${trailer}}`
  }
}

/** The members of an object, without its braces. */
function formatMembers(members: object): string {
  return JSON.stringify(members).slice(1, -1)
}

/** The members of the event that rules may change. The mask is asked about the text that policy was asked about. */
function maskEvent(common: string, evaluated: Evaluated<unknown>, engine: PolicyEngine): string {
  const { input, result } = evaluated
  const inputText = evaluated.inputText ?? formatInput(input, maskOctetsMax)
  const shown = `"input":${inputText},"result":${JSON.stringify(result ?? null)}`
  const event = `{${common},${shown},"digests":${JSON.stringify(digestsOf(input))}}`
  const changes = engine.evaluate(entrypoints.mask, boundedText(event, maskOctetsMax))
  const { erased, masked, ...members } = applyMask({ input, result }, changes)
  if (erased.length === 0 && masked.length === 0) return shown
  return formatMembers({
    ...members,
    ...(erased.length === 0 ? {} : { erased }),
    ...(masked.length === 0 ? {} : { masked }),
  })
}

/** The longest name of a resource in a minimal event: a caller may say any. */
const nameCharactersMax = 256

/** Who asked for what: of the caller's own words only the name of the resource, and the digest of the arguments. */
function outlineOf(input: object): object {
  const { subject, action, resource } = input as Partial<DecisionInput>
  return {
    subject,
    action,
    ...(resource === undefined
      ? {}
      : {
          resource: {
            type: resource.type,
            id: resource.id.slice(0, nameCharactersMax),
            properties: { server: resource.properties.server },
          },
        }),
    context: digestsOf(input),
  }
}

/** What may stand in the log for what is left out: rules have no hash function of their own. */
function digestsOf(input: object): object {
  const { context } = input as { readonly context?: { readonly arguments?: unknown } }
  if (context?.arguments === undefined) return {}
  const text = JSON.stringify(context.arguments)
  return { arguments: { sha256: hash('sha256', text), octets: Buffer.byteLength(text) } }
}

function outcomeOf(value: unknown): object | null {
  const allow = (value as { readonly allow?: unknown } | null)?.allow
  return typeof allow === 'boolean' ? { allow } : null
}

/** RFC 3339 with nanoseconds, all nine digits, so that lines sort by time as text. */
function formatTimestamp(milliseconds: number): string {
  const whole = Math.floor(milliseconds)
  const nanoseconds = Math.floor((milliseconds - whole) * 1e6)
  const fraction = String(nanoseconds).padStart(6, '0')
  return `${new Date(whole).toISOString().slice(0, -1)}${fraction}Z`
}
