import { octet } from './lex.ts'

/** What is kept of a text whose octets pass by, to find its id once they have. */
export interface Skeleton {
  push(chunk: Buffer): void
  /** The text so far, with a zero for each value that holds others; undefined where even that is long. */
  text(): Buffer | undefined
}

/** Names of the protocol, an id, a method: no message of sense has more between its members. */
const octetsMax = 4096

const backslash = 0x5c
const zero = 0x30

/** Passes over a JSON text of any length in no more memory than its outermost members take. */
export function createSkeleton(): Skeleton {
  const kept = Buffer.alloc(octetsMax)
  let length = 0
  let depth = 0
  let isString = false
  let isEscaped = false

  const keep = (found: number): void => {
    if (length < octetsMax) kept[length] = found
    length += 1
  }
  const passString = (found: number): void => {
    if (depth <= 1) keep(found)
    if (isEscaped) isEscaped = false
    else if (found === backslash) isEscaped = true
    else if (found === octet.quote) isString = false
  }
  const pass = (found: number): void => {
    if (found === octet.objectOpen || found === octet.arrayOpen) {
      if (depth <= 1) keep(depth === 0 ? found : zero)
      depth += 1
      return
    }
    if (found === octet.objectClose || found === octet.arrayClose) {
      depth -= 1
      if (depth <= 0) keep(found)
      return
    }
    if (found === octet.quote) isString = true
    if (depth <= 1) keep(found)
  }
  return {
    push(chunk) {
      for (const found of chunk) {
        if (isString) passString(found)
        else pass(found)
      }
    },
    text: () => (length <= octetsMax ? kept.subarray(0, length) : undefined),
  }
}
