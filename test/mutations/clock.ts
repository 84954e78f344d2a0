/** The defences of what rules may know of time. */
import type { Mutation } from './mutation.ts'

const claim = 'policy.time-of-record'
const decisions = ['test/policy/decision-time.test.ts']
const times = ['test/policy/plan/builtins/time.test.ts']
const builtins = 'src/policy/plan/builtins/time.ts'
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
]
