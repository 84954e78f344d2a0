import { octet } from './lex.ts'

const backslash = 0x5c
/** Longer than every id that a client writes; what is longer is not remembered. */
const idOctetsMax = 256

/** Looks for the `id` of a message that is too long to keep, in octets that come in pieces and are forgotten. */
export interface IdFinder {
  push(octets: Buffer): void
  /** As the message writes it; undefined where it has none, or none that could be told back. */
  readonly rawId: string | undefined
}

type Reading = 'nothing' | 'name' | 'value'

export function createIdFinder(): IdFinder {
  let depth = 0
  let inString = false
  let escaped = false
  let reading: Reading = 'nothing'
  let text: number[] = []
  let rawId: string | undefined

  function begin(what: Reading): void {
    reading = what
    text = []
  }
  /** An octet that is of no string, or ends one. */
  function structure(found: number): void {
    if (found === octet.objectOpen || found === octet.arrayOpen) depth += 1
    if (found === octet.objectClose || found === octet.arrayClose) depth -= 1
    const isMember = found === octet.comma || found === octet.objectOpen
    if (depth === 1 && isMember) {
      keep()
      begin('name')
    } else if (depth === 1 && found === octet.colon && reading === 'name') {
      begin(Buffer.from(text).toString('latin1').trim() === '"id"' ? 'value' : 'nothing')
    } else if (depth === 0) keep()
    else note(found)
  }
  function keep(): void {
    if (reading === 'value') rawId ??= idOf(Buffer.from(text).toString('utf8').trim())
    begin('nothing')
  }
  function note(found: number): void {
    if (reading !== 'nothing' && text.length <= idOctetsMax) text.push(found)
  }
  function take(found: number): void {
    if (!inString && found !== octet.quote) return structure(found)
    if (depth === 1) note(found)
    if (!inString) inString = true
    else if (escaped) escaped = false
    else if (found === backslash) escaped = true
    else if (found === octet.quote) inString = false
    return undefined
  }

  return {
    push(octets) {
      for (const found of octets) take(found)
    },
    get rawId() {
      return rawId
    },
  }
}

function idOf(text: string): string | undefined {
  if (Buffer.byteLength(text) > idOctetsMax) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'string' || typeof value === 'number' ? text : undefined
  } catch {
    return undefined
  }
}
