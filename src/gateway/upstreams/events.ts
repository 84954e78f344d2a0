/** Server-sent events, incrementally (HTML Living Standard §9.2.6): CR, LF or CRLF ends a line, an empty line ends an event. */
export interface EventParser {
  push(chunk: Buffer): void
}

export interface ServerEvent {
  /** Everything up to and with the empty line, as it came: comments, ids and names too. */
  readonly octets: Buffer
  /** The data lines, joined; undefined for a block without any, such as a comment that keeps the stream alive. */
  readonly data: Buffer | undefined
}

const carriageReturn = 0x0d
const lineFeed = 0x0a
const colon = 0x3a
const space = 0x20
const newline = Buffer.from('\n')

/**
 * Calls `onEvent` for each block that an empty line has ended. Works on octets, so that a chunk may end inside a character.
 * Memory is bounded by the caller's bound on the whole stream.
 */
export function createEventParser(onEvent: (event: ServerEvent) => void): EventParser {
  /** The octets of the block that has not ended yet, and where its present line begins. */
  let block: Buffer[] = []
  let line: Buffer[] = []
  let data: Buffer[] = []
  let afterReturn = false

  function takeLine(text: Buffer): void {
    const end = text.indexOf(colon)
    const name = text.toString('latin1', 0, end === -1 ? text.length : end)
    if (name !== 'data') return
    const value = end === -1 ? text.subarray(text.length) : text.subarray(end + 1)
    data.push(value[0] === space ? value.subarray(1) : value)
  }
  function endBlock(): void {
    const event = {
      octets: Buffer.concat(block),
      data: data.length === 0 ? undefined : join(data),
    }
    block = []
    data = []
    onEvent(event)
  }

  return {
    push(chunk) {
      if (chunk.length === 0) return
      let blockStart = 0
      let lineStart = 0
      let index = 0
      // A line feed that follows the carriage return of the chunk before ends no second line.
      if (afterReturn && chunk[0] === lineFeed) {
        index = 1
        lineStart = 1
      }
      afterReturn = chunk[chunk.length - 1] === carriageReturn
      for (; index < chunk.length; index += 1) {
        const octet = chunk[index]
        if (octet !== lineFeed && octet !== carriageReturn) continue
        const text = joined(line, chunk.subarray(lineStart, index))
        line = []
        if (octet === carriageReturn && chunk[index + 1] === lineFeed) index += 1
        lineStart = index + 1
        if (text.length > 0) {
          takeLine(text)
          continue
        }
        block.push(chunk.subarray(blockStart, lineStart))
        blockStart = lineStart
        endBlock()
      }
      if (lineStart < chunk.length) line.push(chunk.subarray(lineStart))
      if (blockStart < chunk.length) block.push(chunk.subarray(blockStart))
    },
  }
}

function joined(parts: readonly Buffer[], last: Buffer): Buffer {
  return parts.length === 0 ? last : Buffer.concat([...parts, last])
}

function join(lines: readonly Buffer[]): Buffer {
  const [only] = lines
  if (lines.length === 1 && only !== undefined) return only
  return Buffer.concat(lines.flatMap((line, index) => (index === 0 ? [line] : [newline, line])))
}
