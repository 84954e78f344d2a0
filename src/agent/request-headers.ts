import { isJsonObject } from '../mcp/envelope.ts'
import { encodeHeaderValue } from '../mcp/header-value.ts'
import { formatParamHeaders, type ParamHeader } from '../mcp/param-headers.ts'
import { modernTargets } from '../mcp/target.ts'
import { claimedVersion, type Outline } from '../mcp/outline.ts'

/** What has been agreed on with the gateway by `initialize`. */
export interface LegacyAgreement {
  readonly version: string
  /** Undefined where the gateway keeps no session. */
  readonly sessionId: string | undefined
}

const common = {
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
}

/** The headers of a message of the modern era, which repeat what its body says. */
export function modernHeaders(
  message: Outline,
  declared: readonly ParamHeader[],
): Record<string, string> {
  const { method, params } = message
  const member = modernTargets.get(method)
  const name = member === undefined ? undefined : params[member]
  const args = params['arguments']
  const mirrored = formatParamHeaders(declared, isJsonObject(args) ? args : undefined)
  return {
    ...common,
    'mcp-protocol-version': encodeHeaderValue(claimedVersion(message) ?? ''),
    'mcp-method': encodeHeaderValue(method),
    ...(typeof name === 'string' ? { 'mcp-name': encodeHeaderValue(name) } : {}),
    ...Object.fromEntries(mirrored.map(([header, text]) => [header, encodeHeaderValue(text)])),
  }
}

/** The headers of a message of the legacy era: none of a session yet where nothing has been agreed on. */
export function legacyHeaders(agreed: LegacyAgreement | undefined): Record<string, string> {
  return { ...common, ...sessionHeaders(agreed) }
}

export function sessionHeaders(agreed: LegacyAgreement | undefined): Record<string, string> {
  if (agreed === undefined) return {}
  const { version, sessionId } = agreed
  return {
    'mcp-protocol-version': encodeHeaderValue(version),
    ...(sessionId === undefined ? {} : { 'mcp-session-id': sessionId }),
  }
}
