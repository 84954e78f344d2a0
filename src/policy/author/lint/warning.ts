/** What is wrong with an expression, though it compiles. */
export interface Finding {
  readonly code:
    | 'absent-argument'
    | 'broken-pattern'
    | 'every-of-none'
    | 'never-holds'
    | 'unknown-argument'
    | 'unknown-fact'
    | 'unknown-tool'
    | 'unknown-value'
  readonly row: number
  readonly message: string
  /** The form that fails closed. */
  readonly hint: string
}

export interface Warning extends Finding {
  readonly file: string
  /** Its name, or the JSON pointer to what a document of data has there. */
  readonly rule: string
}
