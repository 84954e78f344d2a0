/** The defences of a search for a pattern, and what authors are warned of. */
import type { Mutation } from './mutation.ts'

const pattern = 'src/policy/plan/regex/pattern.ts'
const letterClass = 'src/policy/plan/regex/letter-class.ts'
const tests = ['test/policy/plan/regex/pattern.test.ts']
const claim = 'policy.patterns-linear'
const wordTests = ['test/policy/plan/builtins.words.test.ts']

const absent = 'src/policy/author/lint/absent.ts'
const lintTests = ['test/policy/author/lint/lint.test.ts']
const told = 'policy.absence-is-told'

export const patternMutations: readonly Mutation[] = [
  {
    claim: told,
    without: 'the look at what denies and is left out',
    file: absent,
    edits: [["directions.has('denies') && isLeftOut", "directions.has('unused') && isLeftOut"]],
    tests: lintTests,
  },
  {
    claim: told,
    without: 'the look at a negation in what permits',
    file: absent,
    edits: [['if (expression.negated === true) found.push', 'if (row < 0) found.push']],
    tests: lintTests,
  },
  {
    claim: told,
    without: 'the turn that a negation gives to what a rule asks for',
    file: 'src/policy/author/lint/directions.ts',
    edits: [['use.isNegated ? opposite(direction) : direction', 'direction']],
    tests: lintTests,
  },
  {
    claim,
    without: 'the steps of a search',
    file: 'src/policy/plan/regex/search.ts',
    edits: [['      walk.pay()\n', '']],
    tests,
    named: 'no fuel left',
  },
  {
    claim,
    without: 'the steps of marks before a letter has led through all groups',
    file: 'src/policy/plan/regex/search.ts',
    edits: [['    if (looks >= looksUnpaidMax) pay()\n', '']],
    tests,
    named: 'no fuel left',
  },
  {
    claim,
    without: 'the steps of what a match puts into a replacement',
    file: 'src/policy/plan/regex/replace.ts',
    edits: [['      spend(1 + (part.length >>> 5))\n', '']],
    tests,
    named: 'no fuel left',
  },
  {
    claim,
    without: 'the steps of a class that is made',
    file: 'src/policy/plan/regex/syntax.ts',
    edits: [['    this.#spend(classSteps)\n', '']],
    tests,
    named: 'no fuel left',
  },
  {
    claim,
    without: 'the steps of a pattern as a text',
    file: pattern,
    edits: [['    pay(text.length >>> 5)\n', '']],
    tests,
    named: 'no fuel left',
  },
  {
    claim,
    without: 'the limit of letters of all patterns that are kept',
    file: pattern,
    edits: [[' && knownCharacters + text.length <= knownCharactersMax', '']],
    tests,
    named: 'what is kept of patterns',
  },
  {
    claim,
    without: 'a pattern of its own in the place of a part of a text',
    file: pattern,
    edits: [["Buffer.from(text, 'utf16le').toString('utf16le')", 'text']],
    tests,
    named: 'what is kept of patterns',
  },
  {
    claim,
    without: 'a search made anew each time',
    file: pattern,
    edits: [
      [
        'return createSearch(program, spend)',
        'return ((each as { search?: Search }).search ??= createSearch(program, spend))',
      ],
    ],
    tests,
    named: 'what is kept of patterns',
  },
  {
    claim,
    without: 'the steps of a program, before it is written',
    file: pattern,
    edits: [['spend(1 + Math.floor(node.size / instructionsPerStep))', 'spend(1)']],
    tests,
    named: 'no fuel left',
  },
  {
    claim,
    without: 'the limit of repetitions in repetitions',
    file: 'src/policy/plan/regex/syntax.ts',
    edits: [['repetitions > repetitionsMax ||', '']],
    tests,
    named: 'counts are limited',
  },
  {
    claim,
    without: 'the steps that a function on patterns has for a module',
    file: 'src/policy/host-functions.ts',
    edits: [['meter.left = stepsMax', 'meter.left = Infinity']],
    tests: ['test/policy/host-functions.test.ts'],
    named: 'steps of its own',
  },
  {
    claim: 'policy.steps-bounded',
    without: 'the steps of a pattern that is known',
    file: pattern,
    edits: [['      spend(before.steps)\n', '']],
    tests,
    named: 'paid for each time',
  },
  {
    claim: 'policy.plan-agrees',
    without: 'the rule about an empty match behind another one',
    file: pattern,
    edits: [['if (end > place || begin !== lastEnd)', 'if (end >= place)']],
    tests,
    named: 'of every kind',
  },
  {
    claim: 'policy.plan-agrees',
    without: 'the look for letters that OPA does not know yet',
    file: letterClass,
    edits: [['isLater(letter) ? hasUnassigned : ', '']],
    tests,
    named: 'a class has the letters',
  },
  {
    claim: 'policy.steps-bounded',
    without: 'the steps of a version',
    file: 'src/policy/plan/builtins/versions.ts',
    edits: [['    meter.spend(1 + (v.length >>> 2))\n', '']],
    tests: wordTests,
    named: 'paid for by its parts',
  },
  {
    claim: 'policy.steps-bounded',
    without: 'the steps of an amount',
    file: 'src/policy/plan/builtins/units.ts',
    edits: [['    meter.spend(stepsOf(amount))\n', '']],
    tests: wordTests,
    named: 'paid for by its parts',
  },
  {
    claim: 'policy.steps-bounded',
    without: 'the end of an evaluation with an amount beyond all measure',
    file: 'src/policy/plan/numbers.ts',
    edits: [
      [
        "if (number === undefined) throw new PolicyFault('number', 'number is beyond all measure')",
        '',
      ],
    ],
    tests: wordTests,
    named: 'beyond all measure',
  },
  {
    claim: 'policy.steps-bounded',
    without: 'the steps of a text that is quoted',
    file: 'src/policy/plan/literal.ts',
    edits: [['    meter.spend(1 + (v.length >>> 2))\n', '']],
    tests: ['test/policy/plan/literal.test.ts'],
    named: 'what it is made of',
  },
]
