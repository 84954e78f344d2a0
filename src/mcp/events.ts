import { Gathered } from './gathered.ts'

/** Server-sent events, incrementally (HTML Living Standard §9.2.6): CR, LF or CRLF ends a line, an empty line ends an event. */
export interface EventParser {
  push(chunk: Buffer): void
  /**
   * The stream has ended: what has not ended of an event is none, and what comes next begins the rest of it. Gives from where that can be
   * asked for; undefined: from nowhere.
   */
  cut(): Position | undefined
}

/** A place in a stream of events, as far as it was read. */
export interface Position {
  /** Of the last event that has an id. */
  readonly lastEventId: string
  /** So long its server wants it to be waited before the rest is asked for. */
  readonly retryMilliseconds: number | undefined
}

const carriageReturn = 0x0d
const lineFeed = 0x0a
const colon = 0x3a
const space = 0x20
const newline = Buffer.from('\n')
const nothing = Buffer.alloc(0)
const byteOrderMark = Buffer.from('\ufeff')

/**
 * Calls `onEvent` for each block of lines that an empty line has ended: with its data, or with undefined for one that a client shows
 * nobody, such as a comment that keeps the stream alive or an event that is no message; and with its place, where it has an id. Works on octets, so that a chunk may end
 * inside a character. Memory is bounded by the caller's bound on the whole stream.
 */
export function createEventParser(
  onEvent: (data: Buffer | undefined, at: Position | undefined) => void,
): EventParser {
  let data: Gathered | undefined
  let type = ''
  let id: string | undefined
  let lastEventId: string | undefined
  let retryMilliseconds: number | undefined
  let lines = 0
  let hasId = false

  function position(): Position | undefined {
    return lastEventId === undefined ? undefined : { lastEventId, retryMilliseconds }
  }
  function takeLine(text: Buffer): void {
    lines += 1
    const end = text.indexOf(colon)
    const name = text.toString('latin1', 0, end === -1 ? text.length : end)
    const rest = end === -1 ? text.subarray(text.length) : text.subarray(end + 1)
    const value = rest[0] === space ? rest.subarray(1) : rest
    if (name === 'data') addData(value)
    else if (name === 'event') type = value.toString('utf8')
    else if (name === 'id') takeId(value)
    else if (name === 'retry') retryMilliseconds = retryOf(value) ?? retryMilliseconds
  }
  function takeId(value: Buffer): void {
    hasId = true
    id = idOf(value, id)
  }
  function addData(value: Buffer): void {
    if (data === undefined) data = new Gathered()
    else data.push(newline)
    data.push(value)
  }
  function begin(): void {
    data = undefined
    type = ''
    lines = 0
    hasId = false
  }
  function endBlock(): void {
    const whole = data?.whole() ?? nothing
    const isMessage = whole.length > 0 && (type === '' || type === 'message')
    const isEmpty = lines === 0
    lastEventId = id
    const at = hasId ? position() : undefined
    begin()
    if (!isEmpty) onEvent(isMessage ? whole : undefined, at)
  }
  const reader = createLineReader((text) => {
    if (text.length > 0) takeLine(text)
    else endBlock()
  })
  return {
    push: (chunk) => reader.push(chunk),
    cut() {
      begin()
      reader.cut()
      id = lastEventId
      return position()
    },
  }
}

/** Calls `onLine` for each line of a stream, without what ends it. */
function createLineReader(onLine: (text: Buffer) => void): {
  push(chunk: Buffer): void
  cut(): void
} {
  /** The line that has not ended yet. */
  const line = new Gathered()
  let first = true
  let afterReturn = false

  function endLine(last: Buffer): void {
    const whole = line.take(last)
    // Only the very first octets of a stream are a mark; anywhere else they are part of a name.
    const isMarked = first && whole.subarray(0, byteOrderMark.length).equals(byteOrderMark)
    first = false
    onLine(isMarked ? whole.subarray(byteOrderMark.length) : whole)
  }
  return {
    cut() {
      line.clear()
      first = true
      afterReturn = false
    },
    push(chunk) {
      if (chunk.length === 0) return
      // A line feed that follows the carriage return of the chunk before ends no second line.
      let start = afterReturn && chunk[0] === lineFeed ? 1 : 0
      afterReturn = chunk[chunk.length - 1] === carriageReturn
      for (let index = start; index < chunk.length; index += 1) {
        const octet = chunk[index]
        if (octet !== lineFeed && octet !== carriageReturn) continue
        const text = chunk.subarray(start, index)
        if (octet === carriageReturn && chunk[index + 1] === lineFeed) index += 1
        start = index + 1
        endLine(text)
      }
      if (start < chunk.length) line.push(chunk.subarray(start))
    },
  }
}

/** What is longer, or would be another header when it is brought back, is no place to go on from; one that is empty takes the last back. */
function idOf(value: Buffer, before: string | undefined): string | undefined {
  const text = value.toString('latin1')
  if (text.includes('\0')) return before
  return eventId.test(text) ? text : undefined
}

const eventId = /^[\x21-\x7e]([\x20-\x7e]{0,510}[\x21-\x7e])?$/

function retryOf(value: Buffer): number | undefined {
  const text = value.toString('latin1')
  return /^[0-9]{1,9}$/.test(text) ? Number(text) : undefined
}

/** An event of our own with this data: nothing else of what came is in it, so no reader of streams finds another event there. */
export function formatEvent(data: Buffer): Buffer {
  if (!data.includes(lineFeed)) return Buffer.concat([dataField, data, eventEnd])
  return Buffer.from(`data: ${data.toString('utf8').replaceAll('\n', '\ndata: ')}\n\n`)
}

/** The lines with which an event is a place to go on from, without what ends it. */
export function formatPlace(
  id: string,
  { retryMilliseconds: wait }: Pick<Position, 'retryMilliseconds'>,
): Buffer {
  return Buffer.from(`id: ${id}\n${wait === undefined ? '' : `retry: ${wait}\n`}`)
}

/** An event that says nothing, for the sake of the place before it. */
export const emptyEvent: Buffer = Buffer.from('data:\n\n')

const dataField = Buffer.from('data: ')
const eventEnd = Buffer.from('\n\n')

/** An empty comment: it keeps what lies between from taking the stream for dead. */
export const keepAlive: Buffer = Buffer.from(':\n\n')
