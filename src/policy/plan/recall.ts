import type { Meter } from './meter.ts'
import type { Value } from './values.ts'

/** What a rule gave that depends on less than the whole question, with what that took. */
interface Kept {
  readonly value: Value | undefined
  /** Of its own, without those of what it called. */
  readonly steps: number
  /** Other kept rules that it asked. */
  readonly callees: readonly Kept[]
  /** The last evaluation that has paid for it. */
  paidBy: number
}

/** What a function gave for these arguments. */
interface Applied {
  readonly first: Value | undefined
  readonly second: Value | undefined
  readonly value: Value | undefined
  /** Of its own, and of the functions that it called. */
  readonly steps: number
  readonly callees: readonly Kept[]
}

/** What is kept of one caller who asks for one thing. */
interface OfCall {
  readonly rules: Kept[]
  readonly functions: Applied[][]
  /** Of the texts in what functions were asked and gave. */
  characters: number
}

/** What a caller asks for. */
type What = readonly [Value | undefined, Value | undefined]

type Make = (input: Value | undefined, data: Value | undefined) => Value | undefined
type MakeOf = (
  input: Value | undefined,
  data: Value | undefined,
  first: Value | undefined,
  second: Value | undefined,
) => Value | undefined

/** So many callers with what they ask for are kept, twice: what has not come for long is forgotten. */
const callsMax = 512

/** A function is most often asked about what is called and the conditions for that. */
const appliedMax = 8

/** A longer text is no condition but what a caller wrote, and so is not kept. */
const textCharactersMax = 256

/** Of all texts that are kept of what one caller asks for. */
const charactersOfCallMax = 1024

/**
 * Keeps what rules give beyond one evaluation. What is kept costs an evaluation the steps that it would take to make, a rule once and a
 * function each time: so whether there is fuel enough never depends on what was asked before.
 */
export class Recall {
  /** Whether something is kept of who asks for what. */
  knows = false
  readonly #meter: Meter
  readonly #always: Kept[] = []
  readonly #bySubject = new WeakMap<object, Kept[]>()
  #ofSubject: Kept[] = []
  #calls = new Calls()
  #ofCall: OfCall = nothing
  #evaluation = 0
  /** Steps of this evaluation that kept rules have paid for. */
  #paid = 0
  /** Callees of the rules and functions that are being made. */
  #open: Set<Kept>[] = []

  constructor(meter: Meter) {
    this.#meter = meter
  }

  /**
   * Begins an evaluation about a subject, and what that asks for in two values. What could still change is nothing that anything is
   * kept of.
   */
  begin(subject: Value | undefined, what: What): void {
    this.#evaluation += 1
    this.#paid = 0
    this.#open = []
    this.#ofSubject = []
    this.knows = false
    if (!isFixed(subject)) return
    const kept = this.#bySubject.get(subject)
    if (kept === undefined) this.#bySubject.set(subject, this.#ofSubject)
    else this.#ofSubject = kept
    const [first, second] = what
    if (!isFixed(first) || !isFixed(second)) return
    this.#ofCall = this.#calls.find(subject, first, second)
    this.knows = true
  }

  /** A rule that depends on nothing. */
  always(index: number, make: Make): Value | undefined {
    return this.#recall(this.#always, index, make, undefined, undefined)
  }

  /** A rule that depends on the subject and the data. */
  ofSubject(
    index: number,
    make: Make,
    input: Value | undefined,
    data: Value | undefined,
  ): Value | undefined {
    return this.#recall(this.#ofSubject, index, make, input, data)
  }

  /** A rule that depends on the subject, on what it asks for, and on the data. */
  ofCall(
    index: number,
    make: Make,
    input: Value | undefined,
    data: Value | undefined,
  ): Value | undefined {
    return this.#recall(this.#ofCall.rules, index, make, input, data)
  }

