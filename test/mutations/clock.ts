/** The defences of times, globs and tokens in rules. */
import type { Mutation } from './mutation.ts'

const claim = 'policy.time-of-record'
const decisions = ['test/policy/decision-time.test.ts']
const times = ['test/policy/plan/builtins/time.test.ts']
const builtins = 'src/policy/plan/builtins/time.ts'
const globs = ['test/policy/plan/builtins/glob.test.ts']
const glob = 'src/policy/plan/regex/glob.ts'
const linear = 'policy.patterns-linear'
const paid = 'policy.steps-bounded'

export const clockMutations: readonly Mutation[] = [
  {
    claim,
    without: 'the look at what asks for the time, before it is kept for longer than a decision',
    file: 'src/policy/plan/traits.ts',
    edits: [
      ["    if (statement.type === 'CallStmt' && statement.func === changing) return false\n", ''],
    ],
    tests: decisions,
    named: 'no decision before it',
  },
  {
    claim,
    without: 'the time of each decision anew',
    file: 'src/policy/plan/compile.ts',
    edits: [['          asked = input\n', '          asked ??= input\n']],
    tests: decisions,
    named: 'no decision before it',
  },
  {
    claim,
    without: 'the time of the record, in a replay',
    file: 'src/policy/author/ask-plan.ts',
    edits: [['      timeOf,\n', '      timeOf: () => Date.now(),\n']],
    tests: decisions,
    named: 'time of yesterday',
  },
  {
    claim,
    without: 'the time of the question, in the engine that enforces',
    file: 'src/policy/plan-engine.ts',
    edits: [['built, timeOf, ...kept', 'built, ...kept']],
    tests: decisions,
    named: 'no decision before it',
  },
  {
    claim,
    without: 'the time of the record, in an explanation',
    file: 'src/policy/author/explain.ts',
    edits: [['{ builtins, timeOf }', '{ builtins }']],
    tests: decisions,
    named: 'explained and measured',
  },
  {
    claim,
    without: 'the time of the record, in what would have been permitted',
    file: 'src/policy/author/nearest-permits.ts',
    edits: [['{ builtins: createBuiltins, timeOf }', '{ builtins: createBuiltins }']],
    tests: decisions,
    named: 'explained and measured',
  },
  {
    claim,
    without: 'the time of the record, where rules are measured',
    file: 'src/policy/author/rule-times.ts',
    edits: [['{ builtins, timeOf, ...kept }', '{ builtins, ...kept }']],
    tests: decisions,
    named: 'explained and measured',
  },
  {
    claim,
    without: 'the limit to zones whose clocks were never changed',
    file: builtins,
    edits: [['zone = zoneOf(name)', 'zone = zoneOf(name) ?? utc']],
    tests: times,
    named: 'not known for certain',
  },
  {
    claim: paid,
    without: 'the steps of a layout and of a text in it',
    file: builtins,
    edits: [['    spendTexts(layout, text)\n', '']],
    tests: times,
    named: 'paid for',
  },
  {
    claim: paid,
    without: 'the steps of a layout that a time is written in',
    file: builtins,
    edits: [['      spendTexts(layout)\n', '']],
    tests: times,
    named: 'paid for',
  },
  {
    claim: paid,
    without: 'the steps of a duration',
    file: builtins,
    edits: [['      spendTexts(text)\n', '']],
    tests: times,
    named: 'paid for',
  },
  {
    claim: paid,
    without: 'the steps of a long number that stands for a time',
    file: builtins,
    edits: [['    if (!Number.isSafeInteger(n)) meter.spend(stepsOf(n))\n', '']],
    tests: times,
    named: 'paid for',
  },
  {
    claim: paid,
    without: 'the steps of a long number of years, months or days',
    file: builtins,
    edits: [['  if (!Number.isSafeInteger(v)) meter.spend(stepsOf(v))\n', '']],
    tests: times,
    named: 'paid for',
  },
  {
    claim: linear,
    without: 'the steps of the letters and the delimiters of a glob',
    file: glob,
    edits: [['  spend(classSteps + delimiters.length + ((given.length - begin) >>> 3))\n', '']],
    tests: globs,
    named: 'paid for by its letters',
  },
  {
    claim: linear,
    without: 'the steps of a class in a glob',
    file: glob,
    edits: [['    this.#spend(classSteps + parts.length)\n', '']],
    tests: globs,
    named: 'paid for by its letters',
  },
  {
    claim: linear,
    without: 'the limit of alternatives in alternatives',
    file: glob,
    edits: [['    if (depth > depthMax) invalid()\n', '']],
    tests: globs,
    named: 'as deep as nobody means',
  },
  {
    claim: 'policy.plan-agrees',
    without: 'the end of a text, which a glob has to reach',
    file: glob,
    edits: [[", assertion('text-end')]", ']']],
    tests: globs,
    named: 'answer as opa does',
  },
  {
    claim: paid,
    without: 'the steps of a token',
    file: 'src/policy/plan/builtins/tokens.ts',
    edits: [['      meter.spendText(token.length * 4)\n', '']],
    tests: ['test/policy/plan/builtins/tokens.test.ts'],
    named: 'paid for by its length',
  },
]
