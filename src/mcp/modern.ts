import { cut, quoted } from '../errors.ts'
import { isJsonObject, type Call } from './envelope.ts'
import { decodeHeaderValue } from './header-value.ts'
import type { MessageHeaders } from './headers.ts'
import { badRequest, problemCodes, type Problem } from './problem.ts'
import { isMirrored, parseTarget, type Target } from './target.ts'

const claimMember = 'io.modelcontextprotocol/protocolVersion'
const capabilitiesMember = 'io.modelcontextprotocol/clientCapabilities'

const firstModernRevision = '2026-07-28'
const revision = /^\d{4}-\d{2}-\d{2}$/

/** Revisions are dates, and from this one on every request carries its version in its body. */
export function isModernRevision(version: string): boolean {
  return revision.test(version) && version >= firstModernRevision
}

/** Whether the body itself says that it is modern, be the claim well formed or not. */
export function hasModernClaim(call: Call): boolean {
  const meta = call.params['_meta']
  return isJsonObject(meta) && Object.hasOwn(meta, claimMember)
}

export interface Judged {
  readonly version: string
  readonly target?: Target
}

/**
 * Judges a call of the modern era: the claim in the body first, then the headers that mirror it. The order is that of
 * MCP 2026-07-28 (envelope, version, standard headers), so that a client is told the same fault by every server.
 */
export function judgeModern(
  call: Call,
  headers: MessageHeaders,
  versions: readonly string[],
): Judged | Problem {
  const claimed = parseClaim(call, headers)
  if (typeof claimed !== 'string') return claimed
  const header = headers['mcp-protocol-version']
  if (header !== claimed) return mismatch('mcp-protocol-version', claimed, header)
  // A claim makes a request modern, so one that names a legacy revision names what is not served in this form.
  if (!versions.includes(claimed) || !isModernRevision(claimed)) {
    const message = `protocol version not served: got=${quoted(claimed)}`
    const data = { supported: namedTo(versions), requested: cut(claimed) }
    return badRequest(problemCodes.unsupportedProtocolVersion, message, data)
  }
  return judgeMirrors(call, headers, claimed)
}

/** Only a modern revision is spoken in this form; where there is none, the client learns what else is. */
function namedTo(versions: readonly string[]): readonly string[] {
  const modern = versions.filter(isModernRevision)
  return modern.length > 0 ? modern : versions
}

function parseClaim(call: Call, headers: MessageHeaders): string | Problem {
  const header = headers['mcp-protocol-version']
  if (!hasModernClaim(call)) {
    // A notification has no answer that its version could change, so its header may speak for it.
    if (call.kind === 'notification' && header !== undefined) return header
    const message = `params._meta lacks ${claimMember}, which the version header implies`
    return badRequest(problemCodes.invalidParams, message)
  }
  const meta = call.params['_meta'] as { readonly [member: string]: unknown }
  const claim = meta[claimMember]
  if (typeof claim !== 'string') {
    return badRequest(problemCodes.invalidParams, `${claimMember} must be a string`)
  }
  if (!isJsonObject(meta[capabilitiesMember])) {
    return badRequest(problemCodes.invalidParams, `${capabilitiesMember} must be an object`)
  }
  return claim
}

function judgeMirrors(call: Call, headers: MessageHeaders, version: string): Judged | Problem {
  const method = headers['mcp-method']
  const isRequired = call.kind === 'request'
  if (method === undefined ? isRequired : method !== call.method) {
    return mismatch('mcp-method', call.method, method)
  }
  const target = parseTarget(call, 'modern')
  const name = headers['mcp-name']
  if (target !== undefined && 'code' in target) return target
  if (target === undefined || !isMirrored(target.member)) {
    if (name !== undefined) return mismatch('mcp-name', undefined, name)
    return target === undefined ? { version } : { version, target }
  }
  const isSame = name === undefined ? !isRequired : decodeHeaderValue(name) === target.value
  if (!isSame) return mismatch('mcp-name', target.value, name)
  return { version, target }
}

function mismatch(header: string, want: string | undefined, got: string | undefined): Problem {
  const [wanted, found] = [want, got].map((text) => (text === undefined ? 'none' : quoted(text)))
  const message = `header ${header} differs from the body: want=${wanted} got=${found}`
  return badRequest(problemCodes.headerMismatch, message)
}
