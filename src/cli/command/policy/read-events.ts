import { createReadStream } from 'node:fs'
import { CountersignError, quoted } from '../../../errors.ts'
import { fromJson } from '../../../policy/plan/json.ts'

/** The input of a call may be six mebibytes, and an event has more than the input. */
const lineOctetsMax = 16 * 1024 * 1024

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
  const parts: Buffer[] = []
  let octets = 0
  try {
    for await (const chunk of open()) {
      let from = 0
      for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, from)) {
        const line = Buffer.concat([...parts.splice(0), chunk.subarray(from, at)])
        yield { line, isEnded: true }
        octets = 0
        from = at + 1
      }
      parts.push(chunk.subarray(from))
      octets += chunk.length - from
      if (octets > lineOctetsMax) {
        const message = `line of a decision log is too long, want=..${lineOctetsMax} octets`
        throw new CountersignError('policy/replay', `${message} got=${quoted(file, 200)}`)
      }
    }
    yield { line: Buffer.concat(parts), isEnded: false }
  } catch (cause) {
    if (cause instanceof CountersignError) throw cause
    const shown = quoted(file, 200)
    throw new CountersignError('policy/replay', `log cannot be read, got=${shown}`, { cause })
  }
}