  /** A function that depends on its arguments, on the subject, on what it asks for, and on the data. */
  applied(
    index: number,
    make: MakeOf,
    input: Value | undefined,
    data: Value | undefined,
    first: Value | undefined,
    second?: Value,
  ): Value | undefined {
    const ofCall = this.#ofCall
    const known = (ofCall.functions[index] ??= [])
    for (const each of known) {
      if (each.first !== first || each.second !== second) continue
      this.#meter.spend(each.steps)
      for (const callee of each.callees) {
        if (callee.paidBy !== this.#evaluation) this.#pay(callee)
        this.#open.at(-1)?.add(callee)
      }
      return each.value
    }
    if (known.length === appliedMax || !isKnowable(first) || !isKnowable(second)) {
      return make(input, data, first, second)
    }
    const { value, steps, callees } = this.#measure(() => make(input, data, first, second))
    for (const callee of callees) this.#open.at(-1)?.add(callee)
    const characters = charactersOf(first) + charactersOf(second) + charactersOf(value)
    if (ofCall.characters + characters <= charactersOfCallMax) {
      ofCall.characters += characters
      known.push({ first, second, value, steps, callees })
    }
    return value
  }

  #recall(
    all: Kept[],
    index: number,
    make: Make,
    input: Value | undefined,
    data: Value | undefined,
  ): Value | undefined {
    let kept = all[index]
    if (kept === undefined) {
      kept = this.#make(() => make(input, data))
      all[index] = kept
    } else if (kept.paidBy !== this.#evaluation) this.#pay(kept)
    this.#open.at(-1)?.add(kept)
    return kept.value
  }

  #make(make: () => Value | undefined): Kept {
    const { value, steps, callees } = this.#measure(make)
    this.#paid += steps
    return { value, steps, callees, paidBy: this.#evaluation }
  }

  /** Gives the steps that are not those of kept rules. */
  #measure(make: () => Value | undefined): Omit<Kept, 'paidBy'> {
    const callees = new Set<Kept>()
    const [left, paid] = [this.#meter.left, this.#paid]
    this.#open.push(callees)
    const value = make()
    this.#open.pop()
    const steps = left - this.#meter.left - (this.#paid - paid)
    return { value, steps, callees: callees.size === 0 ? nobody : [...callees] }
  }

  #pay(kept: Kept): void {
    kept.paidBy = this.#evaluation
    this.#meter.spend(kept.steps)
    this.#paid += kept.steps
    for (const callee of kept.callees) if (callee.paidBy !== this.#evaluation) this.#pay(callee)
  }
}

/** Most rules ask no other: of each caller a set of nothing for each of them was most of what was kept. */
const nobody: readonly Kept[] = []

const nothing: OfCall = { rules: [], functions: [], characters: 0 }

/** A composite value that nobody can change; a text is the same as another one without being it. */
function isFixed(value: Value | undefined): value is Value & object {
  return typeof value === 'object' && value !== null && Object.isFrozen(value)
}

/** What is the same when it is found again. Of numbers two that are equal may be written otherwise. */
function isKnowable(value: Value | undefined): boolean {
  if (typeof value === 'object') return value === null || isFixed(value)
  return typeof value !== 'number' && charactersOf(value) <= textCharactersMax
}

function charactersOf(value: Value | undefined): number {
  return typeof value === 'string' ? value.length : 0
}

type Table = WeakMap<object, WeakMap<object, WeakMap<object, OfCall>>>

/** What is kept, by who asks and what for. */
class Calls {
  #recent: Table = new WeakMap()
  #before: Table = this.#recent
  #count = 0

  find(subject: object, first: object, second: object): OfCall {
    const known = this.#recent.get(subject)?.get(first)?.get(second)
    if (known !== undefined) return known
    const found = this.#before.get(subject)?.get(first)?.get(second)
    const kept = found ?? { rules: [], functions: [], characters: 0 }
    this.#count += 1
    if (this.#count > callsMax) {
      this.#before = this.#recent
      this.#recent = new WeakMap()
      this.#count = 1
    }
    const bySubject = within(this.#recent, subject)
    within(bySubject, first).set(second, kept)
    return kept
  }
}

function within<T extends object>(table: WeakMap<object, T>, key: object): T {
  const known = table.get(key)
  if (known !== undefined) return known
  const made = new WeakMap() as unknown as T
  table.set(key, made)
  return made
}
