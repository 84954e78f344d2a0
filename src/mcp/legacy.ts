import { cut, quoted } from '../errors.ts'
import type { Call, Reply } from './envelope.ts'
import { decodeHeaderValue } from './header-value.ts'
import type { MessageHeaders } from './headers.ts'
import { isModernRevision } from './modern.ts'
import { badRequest, problemCodes, type Problem } from './problem.ts'
import { parseTarget, type Target } from './target.ts'

export interface Judged {
  readonly version: string
  readonly target?: Target
  readonly sessionId?: string
}

// MCP 2025-11-25 transports, session management; the length is ours, so that a session id fits a header line.
const sessionIdPattern = /^[\x21-\x7e]{1,4096}$/

/** Judges a message of the legacy era: only `initialize` may come without a version header and without a session. */
export function judgeLegacy(
  message: Call | Reply,
  headers: MessageHeaders,
  versions: readonly string[],
): Judged | Problem {
  const version = parseVersion(message, headers, versions)
  if (typeof version !== 'string') return version
  const sessionId = headers['mcp-session-id']
  if (sessionId !== undefined && !sessionIdPattern.test(sessionId)) {
    return badRequest(problemCodes.invalidRequest, 'header mcp-session-id is not visible ASCII')
  }
  const session = sessionId === undefined ? {} : { sessionId }
  if (message.kind === 'response') return { version, ...session }
  const target = parseTarget(message, 'legacy')
  if (target !== undefined && 'code' in target) return target
  const mirror = mirrorFault(message, headers, target)
  if (mirror !== undefined) return badRequest(problemCodes.invalidRequest, mirror)
  return { version, ...(target === undefined ? {} : { target }), ...session }
}

function parseVersion(
  message: Call | Reply,
  headers: MessageHeaders,
  versions: readonly string[],
): string | Problem {
  const header = headers['mcp-protocol-version']
  if (message.kind === 'request' && message.method === 'initialize') {
    return agreeVersion(message, header, versions)
  }
  // Without the header the revision would be 2025-03-26, which allows batches and is not served.
  if (header === undefined) {
    return badRequest(problemCodes.invalidRequest, 'header mcp-protocol-version is missing')
  }
  return servedLegacy(versions).includes(header) ? header : headerNotServed(header, versions)
}

/**
 * The version that `initialize` agrees on: the one that is asked for, else the newest that is served, which the client may take or leave
 * (MCP 2025-11-25 lifecycle, version negotiation).
 */
function agreeVersion(
  { params }: Call,
  header: string | undefined,
  versions: readonly string[],
): string | Problem {
  const requested = params['protocolVersion']
  if (typeof requested !== 'string') {
    return badRequest(problemCodes.invalidParams, 'params.protocolVersion must be a string')
  }
  const served = servedLegacy(versions)
  if (header !== undefined && header !== requested && !served.includes(header)) {
    return headerNotServed(header, versions)
  }
  if (served.includes(requested)) return requested
  const [newest] = served.toSorted().toReversed()
  if (newest !== undefined) return newest
  const text = `protocol version not served: got=${quoted(requested)}`
  const data = { supported: versions, requested: cut(requested) }
  return badRequest(problemCodes.unsupportedProtocolVersion, text, data)
}

function servedLegacy(versions: readonly string[]): readonly string[] {
  return versions.filter((version) => !isModernRevision(version))
}

function headerNotServed(header: string, versions: readonly string[]): Problem {
  const text = `header mcp-protocol-version not served: got=${quoted(header)}`
  const data = { supported: versions, requested: cut(header) }
  return badRequest(problemCodes.invalidRequest, text, data)
}

/** The era has no mirroring headers; where one comes all the same, nobody on the way may be told another thing. */
function mirrorFault(
  call: Call,
  headers: MessageHeaders,
  target: Target | undefined,
): string | undefined {
  const method = headers['mcp-method']
  if (method !== undefined && method !== call.method) {
    return 'header mcp-method differs from the body'
  }
  const name = headers['mcp-name']
  if (name !== undefined && decodeHeaderValue(name) !== target?.value) {
    return 'header mcp-name differs from the body'
  }
  return undefined
}
