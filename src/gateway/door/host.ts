import type { Call } from '../call.ts'
import type { Means } from '../means.ts'
import { badRequest, type Refusal } from '../refusal.ts'

/**
 * A browser that was lured here names another host (DNS rebinding) or another origin. Node keeps the first of two Host lines, so
 * two are refused (MCP 2026-07-28 transports, security warning).
 */
export function checkHostAndOrigin(call: Call, means: Means): Refusal | undefined {
  const { rawHeaders } = call.request
  let host: string | undefined
  let origin: string | undefined
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase()
    if (name === 'host') {
      if (host !== undefined) return badRequest(400, 'header host more than once')
      host = rawHeaders[index + 1]
    } else if (name === 'origin') {
      if (origin !== undefined) return badRequest(400, 'header origin more than once')
      origin = rawHeaders[index + 1]
    }
  }
  if (host === undefined || !isServed(host.toLowerCase(), means.hosts)) {
    return badRequest(403, 'host is not served here')
  }
  if (origin !== undefined && !means.origins.has(origin.toLowerCase())) {
    return badRequest(403, 'origin is not served here')
  }
  return undefined
}

/** A port and what stands before it; none where a name is all there is, or an address in brackets. */
const withPort = /^(.+):[0-9]{1,5}$/

/**
 * A name that is configured without a port is served at every port: forwarded ports and node ports are not ours to know, and what
 * the check is against changes the name. One with a port is served there, and 443 goes without saying (RFC 9110 §4.2.2).
 */
function isServed(host: string, hosts: ReadonlySet<string>): boolean {
  if (hosts.has(host)) return true
  const name = withPort.exec(host)?.[1]
  return hosts.has(name ?? `${host}:443`)
}
