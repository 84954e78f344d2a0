/** What is wrong with an expression, though it compiles. */
export interface Finding {
  readonly code: 'absent-argument' | 'every-of-none' | 'never-holds' | 'unknown-value'
  readonly row: number
  readonly message: string
  /** The form that fails closed. */
  readonly hint: string
}

export interface Warning extends Finding {
  readonly file: string
  readonly rule: string
}
