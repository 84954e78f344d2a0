export interface HttpRequest {
  readonly method: 'POST' | 'DELETE' | 'GET'
  /** Name, value, name, value. */
  readonly headers: readonly string[]
  readonly body: Buffer | null
}

/** What begins all requests to one place. */
export interface RequestTarget {
  readonly path: string
  /** With its port, where that is not the scheme's own. */
  readonly host: string
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** RFC 9110 §5.5: nothing else may stand in a value, or it would be another header, or another request. */
const unfitValue = /[^\t\x20-\x7e\x80-\xff]/

/** One request as one piece of octets, so that it goes out in one TLS record; or undefined when a header cannot be written. */
export function formatRequest(
  { path, host }: RequestTarget,
  { method, headers, body }: HttpRequest,
): Buffer | undefined {
  let head = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\n`
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at] ?? ''
    const value = headers[at + 1] ?? ''
    if (!token.test(name) || unfitValue.test(value)) return undefined
    head += `${name}: ${value}\r\n`
  }
  // A request without a body says nothing of its length (RFC 9110 §8.6), unless its method foresees one.
  const length = body?.length ?? 0
  head += method === 'POST' || length > 0 ? `content-length: ${length}\r\n\r\n` : '\r\n'
  const whole = Buffer.allocUnsafe(head.length + length)
  whole.write(head, 0, 'latin1')
  if (body !== null) whole.set(body, head.length)
  return whole
}
