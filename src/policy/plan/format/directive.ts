/** What stands between `%` and its verb. */
export interface Flags {
  sharp: boolean
  zero: boolean
  plus: boolean
  minus: boolean
  space: boolean
  /** `%#v` and `%+v`, which are other things than the flags of other verbs. */
  sharpV: boolean
  plusV: boolean
  width: number | undefined
  precision: number | undefined
}

export function noFlags(): Flags {
  return {
    sharp: false,
    zero: false,
    plus: false,
    minus: false,
    space: false,
    sharpV: false,
    plusV: false,
    width: undefined,
    precision: undefined,
  }
}

/** A value as OPA hands it to Go's fmt. */
export type Argument =
  | { readonly type: 'int64' | '*big.Int'; readonly value: bigint }
  | { readonly type: 'float64'; readonly value: number }
  | { readonly type: 'string'; readonly value: string }

/** Go reads no larger width, precision or number of an argument. */
const largest = 1_000_000

/** Reads one directive after another, and which argument each is about (Go's package fmt). */
export class Directives {
  readonly #format: string
  readonly #args: readonly Argument[]
  #at = 0
  #argument = 0
  /** Just behind an index. */
  #isIndexed = false
  #isGood = true
  #isReordered = false

  constructor(format: string, args: readonly Argument[]) {
    this.#format = format
    this.#args = args
  }

  /** The text up to the next `%`, which is read too; undefined at the end. */
  text(): string | undefined {
    if (this.#at >= this.#format.length) return undefined
    const percent = this.#format.indexOf('%', this.#at)
    const end = percent < 0 ? this.#format.length : percent
    const text = this.#format.slice(this.#at, end)
    this.#at = end
    return text
  }

  /** What is wrong with it so far comes before what its verb gives. */
  next(): Directive | undefined {
    if (this.#format[this.#at] !== '%') return undefined
    this.#at += 1
    this.#isGood = true
    const flags = noFlags()
    this.#readFlags(flags)
    const letter = this.#format[this.#at] ?? ''
    // The common case, in which nothing is looked at but the letter.
    if (/^[a-z]$/.test(letter) && this.#argument < this.#args.length) return this.#verb(flags, '')
    this.#readIndex()
    const faults = this.#readWidth(flags) + this.#readPrecision(flags)
    if (!this.#isIndexed) this.#readIndex()
    return this.#verb(flags, faults)
  }

  /** Those that nobody asked for; where arguments were asked for by index, nobody counts. */
  rest(): readonly Argument[] {
    return this.#isReordered ? [] : this.#args.slice(this.#argument)
  }

  #readFlags(flags: Flags): void {
    for (; ; this.#at += 1) {
      const letter = this.#format[this.#at]
      if (letter === '#') flags.sharp = true
      else if (letter === '0') flags.zero = true
      else if (letter === '+') flags.plus = true
      else if (letter === '-') flags.minus = true
      else if (letter === ' ') flags.space = true
      else return
    }
  }

  #verb(flags: Flags, faults: string): Directive {
    const code = this.#format.codePointAt(this.#at)
    if (code === undefined) return { flags, verb: '', faults: `${faults}%!(NOVERB)` }
    const verb = String.fromCodePoint(code)
    this.#at += verb.length
    if (verb === '%') return { flags, verb: '', faults: `${faults}%` }
    if (!this.#isGood) return { flags, verb: '', faults: `${faults}%!${verb}(BADINDEX)` }
    const argument = this.#args[this.#argument]
    if (argument === undefined) return { flags, verb: '', faults: `${faults}%!${verb}(MISSING)` }
    this.#argument += 1
    if (verb === 'v' || verb === 'w') {
      flags.sharpV = flags.sharp
      flags.sharp = false
      flags.plusV = flags.plus
      flags.plus = false
    }
    return { flags, verb, faults, argument }
  }

  #readWidth(flags: Flags): string {
    if (this.#format[this.#at] !== '*') {
      flags.width = this.#readNumber()
      if (this.#isIndexed && flags.width !== undefined) this.#isGood = false
      return ''
    }
    this.#at += 1
    const width = this.#numberOfArgument()
    this.#isIndexed = false
    if (width === undefined) return '%!(BADWIDTH)'
    flags.width = Math.abs(width)
    if (width < 0) {
      flags.minus = true
      flags.zero = false
    }
    return ''
  }

  #readPrecision(flags: Flags): string {
    // A point at the very end is a verb.
    if (this.#format[this.#at] !== '.' || this.#at + 1 >= this.#format.length) return ''
    this.#at += 1
    if (this.#isIndexed) this.#isGood = false
    this.#readIndex()
    if (this.#format[this.#at] !== '*') {
      flags.precision = this.#readNumber() ?? 0
      return ''
    }
    this.#at += 1
    const precision = this.#numberOfArgument()
    this.#isIndexed = false
    if (precision === undefined || precision < 0) return '%!(BADPREC)'
    flags.precision = precision
    return ''
  }

  /** `[3]`: the third argument is the next. */
  #readIndex(): void {
    this.#isIndexed = false
    if (this.#format[this.#at] !== '[') return
    this.#isReordered = true
    const start = this.#at
    const close = this.#format.indexOf(']', start)
    if (close < 0 || this.#format.length - start < 3) {
      this.#at = start + 1
      this.#isGood = false
      return
    }
    this.#at = start + 1
    const number = this.#readNumber(close)
    const isWhole = number !== undefined && this.#at === close
    this.#at = close + 1
    this.#isIndexed = isWhole
    if (isWhole && number >= 1 && number <= this.#args.length) this.#argument = number - 1
    else this.#isGood = false
  }

  /** One that is too large takes all that is left with it. */
  #readNumber(end = this.#format.length): number | undefined {
    let number: number | undefined
    for (; this.#at < end; this.#at += 1) {
      const letter = this.#format[this.#at] ?? ''
      if (letter < '0' || letter > '9') return number
      if ((number ?? 0) > largest) {
        this.#at = end
        return undefined
      }
      number = (number ?? 0) * 10 + Number(letter)
    }
    return number
  }

  #numberOfArgument(): number | undefined {
    const argument = this.#args[this.#argument]
    if (argument === undefined) return undefined
    this.#argument += 1
    if (argument.type !== 'int64') return undefined
    const number = Number(argument.value)
    return Math.abs(number) > largest ? undefined : number
  }
}

export interface Directive {
  readonly flags: Flags
  /** What comes before what the verb gives; all that there is where no argument is said. */
  readonly faults: string
  readonly verb: string
  readonly argument?: Argument
}
