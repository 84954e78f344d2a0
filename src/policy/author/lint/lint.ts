import { demandedArguments, lintAbsence } from './absent.ts'
import { constraintsOf, contradictionIn } from './constraints.ts'
import type { Constraint } from './constraints.ts'
import { directionsOf, idOf, pathOf, usesIn } from './directions.ts'
import { lintFacts } from './facts.ts'
import { valuesAt } from './known-values.ts'
import { lintPatterns } from './patterns.ts'
import { bodiesOf, nameOf } from './rego-module.ts'
import type { RegoModule, RegoRule } from './rego-module.ts'
import type { Finding, Warning } from './warning.ts'

export interface LintedFile {
  readonly file: string
  readonly module: RegoModule
}

/** A schema by the name that METADATA gives it: of `schema.mcp.decision`, `mcp/decision`. */
export type SchemaNamed = (name: string) => unknown

/**
 * Rules that compile and do not do what they say: those by which a call passes because an argument is absent, and those that never hold. It
 * looks at names and constants, and runs nothing: what it does not tell may be wrong all the same.
 */
export function lintPolicy(
  files: readonly LintedFile[],
  schemaNamed: SchemaNamed,
  /** The names that `data.history` of the sources declares. */
  facts: ReadonlySet<string> = new Set(),
): readonly Warning[] {
  const directions = directionsOf(files.map(({ module }) => module))
  const bodies = files.flatMap(({ file, module }) =>
    (module.rules ?? []).flatMap((head) =>
      [...bodiesOf(head)].map((rule) => ({
        file,
        rule,
        name: nameOf(head),
        id: idOf(module, head),
        uses: new Set(usesIn(rule, pathOf(module)).map(({ id }) => id)),
        directions: directions.get(idOf(module, head)) ?? new Set(),
        schemas: schemasOf(module, head),
      })),
    ),
  )
  const scoped = bodies.map((body) => ({ ...body, tools: toolsOf(body, bodies) }))
  const demanded = demandedArguments(scoped)
  return scoped.flatMap(({ file, name, schemas, ...body }) =>
    [
      ...lintAbsence(body, demanded),
      ...lintPatterns(body.rule.body),
      // Where the sources declare none, a document of the operator's may.
      ...(facts.size === 0 ? [] : lintFacts(body.rule, facts)),
      ...lintValues(body.rule, schemas, schemaNamed),
    ].map((finding) => ({ ...finding, file, rule: name })),
  )
}

/** Which schema METADATA gives to which place of the input. */
interface Typed {
  readonly path: readonly string[]
  readonly schema: string
}

function schemasOf(module: RegoModule, rule: RegoRule): readonly Typed[] {
  const ofAll = (module.annotations ?? []).filter(
    ({ scope }) => scope !== 'rule' && scope !== 'document',
  )
  const ofDocument = (module.rules ?? [])
    .filter((other) => nameOf(other) === nameOf(rule))
    .flatMap(({ annotations = [] }) => annotations.filter(({ scope }) => scope === 'document'))
  return [...ofAll, ...ofDocument, ...(rule.annotations ?? [])].flatMap(({ schemas = [] }) =>
    schemas.flatMap(({ path, schema }) =>
      schema === undefined ? [] : [{ path: names(path), schema: names(schema).slice(1).join('/') }],
    ),
  )
}

function names(terms: readonly { readonly value: unknown }[]): readonly string[] {
  return terms.map(({ value }) => String(value))
}

/** What a body demands that no input has. */
function lintValues(
  rule: RegoRule,
  schemas: readonly Typed[],
  schemaNamed: SchemaNamed,
): readonly Finding[] {
  const constraints = constraintsOf(rule.body)
  const typed = [...schemas, ...toolOf(constraints)]
  const unknown = constraints.flatMap((constraint) => unknownValues(constraint, typed, schemaNamed))
  const places = Map.groupBy(constraints, ({ place }) => place)
  const contradicting = [...places].flatMap(([place, each]) => {
    const why = contradictionIn(each)
    const last = each.at(-1)
    return why === undefined || last === undefined ? [] : [neverHolds(place, why, last.row)]
  })
  return [...unknown, ...contradicting]
}

interface UsingBody {
  readonly rule: RegoRule
  readonly id: string
  /** The rules that it asks for. */
  readonly uses: ReadonlySet<string>
}

/** The tools that a body is about: as it says itself, or else as all do that ask for its rule. Undefined where it may be any. */
function toolsOf(body: UsingBody, bodies: readonly UsingBody[]): ReadonlySet<string> | undefined {
  const own = toolNames(body.rule)
  if (own !== undefined) return own
  const asking = bodies.filter(({ id, uses }) => id !== body.id && uses.has(body.id))
  const theirs = asking.map(({ rule }) => toolNames(rule))
  if (theirs.length === 0 || theirs.includes(undefined)) return undefined
  return new Set(theirs.flatMap((names) => [...(names ?? [])]))
}

function toolNames({ body }: RegoRule): ReadonlySet<string> | undefined {
  const found = constraintsOf(body).find(
    ({ place, demand, isNegated }) =>
      place === 'input.resource.id' && demand.kind === 'among' && !isNegated,
  )
  return found?.demand.kind === 'among' ? new Set(found.demand.values.map(String)) : undefined
}

/** A body that is about one tool by its name and its server’s has the types of its arguments, also without METADATA. */
function toolOf(constraints: readonly Constraint[]): readonly Typed[] {
  const only = (place: string): unknown => {
    const found = constraints.find((each) => each.place === place && !each.isNegated)
    const demand = found?.demand
    return demand?.kind === 'among' && demand.values.length === 1 ? demand.values[0] : undefined
  }
  const server = only('input.resource.properties.server')
  const tool = only('input.resource.id')
  if (typeof server !== 'string' || typeof tool !== 'string') return []
  return [{ path: ['input', 'context', 'arguments'], schema: `tools/${server}/${tool}` }]
}

function unknownValues(
  { place, path, row, demand }: Constraint,
  schemas: readonly Typed[],
  schemaNamed: SchemaNamed,
): readonly Finding[] {
  const said =
    demand.kind === 'among' ? demand.values : demand.kind === 'not' ? [demand.value] : undefined
  if (said === undefined) return []
  return schemas.flatMap((typed) => {
    const isWithin = typed.path.every((name, at) => path[at] === name)
    const values = isWithin
      ? valuesAt(schemaNamed(typed.schema), path.slice(typed.path.length))
      : undefined
    if (values === undefined) return []
    const never = said.filter((value) => !values.includes(value))
    return never.map((value) => unknownValue(place, value, values, row))
  })
}

/** As many values as one row shows. */
const shownMax = 10

function unknownValue(
  place: string,
  value: unknown,
  values: readonly unknown[],
  row: number,
): Finding {
  const shown = values.slice(0, shownMax).map((each) => JSON.stringify(each))
  const more = values.length > shownMax ? ' and others' : ''
  return {
    code: 'unknown-value',
    row,
    message: `${place} is never ${JSON.stringify(value)}: its schema lists other values`,
    hint: `it is one of ${shown.join(' ')}${more}`,
  }
}

function neverHolds(place: string, why: string, row: number): Finding {
  return {
    code: 'never-holds',
    row,
    message: `never holds: of what is demanded of ${place}, ${why}`,
    hint: 'expressions of one body hold together: write rules of one name for what holds by turns',
  }
}
