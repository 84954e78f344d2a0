/** A line of a stream that is no JSON: the others are still good. */
export interface MalformedLine {
  /** The beginning of the line. */
  readonly malformed: string
}

/** A line that was passed by because it is too long: the others are still good. */
export interface LongLine {
  /** The beginning of the line. */
  readonly tooLong: string
  readonly bytes: number
}

const excerptCharactersMax = 200
/** Enough for the names of an object, which the API server writes first. */
const beginningBytes = 4096

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return { malformed: line.slice(0, excerptCharactersMax) } satisfies MalformedLine
  }
}

export function isMalformedLine(value: unknown): value is MalformedLine {
  return hasOnly(value, 1) && typeof (value as Partial<MalformedLine>).malformed === 'string'
}

export function isLongLine(value: unknown): value is LongLine {
  return hasOnly(value, 2) && typeof (value as Partial<LongLine>).tooLong === 'string'
}

function hasOnly(value: unknown, members: number): value is object {
  return typeof value === 'object' && value !== null && Object.keys(value).length === members
}

const newline = 0x0a

/**
 * One parsed value a line. Of a line longer than `lineBytesMax` only the beginning is held while the rest passes by; what follows
 * the last newline is dropped, because a cut connection cuts lines too.
 */
export async function* parseJsonLines(
  chunks: AsyncIterable<Buffer>,
  options: { readonly lineBytesMax: number },
): AsyncGenerator<unknown, void, undefined> {
  const { lineBytesMax } = options
  // Pieces of one unfinished line; joined only once it ends, so that a long line costs no repeated copies.
  let pieces: Buffer[] = []
  let bytes = 0
  const keep = (piece: Buffer): void => {
    const before = bytes
    bytes += piece.length
    if (bytes <= lineBytesMax) pieces.push(piece)
    else if (before <= lineBytesMax) {
      pieces = [Buffer.from(Buffer.concat([...pieces, piece]).subarray(0, beginningBytes))]
    }
  }
  for await (const chunk of chunks) {
    let start = 0
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      keep(chunk.subarray(start, end))
      const line = Buffer.concat(pieces).toString('utf8').trim()
      if (bytes > lineBytesMax) yield { tooLong: line, bytes } satisfies LongLine
      else if (line !== '') yield parseLine(line)
      pieces = []
      bytes = 0
      start = end + 1
    }
    if (start < chunk.length) keep(chunk.subarray(start))
  }
}
