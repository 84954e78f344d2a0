/** An evaluation that ended early; nothing may be concluded from it. */
export class PolicyFault extends Error {
  override readonly name = 'PolicyFault'
  readonly kind: 'conflict' | 'fuel' | 'number'

  constructor(kind: PolicyFault['kind'], message: string) {
    super(message)
    this.kind = kind
  }
}

/**
 * The fuel of an evaluation. Who does work pays for it first: a turn of a loop, a call and a composite value that is looked at are one
 * step each, 32 characters of text that is made are another. The same question on the same data takes the same steps, always.
 */
export class Meter {
  left = 0

  spend(steps: number): void {
    this.left -= steps
    // Written so that no NaN passes for enough.
    if (!(this.left >= 0)) exhausted()
  }

  spendText(characters: number): void {
    this.spend(characters >>> 5)
  }
}

export function exhausted(): never {
  throw new PolicyFault('fuel', 'evaluation takes too many steps')
}

export function conflict(): never {
  throw new PolicyFault('conflict', 'rules give more than one value')
}
