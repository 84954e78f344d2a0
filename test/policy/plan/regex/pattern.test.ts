import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createBuiltins } from '../../../../src/policy/plan/builtins/builtins.ts'
import { Meter } from '../../../../src/policy/plan/meter.ts'
import { createPatterns } from '../../../../src/policy/plan/regex/pattern.ts'
import type { Value } from '../../../../src/policy/plan/values.ts'
import { requirement } from '../../../requirements.ts'
import { classPatterns, rangesOf, sampleLetters } from './letter-classes.ts'
import { regexCalls, vectorCalls } from './regex-calls.ts'

// What `opa eval` says: `npm run test:policies` holds the files to it.
const vectors = join(import.meta.dirname, '..', '..', '..', 'vectors', 'rego')

const meter = new Meter()
const builtins = createBuiltins(meter)

function vector(name: string): Readonly<Record<string, unknown>> {
  const text = readFileSync(join(vectors, `${name}.answers.json`), 'utf8')
  return JSON.parse(text) as Readonly<Record<string, unknown>>
}

function call(name: string, ...args: readonly Value[]): Value | undefined {
  meter.left = 100_000
  return builtins[name]?.(...args)
}

function stepsOf(name: string, ...args: readonly Value[]): number {
  meter.left = 100_000_000
  builtins[name]?.(...args)
  return 100_000_000 - meter.left
}

test('patterns of every kind, good and broken, answer as opa does', () => {
  requirement('policy.plan-agrees')
  const answers = vector('regex')
  const given = vectorCalls.map(([name, ...args]) => call(name, ...args))
  for (const [at, [name, ...args]] of vectorCalls.entries()) {
    assert.deepEqual(given[at], answers[at], `${name}(${JSON.stringify(args)})`)
  }
  assert.ok(Object.keys(answers).length > vectorCalls.length / 2)
})

test('a class has the letters that it has for opa, in every case where case does not count', () => {
  requirement('policy.plan-agrees')
  const answers = vector('letter-classes')
  for (const pattern of classPatterns) {
    const found = Array.from(sampleLetters, (letter, at) =>
      call('regex.match', pattern, letter) === true ? at : -1,
    ).filter((at) => at >= 0)
    assert.equal(rangesOf(found), answers[pattern], pattern)
  }
})

function heapOctets(): number {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  return process.memoryUsage().heapUsed
}

// Each of them takes a backtracking engine exponential or at least quadratic time.
const explosive = [
  '(a*)*b',
  '(a+)+$b',
  '(a|aa)+b',
  '(a|a?)+b',
  '(?:a?){30}a{30}b',
  '((a{0,31}){0,31})b',
  '(.*)(.*)(.*)(.*)b',
  '(?i)([a-z]+)*\\d',
] as const

for (const pattern of explosive) {
  test(`twice the text is twice the steps for ${pattern}`, () => {
    requirement('policy.patterns-linear')
    const [once, twice] = [2000, 4000].map((length) =>
      stepsOf('regex.match', pattern, 'a'.repeat(length)),
    ) as [number, number]
    assert.ok(twice < 2.2 * once, `${once} steps, then ${twice}`)
  })
}

test('whoever makes a long search has no fuel left before it is done', () => {
  requirement('policy.patterns-linear')
  const fault = { name: 'PolicyFault', kind: 'fuel' }
  for (const [name, ...args] of [
    ['regex.match', '((a{0,31}){0,31})b', 'a'.repeat(100_000)],
    ['regex.find_n', '(?:a.*b)|a', 'a'.repeat(20_000), -1],
    ['regex.replace', 'a'.repeat(10_000), '(a)', '$1'.repeat(1000)],
    ['regex.match', `(?:${'[a-z]{1000}'.repeat(1000)})`, ''],
    ['regex.is_valid', '[[:'.repeat(40_000)],
    ['regex.is_valid', '(a|b)'.repeat(30_000)],
    // One letter leads through all groups, each with the marks of all.
    ['regex.find_all_string_submatch_n', '()'.repeat(10_000), '', -1],
    ['regex.replace', '', '()'.repeat(10_000), ''],
    // Each name is looked for among all groups.
    ['regex.replace', 'aaaaaaaaaa', `a|b(${'()'.repeat(3000)})`, '$x '.repeat(10_000)],
    // Each letter is a class by itself.
    ['regex.is_valid', `(?i)${'a'.repeat(30_000)}`],
    // It is copied before it is found to be none.
    ['regex.is_valid', ')'.repeat(3_300_000)],
  ] as const) {
    meter.left = 100_000
    const what = `${name} ${args[0].slice(0, 40)}`
    assert.throws(() => builtins[name]?.(...args), fault, what)
    assert.ok(meter.left > -100_000, `${what}: ${-meter.left} steps were not there`)
  }
})

