import type { Meter } from './meter.ts'
import type { Value } from './values.ts'

/** What a rule gave that depends on less than the whole question, with what that took. */
interface Kept {
  readonly value: Value | undefined
  /** Of its own, without those of what it called. */
  readonly steps: number
  /** Other kept rules that it asked. */
  readonly callees: ReadonlySet<Kept>
  /** The last evaluation that has paid for it. */
  paidBy: number
}

type Make = (input: Value | undefined, data: Value | undefined) => Value | undefined

/**
 * Keeps what rules give beyond one evaluation. What is kept costs an evaluation the steps that it would take to make, once: so whether
 * there is fuel enough never depends on what was asked before.
 */
export class Recall {
  readonly #meter: Meter
  readonly #always: Kept[] = []
  readonly #bySubject = new WeakMap<object, Kept[]>()
  #ofSubject: Kept[] = []
  #evaluation = 0
  /** Steps of this evaluation that kept rules have paid for. */
  #paid = 0
  /** Callees of the rules that are being made. */
  #open: Set<Kept>[] = []

  constructor(meter: Meter) {
    this.#meter = meter
  }

  /** Begins an evaluation. A subject that could still change is nobody that anything is kept of. */
  begin(subject: Value | undefined): void {
    this.#evaluation += 1
    this.#paid = 0
    this.#open = []
    this.#ofSubject = []
    if (typeof subject !== 'object' || subject === null || !Object.isFrozen(subject)) return
    const kept = this.#bySubject.get(subject)
    if (kept === undefined) this.#bySubject.set(subject, this.#ofSubject)
    else this.#ofSubject = kept
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
    const callees = new Set<Kept>()
    const [left, paid] = [this.#meter.left, this.#paid]
    this.#open.push(callees)
    const value = make()
    this.#open.pop()
    const steps = left - this.#meter.left - (this.#paid - paid)
    this.#paid += steps
    return { value, steps, callees, paidBy: this.#evaluation }
  }

  #pay(kept: Kept): void {
    kept.paidBy = this.#evaluation
    this.#meter.spend(kept.steps)
    this.#paid += kept.steps
    for (const callee of kept.callees) if (callee.paidBy !== this.#evaluation) this.#pay(callee)
  }
}
