/** A line of a stream that is no JSON: the others are still good. */
export interface MalformedLine {
  /** The beginning of the line. */
  readonly malformed: string
}

const excerptCharactersMax = 200

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return { malformed: line.slice(0, excerptCharactersMax) } satisfies MalformedLine
  }
}

export function isMalformedLine(value: unknown): value is MalformedLine {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.keys(value).length === 1 &&
    typeof (value as Partial<MalformedLine>).malformed === 'string'
  )
}

const newline = 0x0a

/**
 * One parsed value a line. A line longer than `lineBytesMax` ends the iteration with the error of `tooLong`; what
 * follows the last newline is dropped, because a cut connection cuts lines too.
 */
export async function* parseJsonLines(
  chunks: AsyncIterable<Buffer>,
  options: { readonly lineBytesMax: number; readonly tooLong: () => Error },
): AsyncGenerator<unknown, void, undefined> {
  // Pieces of one unfinished line; joined only once it ends, so that a long line costs no repeated copies.
  let pieces: Buffer[] = []
  let bytes = 0
  for await (const chunk of chunks) {
    let start = 0
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      const piece = chunk.subarray(start, end)
      bytes += piece.length
      if (bytes > options.lineBytesMax) throw options.tooLong()
      const line = Buffer.concat([...pieces, piece])
        .toString('utf8')
        .trim()
      if (line !== '') yield parseLine(line)
      pieces = []
      bytes = 0
      start = end + 1
    }
    const rest = chunk.subarray(start)
    bytes += rest.length
    if (bytes > options.lineBytesMax) throw options.tooLong()
    if (rest.length > 0) pieces.push(rest)
  }
}
