import type { Block, Func, Statement } from '../plan/plan.ts'
import { localsOf } from './test-cases.ts'

/** A local that nothing in a function uses. */
export function freeLocal({ params, blocks }: Func): number {
  // One after the other: as arguments of one call they overflow the stack where data stands in rules.
  const locals = [...params, ...blocks.flatMap(allLocals)]
  return locals.reduce((most, local) => Math.max(most, local), 0) + 1
}

function allLocals({ statements }: Block): readonly number[] {
  return statements.flatMap(localsOf)
}

/** Calls a builtin that is none of OPA's with a number, and changes nothing: not even the fuel. */
export function probe(builtin: string, value: number, local: number): readonly Statement[] {
  return [
    { type: 'MakeNumberIntStmt', value, target: local },
    {
      type: 'CallStmt',
      func: builtin,
      args: [{ type: 'local', value: local }],
      result: local,
    },
  ]
}

/** A block with statements before its own, and before those of the blocks within. */
export function withBefore(
  { statements }: Block,
  before: (statement: Statement, at: number, all: readonly Statement[]) => readonly Statement[],
): Block {
  const within = (block: Block): Block => withBefore(block, before)
  return {
    statements: statements.flatMap((statement, at, all) => {
      const more = before(statement, at, all)
      if ('blocks' in statement) {
        return [...more, { ...statement, blocks: statement.blocks.map(within) }]
      }
      return 'block' in statement
        ? [...more, { ...statement, block: within(statement.block) }]
        : [...more, statement]
    }),
  }
}

/** Where a rule gets its value from, or a part of it. */
export interface RuleHeads {
  /** The statements that give a rule its value when a body has held. */
  readonly isHead: (statement: Statement) => boolean
  /** No body has held, and this statement gives the value that the rule has then. */
  readonly isDefault: (statement: Statement) => boolean
}

export function headsOf({ blocks }: Func): RuleHeads {
  const own = new Set(blocks.flatMap(localsReset))
  const [first] = blocks[0]?.statements ?? []
  const root = first !== undefined && 'target' in first ? first.target : undefined
  return {
    isDefault: (statement) => statement.type === 'AssignVarOnceStmt' && !own.has(statement.target),
    isHead(statement) {
      if (statement.type === 'AssignVarOnceStmt') {
        const { target, source } = statement
        // What a body has given goes on from there; a default is given as it is.
        return own.has(target) || !(source.type === 'local' && own.has(source.value))
      }
      if (statement.type === 'SetAddStmt') return statement.set === root
      if (statement.type !== 'ObjectInsertOnceStmt') return false
      return statement.object === root || statement.place?.row === first?.place?.row
    },
  }
}

/** Each body of a rule gives its value to a local that is empty before. */
function localsReset({ statements }: Block): readonly number[] {
  return statements.flatMap((statement) => {
    if (statement.type === 'ResetLocalStmt') return [statement.target]
    if ('blocks' in statement) return statement.blocks.flatMap(localsReset)
    return 'block' in statement ? localsReset(statement.block) : []
  })
}
