import { createReadStream } from 'node:fs'
import { CountersignError, quoted } from '../../../errors.ts'
import { readLines } from '../../../policy/log-lines.ts'
import { fromJson } from '../../../policy/plan/json.ts'

/** A line of a decision log, with its place. */
export interface LoggedLine {
  readonly event: unknown
  /** As it stands, without its end. */
  readonly line: Buffer
  readonly place: string
  readonly octetsRead: number
}

/**
 * Reads the events of a decision log, one after the other, so that memory does not grow with it. What comes after the last end of a line
 * may still be being written: where it is no whole JSON, `cut` is told its place. Throws `policy/replay` with the line that is no event.
 */
export async function* readEvents(
  file: string,
  cut: (place: string) => void,
  open: () => AsyncIterable<Buffer> = () => createReadStream(file),
): AsyncGenerator<LoggedLine> {
  let [number, octetsRead] = [0, 0]
  for await (const { line, isEnded } of linesOf(file, open)) {
    number += 1
    octetsRead += line.length + 1
    const place = `${file}:${number}`
    if (line.length === 0) continue
    const event = isEnded ? parse(line, place) : parseLast(line)
    if (event === undefined) cut(place)
    else yield { event, line, place, octetsRead }
  }
}

/** For a person, of a line that `readEvents` found cut. */
export function cutLine(place: string): string {
  return `last line is cut and not read, got=${quoted(place, 200)}\n`
}

/** Undefined: there is more of it to come. */
function parseLast(line: Buffer): unknown {
  try {
    return parse(line, '')
  } catch {
    return undefined
  }
}

function parse(line: Buffer, place: string): unknown {
  try {
    return fromJson(new TextDecoder('utf-8', { fatal: true }).decode(line))
  } catch (cause) {
    throw noEvent(place, cause)
  }
}

export function noEvent(place: string, cause?: unknown): CountersignError {
  const shown = quoted(place, 200)
  return new CountersignError('policy/replay', `line is no event of a decision log, got=${shown}`, {
    cause,
  })
}

interface Line {
  readonly line: Buffer
  readonly isEnded: boolean
}

async function* linesOf(file: string, open: () => AsyncIterable<Buffer>): AsyncGenerator<Line> {
  const lines = readLines(open(), file)
  try {
    for (;;) {
      const { value: line, done } = await lines.next()
      yield { line, isEnded: done !== true }
      if (done === true) return
    }
  } catch (cause) {
    if (cause instanceof CountersignError) throw cause
    const shown = quoted(file, 200)
    throw new CountersignError('policy/replay', `log cannot be read, got=${shown}`, { cause })
  } finally {
    await lines.return(Buffer.alloc(0))
  }
}
