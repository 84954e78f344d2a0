const sentinel = /^=\?base64\?(.*)\?=$/s
const visible = /^[\x20-\x7e\t]*$/
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The text that a mirroring header stands for: plain ASCII, or UTF-8 in base64 between exact markers. Undefined where it
 * is neither (MCP 2026-07-28 transports, value encoding).
 */
export function decodeHeaderValue(value: string): string | undefined {
  const encoded = sentinel.exec(value)?.[1]
  if (encoded === undefined) return visible.test(value) ? value : undefined
  const octets = Buffer.from(encoded, 'base64')
  if (octets.toString('base64') !== encoded) return undefined
  try {
    return utf8.decode(octets)
  } catch {
    return undefined
  }
}

/** Plain where that is unambiguous, else base64 between markers (MCP 2026-07-28 transports, value encoding). */
export function encodeHeaderValue(text: string): string {
  const plain =
    /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text) && !text.startsWith('=?base64?')
  return plain ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`
}
