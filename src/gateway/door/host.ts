import { badRequest, refused, type Refused } from '../refusal.ts'

export interface Served {
  /** Lower case, with the port where it is not 443. */
  readonly hosts: ReadonlySet<string>
  /** Lower case. */
  readonly origins: ReadonlySet<string>
}

/**
 * A browser that was lured here names another host (DNS rebinding) or another origin. Node keeps the first of two Host lines, so
 * two are refused (MCP 2026-07-28 transports, security warning).
 */
export function checkHostAndOrigin(
  rawHeaders: readonly string[],
  served: Served,
): Refused | undefined {
  let host: string | undefined
  let origin: string | undefined
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase()
    if (name === 'host') {
      if (host !== undefined) return refuse(400, 'header host more than once')
      host = rawHeaders[index + 1]
    } else if (name === 'origin') {
      if (origin !== undefined) return refuse(400, 'header origin more than once')
      origin = rawHeaders[index + 1]
    }
  }
  if (host === undefined || !isServed(host.toLowerCase(), served.hosts)) {
    return refuse(403, 'host is not served here')
  }
  if (origin !== undefined && !served.origins.has(origin.toLowerCase())) {
    return refuse(403, 'origin is not served here')
  }
  return undefined
}

function refuse(status: 400 | 403, message: string): Refused {
  return refused('host and origin', badRequest(status, message))
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
