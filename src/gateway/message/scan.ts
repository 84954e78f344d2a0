/** Where a value stands in the body: octets [start, end). */
export interface Span {
  readonly start: number
  readonly end: number
}

/** The members that a gateway splices or hashes; one that the body lacks is absent here too. */
export interface Offsets {
  readonly method?: Span
  readonly id?: Span
  readonly params?: Span
  /** `params.name` */
  readonly name?: Span
  /** `params.arguments` */
  readonly arguments?: Span
  /** `params._meta` */
  readonly meta?: Span
  /** `params.cursor` */
  readonly cursor?: Span
}

export type JsonObject = { readonly [member: string]: unknown }