test('what is kept of patterns is limited in number and in letters, and nothing of their texts and searches', () => {
  requirement('policy.patterns-linear')
  let told = 0
  const patterns = createPatterns(() => (told += 1))
  // What is known is paid for at once, and what is read anew as it is read.
  const isKnown = (pattern: string): boolean => {
    told = 0
    patterns.isValid(pattern)
    return told === 1
  }
  assert.deepEqual([isKnown('^ab$'), isKnown('^ab$')], [false, true])
  for (const letter of 'xyz') isKnown(letter.repeat(3500))
  assert.deepEqual(
    ['x', 'y', 'z'].map((letter) => isKnown(letter.repeat(3500))),
    [false, false, false],
  )
  assert.deepEqual([isKnown('^ab$'), isKnown('^ab$')], [false, true])
  for (let each = 0; each < 100; each += 1) isKnown(`c{${each}}`)
  assert.equal(isKnown('^ab$'), false)

  // Each has hundreds of ways at once, each of these its own marks.
  const searched = heapOctets()
  for (let each = 0; each < 80; each += 1) {
    const pattern = `(?:${'()x?'.repeat(14)}){140}${each}`
    call('regex.find_all_string_submatch_n', pattern, 'xx', -1)
  }
  assert.ok(heapOctets() - searched < 20_000_000)

  const read = heapOctets()
  for (let each = 10; each < 90; each += 1) {
    const text = Buffer.alloc(500_000, `${each},`).toString('latin1')
    call('regex.match', text.slice(0, 20), 'b')
  }
  assert.ok(heapOctets() - read < 20_000_000)
})

test('a pattern is paid for each time, whether it is known or not', () => {
  requirement('policy.steps-bounded')
  const pattern = '^(feature|fix)/[a-z]{1,20}(-[a-z]{1,20}){0,9}$'
  const first = stepsOf('regex.match', pattern, 'fix/it')
  assert.ok(first > pattern.length / 2)
  // More than are kept: what was known is not any more.
  for (const [, each] of regexCalls(5, 300)) stepsOf('regex.is_valid', each ?? '')
  const again = [1, 2].map(() => stepsOf('regex.match', pattern, 'fix/it'))
  assert.deepEqual(again, [first, first])
})

test('counts are limited as in RE2, and a program of too many instructions is no pattern', () => {
  requirement('policy.patterns-linear')
  const isValid = (pattern: string): Value | undefined => call('regex.is_valid', pattern)
  for (const good of ['a{1000}', '((a{10}){10}){10}', '(a{0,1000}){1}', '((a{100})*){10}']) {
    assert.equal(isValid(good), true, good)
  }
  for (const bad of ['a{1001}', '((a{10}){10}){11}', '(a{0,50}){0,21}', '(a{2,}){501}']) {
    assert.equal(isValid(bad), false, bad)
  }
  assert.equal(isValid('a{1000}'.repeat(3355)), true)
  assert.equal(isValid('a{1000}'.repeat(3356)), false)
  assert.equal(isValid(`${'('.repeat(990)}a${')'.repeat(990)}`), true)
  assert.equal(isValid(`${'('.repeat(2000)}a${')'.repeat(2000)}`), false)
})

test('what is no text is no pattern, and has no matches', () => {
  requirement('policy.plan-agrees')
  assert.equal(call('regex.is_valid', 5), false)
  assert.equal(call('regex.match', 'a', 5), undefined)
  assert.equal(call('regex.match', null, 'a'), undefined)
  assert.equal(call('regex.find_n', 'a', 'a', '1'), undefined)
  assert.equal(call('regex.find_n', 'a', 'a', 1e30), undefined)
  assert.equal(call('regex.replace', 'a', 'a', false), undefined)
  assert.equal(call('regex.template_match', 'a', 'a', '{', 1), undefined)
})
