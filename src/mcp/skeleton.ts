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
  let deep: Deep = { depth: 0, isString: false, isEscaped: false }

  const keep = (found: number): void => {
    if (length < octetsMax) kept[length] = found
    length += 1
  }
  return {
    push(chunk) {
      // Once the outermost members are too long nothing is kept any more.
      if (length <= octetsMax) deep = pass(chunk, deep, keep)
    },
    text: () => (length <= octetsMax ? kept.subarray(0, length) : undefined),
  }
}

/** Where in the text a chunk ends. */
interface Deep {
  readonly depth: number
  readonly isString: boolean
  readonly isEscaped: boolean
}

/** Its variables are its own: that makes an octet cost a tenth of what it does where they are kept between the chunks. */
function pass(chunk: Buffer, from: Deep, keep: (found: number) => void): Deep {
  let { depth, isString, isEscaped } = from
  for (let at = 0; at < chunk.length; at += 1) {
    const found = chunk[at] as number
    if (isString) {
      if (depth <= 1) keep(found)
      if (isEscaped) isEscaped = false
      else if (found === backslash) isEscaped = true
      else if (found === octet.quote) isString = false
    } else if (found === octet.objectOpen || found === octet.arrayOpen) {
      if (depth <= 1) keep(depth === 0 ? found : zero)
      depth += 1
    } else if (found === octet.objectClose || found === octet.arrayClose) {
      depth -= 1
      if (depth <= 0) keep(found)
    } else {
      if (found === octet.quote) isString = true
      if (depth <= 1) keep(found)
    }
  }
  return { depth, isString, isEscaped }
}
