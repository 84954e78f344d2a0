/** A line of a stream. One that is no JSON, or too long to be read, is told by how it begins: the others are still good. */
export type JsonLine = ParsedLine | MalformedLine | LongLine

export interface ParsedLine {
  readonly value: unknown
  /** Of its text. */
  readonly bytes: number
}

export interface MalformedLine {
  readonly malformed: string
}

export interface LongLine {
  readonly tooLong: string
  readonly bytes: number
}

const excerptCharactersMax = 200
/** Enough for the names of an object, which the API server writes first. */
const beginningBytes = 4096

function parseLine(line: string, bytes: number): ParsedLine | MalformedLine {
  try {
    return { value: JSON.parse(line) as unknown, bytes }
  } catch {
    return { malformed: line.slice(0, excerptCharactersMax) }
  }
}

const newline = 0x0a

/**
 * What each line is. Of a line longer than `lineBytesMax` only the beginning is held while the rest passes by; what follows
 * the last newline is dropped, because a cut connection cuts lines too.
 */
export async function* parseJsonLines(
  chunks: AsyncIterable<Buffer>,
  options: { readonly lineBytesMax: number },
): AsyncGenerator<JsonLine, void, undefined> {
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
      if (bytes > lineBytesMax) yield { tooLong: line, bytes }
      else if (line !== '') yield parseLine(line, bytes)
      pieces = []
      bytes = 0
      start = end + 1
    }
    if (start < chunk.length) keep(chunk.subarray(start))
  }
}
