/** Where a call stands in somebody's trace (W3C Trace Context). */
export interface TraceContext {
  /** 32 hex digits. */
  readonly traceId: string
  /** 16 hex digits. */
  readonly spanId: string
  readonly sampled: boolean
  /** `tracestate`, as it came; undefined where there is none that may be passed on. */
  readonly state: string | undefined
}

/** Of later versions the beginning is read as of this one (W3C Trace Context §3.2.4). */
const traceparent =
  /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** W3C Trace Context §3.3.1.5: what everybody passes on. */
const stateCharactersMax = 512
const parentCharactersMax = 256

/**
 * Reads the two members or headers. Undefined where the first is not what it has to be: then the second is nothing either (W3C Trace
 * Context §4.3).
 */
export function parseTraceContext(parent: unknown, state: unknown): TraceContext | undefined {
  if (typeof parent !== 'string' || parent.length > parentCharactersMax) return undefined
  const [, version, traceId = '', spanId = '', flags = '', more] = traceparent.exec(parent) ?? []
  if (version === undefined || (version === '00' && more !== undefined)) return undefined
  const sampled = (Number.parseInt(flags, 16) & 1) === 1
  return { traceId, spanId, sampled, state: isState(state) ? state : undefined }
}

function isState(state: unknown): state is string {
  return (
    typeof state === 'string' &&
    state.length <= stateCharactersMax &&
    /^[\x20-\x7e]*[\x21-\x7e][\x20-\x7e]*$/.test(state)
  )
}

export function formatTraceparent({
  traceId,
  spanId,
  sampled,
}: Pick<TraceContext, 'traceId' | 'spanId' | 'sampled'>): string {
  return `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`
}
