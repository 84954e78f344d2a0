/** A file of Rego as `opa parse --format json --json-include locations` gives it: what is read of it. */
export interface RegoModule {
  readonly package: { readonly path: readonly Term[] }
  readonly rules?: readonly RegoRule[]
  readonly annotations?: readonly Annotations[]
}

export interface RegoRule {
  readonly head: { readonly ref: readonly Term[]; readonly key?: Term; readonly value?: Term }
  readonly body: readonly Expression[]
  readonly else?: RegoRule
  readonly annotations?: readonly Annotations[]
}

export interface Annotations {
  readonly scope: string
  readonly schemas?: readonly {
    readonly path: readonly Term[]
    readonly schema?: readonly Term[]
  }[]
}

export interface Term {
  readonly type: string
  readonly value: unknown
}

interface Every {
  readonly domain: Term
  readonly body: readonly Expression[]
}

export interface Expression {
  readonly location: { readonly row: number }
  readonly negated?: boolean
  /** A call, its operator first, or a term alone, `some … in …` or `every`. */
  readonly terms: readonly Term[] | Term | Every | { readonly symbols: readonly Term[] }
}

/** The terms of an expression, and what they are joined by. */
export interface Call {
  readonly operator: string
  readonly operands: readonly Term[]
}

export function callOf({ terms }: Expression): Call | undefined {
  if (!Array.isArray(terms)) return undefined
  const [operator, ...operands] = terms as readonly Term[]
  return operator === undefined ? undefined : { operator: textOfRef(operator), operands }
}

export function everyOf({ terms }: Expression): Every | undefined {
  return 'domain' in terms ? terms : undefined
}

/** `a.b.c` of a reference whose parts are all constant, `a.b` of one that goes on with others. */
function textOfRef(term: Term): string {
  return constantPath(term).join('.')
}

/** The constant parts with which a reference begins; of anything else none. */
export function constantPath(term: Term): readonly string[] {
  if (term.type === 'var') return [String(term.value)]
  if (term.type !== 'ref') return []
  const parts = term.value as readonly Term[]
  const end = parts.findIndex(({ type }, at) => at > 0 && type !== 'string')
  return parts.slice(0, end === -1 ? parts.length : end).map(({ value }) => String(value))
}

/** Every term in a value, itself among them: those of comprehensions and calls, too. */
export function* termsIn(value: unknown): Generator<Term> {
  if (Array.isArray(value)) {
    for (const member of value as readonly unknown[]) yield* termsIn(member)
  } else if (typeof value === 'object' && value !== null) {
    if (isTerm(value)) yield value
    for (const [name, member] of Object.entries(value)) {
      if (name !== 'location') yield* termsIn(member)
    }
  }
}

function isTerm(value: object): value is Term {
  return 'type' in value && 'value' in value && typeof value.type === 'string'
}

/** The rule and what its `else` adds. */
export function* bodiesOf(rule: RegoRule): Generator<RegoRule> {
  for (let each: RegoRule | undefined = rule; each !== undefined; each = each.else) yield each
}

/** The name under which a package has a rule. */
export function nameOf(rule: RegoRule): string {
  return String(rule.head.ref[0]?.value)
}
