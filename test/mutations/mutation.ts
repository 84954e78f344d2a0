/** One defence, and how it is taken away. */
export interface Mutation {
  /** The claim of `test/requirements.ts` that stands on it. */
  readonly claim: string
  /** What is taken away, so that "without …" is a sentence. */
  readonly without: string
  readonly file: string
  /** Texts that stand in the file exactly once, with what is put in their place. */
  readonly edits: readonly (readonly [from: string, to: string])[]
  /** The tests to run; those that cite the claim unless told. */
  readonly tests?: readonly string[]
  /** Of these, the ones with this in their title alone. */
  readonly named?: string
}

/** A defence that is a condition: it never holds. */
export function never(condition: string): Mutation['edits'] {
  return [[condition, `false && (${condition})`]]
}
