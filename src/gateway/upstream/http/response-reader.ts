import { parseResponseHead, type ResponseHead } from './response-head.ts'

/** Who is told what has been read of one answer. Each may stop the reader; nothing is told after that. */
export interface Reading {
  head(head: ResponseHead): void
  /** What one read has brought of the body, never empty. */
  data(octets: Buffer): void
  /** The answer is whole. `surplus`: there were octets after it, which are nobody's. */
  end(surplus: boolean): void
}

/** Other readers differ on more than this, and a server that means well sends less. */
const headOctetsMax = 16 * 1024
const interimHeadsMax = 8
const chunkDigitsMax = 8

const carriageReturn = 0x0d
const lineFeed = 0x0a
const headEnd = Buffer.from('\r\n\r\n')
const statusBegin = Buffer.from('HTTP/1.1 ')
const nothing = Buffer.alloc(0)

const At = {
  head: 0,
  fixed: 1,
  untilClose: 2,
  size: 3,
  sizeEnd: 4,
  chunk: 5,
  chunkReturn: 6,
  chunkEnd: 7,
  lastReturn: 8,
  lastEnd: 9,
  over: 10,
} as const

/**
 * Reads one answer, in whatever pieces it comes. It takes less than HTTP allows: no chunk extensions, no trailers, one coding, one
 * length. Whatever else comes is wrong, never a guess (RFC 9112 §11.2), and the connection is of no more use.
 */
export class ResponseReader {
  readonly #reading: Reading
  #at: number = At.head
  /** Octets of the body, or of its chunk, that have still to come. */
  #left = 0
  #digits = 0
  #interim = 0
  #head: Buffer = nothing

  constructor(reading: Reading) {
    this.#reading = reading
  }

  /** Takes the buffer over: it may be changed. Gives what is wrong. */
  push(octets: Buffer): string | undefined {
    if (this.#at !== At.head) return this.#body(octets, 0)
    const seen = this.#head.length
    const whole = seen === 0 ? octets : Buffer.concat([this.#head, octets])
    this.#head = nothing
    return this.#heads(whole, seen)
  }

  /** The connection has ended in order: true if that ends the answer. */
  close(): boolean {
    if (this.#at !== At.untilClose) return false
    this.#end(false)
    return true
  }

  /** Nobody reads on. */
  stop(): void {
    this.#at = At.over
    this.#head = nothing
  }

  /** `seen`: so many of the octets have been looked at, and hold no end of a head. */
  #heads(octets: Buffer, seen: number): string | undefined {
    let from = 0
    for (;;) {
      const end = octets.indexOf(headEnd, Math.max(from, seen - headEnd.length))
      const length = (end < 0 ? octets.length : end) - from
      if (length > headOctetsMax) return `head is too large, want=..${headOctetsMax} octets`
      if (end < 0) {
        this.#head = octets.subarray(from)
        return wrongBegin(this.#head, seen)
      }
      const head = parseResponseHead(octets.toString('latin1', from, end))
      if (typeof head === 'string') return head
      from = end + headEnd.length
      if (head.status >= 200) return this.#begin(head, octets, from)
      // RFC 9110 §15.2: to be read over; nobody has asked to speak another protocol.
      if (head.status === 101) return 'answer has status 101'
      this.#interim += 1
      if (this.#interim > interimHeadsMax)
        return `too many interim answers, want=..${interimHeadsMax}`
    }
  }

  #begin(head: ResponseHead, octets: Buffer, from: number): string | undefined {
    const { framing } = head
    if (framing === 'chunked') this.#at = At.size
    else if (framing === 'until close') this.#at = At.untilClose
    else {
      this.#at = At.fixed
      this.#left = framing
    }
    this.#reading.head(head)
    if (framing === 0 && this.#at === At.fixed) {
      this.#end(from < octets.length)
      return undefined
    }
    return from < octets.length ? this.#body(octets, from) : undefined
  }

  #body(octets: Buffer, from: number): string | undefined {
    switch (this.#at) {
      case At.over:
        return undefined
      case At.untilClose:
        this.#reading.data(from === 0 ? octets : octets.subarray(from))
        return undefined
      case At.fixed:
        return this.#fixed(octets, from)
      default:
        return this.#chunked(octets, from)
    }
  }

  #fixed(octets: Buffer, from: number): undefined {
    const end = Math.min(octets.length, from + this.#left)
    this.#left -= end - from
    this.#reading.data(octets.subarray(from, end))
    if (this.#left === 0 && this.#at === At.fixed) this.#end(end < octets.length)
    return undefined
  }

  /**
   * Chunks are moved together in place: however many a read holds, it gives one piece, so that a body of chunks of one octet costs no
   * more memory than another.
   */
  #chunked(octets: Buffer, from: number): string | undefined {
    let begin = 0
    let end = 0
    let at = from
    while (at < octets.length && this.#at !== At.over) {
      if (this.#at !== At.chunk) {
        const wrong = this.#frame(octets[at] ?? 0)
        if (wrong !== undefined) return wrong
        at += 1
        continue
      }
      const next = Math.min(octets.length, at + this.#left)
      this.#left -= next - at
      if (end === 0) begin = at
      else octets.copyWithin(end, at, next)
      end = (end === 0 ? at : end) + next - at
      at = next
      if (this.#left === 0) this.#at = At.chunkReturn
    }
    const isWhole = this.#at === At.over
    if (end > begin) {
      // Not over before its last octets are told.
      this.#at = isWhole ? At.lastEnd : this.#at
      this.#reading.data(octets.subarray(begin, end))
      if (isWhole && this.#at !== At.lastEnd) return undefined
    }
    if (isWhole) this.#end(at < octets.length)
    return undefined
  }

  /** One octet between the chunks. */
  #frame(octet: number): string | undefined {
    switch (this.#at) {
      case At.size:
        return this.#size(octet)
      case At.sizeEnd:
        if (octet !== lineFeed) return 'chunk has no size'
        this.#at = this.#left === 0 ? At.lastReturn : At.chunk
        this.#digits = 0
        return undefined
      case At.chunkReturn:
        if (octet !== carriageReturn) return 'chunk has no end'
        this.#at = At.chunkEnd
        return undefined
      case At.chunkEnd:
        if (octet !== lineFeed) return 'chunk has no end'
        this.#at = At.size
        return undefined
      case At.lastReturn:
        if (octet !== carriageReturn) return 'answer has trailers'
        this.#at = At.lastEnd
        return undefined
      default:
        if (octet !== lineFeed) return 'answer has trailers'
        this.#at = At.over
        return undefined
    }
  }

  #size(octet: number): string | undefined {
    if (octet === carriageReturn && this.#digits > 0) {
      this.#at = At.sizeEnd
      return undefined
    }
    const digit = hexDigitOf(octet)
    this.#digits += 1
    if (digit < 0 || this.#digits > chunkDigitsMax) return 'chunk has no size'
    this.#left = this.#left * 16 + digit
    return undefined
  }

  #end(surplus: boolean): void {
    this.#at = At.over
    this.#reading.end(surplus)
  }
}

function hexDigitOf(octet: number): number {
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30
  const letter = octet | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}

/** What cannot become a head any more: it is not waited for. */
function wrongBegin(octets: Buffer, seen: number): string | undefined {
  const length = Math.min(octets.length, statusBegin.length)
  if (octets.compare(statusBegin, 0, length, 0, length) !== 0) {
    return 'answer has no status line of HTTP/1.1'
  }
  return /[^\r]\n|\r[^\n]/.test(octets.toString('latin1', Math.max(0, seen - 1)))
    ? 'answer has a line that ends otherwise than in CR LF'
    : undefined
}
