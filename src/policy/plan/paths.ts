import type { Block, Statement, StatementOf } from './plan.ts'
import { blocksOf, localsOf } from './traits.ts'

/** A reference to what is in the input or in the data, such as `input.context.arguments.path`. */
export interface Path {
  /** The local of the document. */
  readonly document: number
  /** Places in the table of strings. */
  readonly keys: readonly number[]
  /** Whether the reference ends here. */
  readonly isEnd: boolean
  /** The number of what is found, where it is looked for more than once. */
  readonly kept: number | undefined
}

/** By the statements that they are planned as: one for each key, of which only the last one gives what others read. */
export type Paths = ReadonlyMap<Statement, Path>

type Dot = StatementOf<'DotStmt'>

/**
 * Finds the references of a function. Bodies of a rule look at the same places again and again: what is there is the same as long as the
 * documents are, and only `with` gives others.
 */
export function pathsIn(blocks: readonly Block[], params: readonly number[]): Paths {
  const runs: (readonly Dot[])[] = []
  const uses = new Map<number, number>()
  let replaces = false
  const visit = (block: Block): void => {
    for (const statement of block.statements) {
      if (statement.type === 'WithStmt') replaces = true
      for (const local of localsOf(statement)) uses.set(local, (uses.get(local) ?? 0) + 1)
      for (const inner of blocksOf(statement)) visit(inner)
    }
    runs.push(...runsIn(block, params.slice(0, 2)))
  }
  for (const block of blocks) visit(block)
  const isStep = stepsIn(runs, uses)
  return named(
    runs.flatMap((run) => wholeOf(run, isStep)),
    replaces,
  )
}

/** Each key of a text, one statement after the other, from a document on. */
function runsIn({ statements }: Block, documents: readonly number[]): readonly (readonly Dot[])[] {
  const runs: Dot[][] = []
  let run: Dot[] = []
  for (const statement of statements) {
    const last = run.at(-1)
    const from = statement.type === 'DotStmt' ? sourceOf(statement) : undefined
    if (last !== undefined && from === last.target) run.push(statement as Dot)
    else if (from !== undefined && documents.includes(from)) {
      run = [statement as Dot]
      runs.push(run)
    } else run = []
  }
  return runs
}

/** The local that it begins at; undefined where its key is none of the table. */
function sourceOf({ source, key }: Dot): number | undefined {
  return source.type === 'local' && key.type === 'string_index' ? source.value : undefined
}

interface Whole {
  readonly statements: readonly Dot[]
  readonly document: number
  readonly keys: readonly number[]
}

/** Whether a local is nothing but a step: wherever it is written the next key is looked for in it, and it is read nowhere else. */
function stepsIn(
  runs: readonly (readonly Dot[])[],
  uses: ReadonlyMap<number, number>,
): (local: number) => boolean {
  const steps = new Map<number, number>()
  for (const run of runs) {
    for (const { target } of run.slice(0, -1)) steps.set(target, (steps.get(target) ?? 0) + 1)
  }
  return (local) => uses.get(local) === 2 * (steps.get(local) ?? 0)
}

/** Up to the first one that others read, too. */
function wholeOf(run: readonly Dot[], isStep: (local: number) => boolean): readonly Whole[] {
  const end = run.findIndex(({ target }) => !isStep(target))
  const statements = end < 0 ? run : run.slice(0, end + 1)
  const [first] = statements
  if (first === undefined || first.source.type !== 'local') return []
  const keys = statements.map(({ key }) => key.value as number)
  return [{ statements, document: first.source.value, keys }]
}

function named(wholes: readonly Whole[], replaces: boolean): Paths {
  const nameOf = ({ document, keys }: Whole): string => [document, ...keys].join()
  const alike = Map.groupBy(wholes, nameOf)
  const kept = new Map(
    [...alike].flatMap(([name, { length }], id) => (length > 1 && !replaces ? [[name, id]] : [])),
  )
  return new Map(
    wholes.flatMap((whole) =>
      whole.statements.map((statement, at): [Statement, Path] => [
        statement,
        {
          document: whole.document,
          keys: whole.keys,
          isEnd: at === whole.statements.length - 1,
          kept: kept.get(nameOf(whole)),
        },
      ]),
    ),
  )
}
