export interface PemBlock {
  readonly type: string
  readonly hasHeaders: boolean
  readonly der: Buffer
}

const begin = '-----BEGIN '
const dashes = '-----'

/** The PEM blocks in a text, as Go finds them: text between blocks and blocks that are broken are passed over. */
export function parsePem(text: string): readonly PemBlock[] {
  const blocks: PemBlock[] = []
  let at = nextBegin(text, 0)
  while (at !== -1) {
    const lineEnd = text.indexOf('\n', at)
    if (lineEnd === -1) break
    const type = /^(.*)-----[ \t\r]*$/.exec(text.slice(at + begin.length, lineEnd))?.[1]
    const next = text.indexOf(`\n${dashes}`, lineEnd)
    if (next === -1) break
    const end = `${dashes}END ${type}${dashes}`
    const whole = type !== undefined && text.startsWith(end, next + 1)
    const block = whole ? parseBody(type, text.slice(lineEnd + 1, next + 1)) : undefined
    if (block !== undefined) blocks.push(block)
    at = nextBegin(text, next + 1)
  }
  return blocks
}

/** A block begins at the beginning of a line only. */
function nextBegin(text: string, from: number): number {
  if (text.startsWith(begin, from) && (from === 0 || text[from - 1] === '\n')) return from
  const found = text.indexOf(`\n${begin}`, Math.max(from - 1, 0))
  return found === -1 ? -1 : found + 1
}

function parseBody(type: string, body: string): PemBlock | undefined {
  const lines = body.split('\n').map((line) => line.trim())
  const headers = lines.findIndex((line) => !line.includes(':'))
  const base64 = lines.slice(headers === -1 ? lines.length : headers).join('')
  if (base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) return undefined
  return { type, hasHeaders: headers > 0, der: Buffer.from(base64, 'base64') }
}

export function formatPem(type: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${type}-----`, ...lines, `-----END ${type}-----`, ''].join('\n')
}
