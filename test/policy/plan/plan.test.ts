import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBuiltins } from '../../../src/policy/plan/builtins/builtins.ts'
import { compilePlan } from '../../../src/policy/plan/compile.ts'
import { parsePlan } from '../../../src/policy/plan/plan.ts'
import { requirement } from '../../requirements.ts'

const place = { file: 0, row: 1, col: 1, end_row: 1, end_col: 1 }

function statement(type: string, members: object): object {
  return { type, stmt: { ...members, ...place } }
}

const give = [statement('ReturnLocalStmt', { source: 2 })]

/** A plan with one entrypoint of these statements, and a rule of those. */
function planOf(entry: readonly object[], rule: readonly object[] = give): Record<string, unknown> {
  const func = { name: 'g0.r', params: [0, 1], return: 2, blocks: [{ stmts: rule }] }
  return {
    static: { strings: [{ value: 'result' }, { value: 'x' }], builtin_funcs: [], files: null },
    plans: { plans: [{ name: 'p', blocks: [{ stmts: entry }] }] },
    funcs: { funcs: [func] },
  }
}

function compile(plan: unknown): void {
  compilePlan(parsePlan(plan), { builtins: createBuiltins })
}

function local(value: number): object {
  return { type: 'local', value }
}

const call = (args: readonly object[], func = 'g0.r'): object =>
  statement('CallStmt', { func, args, result: 3 })

const unfit: Readonly<Record<string, readonly [unknown, RegExp]>> = {
  'no object': [[], /^unknown plan, got="\[\]"$/],
  'a part that nobody knows': [{ ...planOf([]), more: 1 }, /^unknown member of plan, got="more"$/],
  'a statement that nobody knows': [
    planOf([statement('NewStmt', {})]),
    /^unknown statement, got="NewStmt"$/,
  ],
  'a statement named like a member of every object': [
    planOf([statement('constructor', {})]),
    /^unknown statement/,
  ],
  'a member that the statement has not': [
    planOf([statement('NopStmt', { x: 1 })]),
    /^unknown member of NopStmt, got="x"$/,
  ],
  'a local that is no number': [
    planOf([statement('ResetLocalStmt', { target: '2' })]),
    /^unknown index, got="2"$/,
  ],
  'an operand that nobody knows': [
    planOf([statement('IsArrayStmt', { source: { type: 'code', value: 'x' } })]),
    /^unknown operand, got="code"$/,
  ],
  'an operand that is half a boolean': [
    planOf([statement('IsArrayStmt', { source: { type: 'bool', value: 1 } })]),
    /^unknown operand, got="bool"$/,
  ],
  'a string that is not in the table': [
    planOf([statement('SetAddStmt', { set: 2, value: { type: 'string_index', value: 9 } })]),
    /^string is not in the table$/,
  ],
  'a number that is no number': [
    planOf([statement('MakeNumberRefStmt', { Index: 1, target: 2 })]),
    /^number of an unknown form$/,
  ],
  'two indices of a number': [
    planOf([statement('MakeNumberRefStmt', { Index: 1, index: 0, target: 2 })]),
    /^unknown index of a number/,
  ],
  'a break out of the function': [
    planOf([statement('BreakStmt', { index: 5 })]),
    /^break leaves the function$/,
  ],
  'a break out of a loop': [
    planOf([
      statement('ScanStmt', {
        source: 2,
        key: 3,
        value: 4,
        block: { stmts: [statement('BreakStmt', { index: 1 })] },
      }),
    ]),
    /^break leaves a loop$/,
  ],
  'a call of what is not there': [planOf([call([], 'g0.other')]), /^function is not in the plan$/],
  'a rule that is asked about other documents': [
    planOf([call([local(2), local(1)])]),
    /^function is asked about other documents$/,
  ],
  'a statement that overwrites the input': [
    planOf([statement('MakeNullStmt', { target: 0 })]),
    /^statement overwrites input or data$/,
  ],
  'a with of a local': [
    planOf([statement('WithStmt', { local: 2, path: [], value: local(3), block: { stmts: [] } })]),
    /^with replaces neither input nor data$/,
  ],
  'blocks within blocks': [
    planOf([
      Array.from({ length: 600 }).reduce<object>(
        (inner) => statement('NotStmt', { block: { stmts: [inner] } }),
        statement('NopStmt', {}),
      ),
    ]),
    /^unknown depth of blocks/,
  ],
}

for (const [name, [plan, message]] of Object.entries(unfit)) {
  test(`a plan with ${name} is refused`, () => {
    requirement('policy.plan-is-no-text')
    assert.throws(() => compile(plan), { name: 'UnsupportedPlan', message })
  })
}

test('a plan with a builtin that is not provided is refused by its name', () => {
  requirement('policy.bundle-refused-whole')
  for (const name of ['http.send', 'rand.intn', 'constructor', '__proto__']) {
    const { static: tables } = planOf([]) as { static: object }
    const builtin_funcs = [{ name, decl: { result: { type: 'any' } } }]
    const plan = { ...planOf([]), static: { ...tables, builtin_funcs } }
    const message = `builtins that are not provided, got=${name}`
    assert.throws(() => compile(plan), { name: 'UnsupportedPlan', message })
  }
})

test('a plan of nothing but what is known is compiled', () => {
  compile(planOf([call([local(0), local(1)]), statement('NopStmt', {})]))
})
