import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromJson } from '../../src/policy/plan/json.ts'
import { letters } from '../policy/plan/letters.ts'
import { classPatterns, rangesOf, sampleLetters } from '../policy/plan/regex/letter-classes.ts'
import { formatShapes, formatVectorCalls } from '../policy/plan/format/format-calls.ts'
import { globShapes, globVectorCalls } from '../policy/plan/builtins/glob-calls.ts'
import { tokenShapes, tokenVectorCalls } from '../policy/plan/builtins/token-calls.ts'
import { exactText, rulesOf } from '../policy/plan/random.ts'
import type { Call } from '../policy/plan/random.ts'
import { regexShapes, vectorCalls } from '../policy/plan/regex/regex-calls.ts'
import { timeShapes, timeVectorCalls } from '../policy/plan/time/time-calls.ts'
import { wordShapes, wordVectorCalls } from '../policy/plan/word-calls.ts'
import { callsAbout, spellings, textOfAnswers } from '../policy/plan/addresses.ts'

const addressRules = `package addresses

answers[at] := answer if {
	some at, [name, one, other] in input
	name == "net.cidr_contains"
	answer := net.cidr_contains(one, other)
}

answers[at] := answer if {
	some at, [name, one, other] in input
	name == "net.cidr_intersects"
	answer := net.cidr_intersects(one, other)
}
`

/** What `opa eval` says of every spelling of an address and of a range, a line for each. */
export function addressVector(opa: string): string {
  const calls = spellings.map(callsAbout)
  const answers = evaluate(opa, addressRules, calls.flat(), 'data.addresses.answers')
  let at = 0
  const rows = spellings.map((spelling, row) => {
    const given = (calls[row] ?? []).map(() => answers[at++])
    return [spelling, textOfAnswers(given)] as const
  })
  return `${JSON.stringify(Object.fromEntries(rows), null, 1)}\n`
}

const letterRules = `package letters

lowered[letter] := lower(letter) if {
	some letter in input
	lower(letter) != letter
}

uppered[letter] := upper(letter) if {
	some letter in input
	upper(letter) != letter
}
`

/** Every letter that `opa eval` gives another case, and which. */
export function letterVector(opa: string): string {
  const answers = evaluate(opa, letterRules, letters(), 'data.letters')
  return `${JSON.stringify(answers, null, 1)}\n`
}

/** What `opa eval` says of calls of builtins, by their place; what is undefined is not there. */
export function answersTo(
  opa: string,
  shapes: Readonly<Record<string, number>>,
  calls: readonly Call[],
): Readonly<Record<string, unknown>> {
  return evaluate(opa, rulesOf(shapes), calls, 'data.calls.answers')
}

export function regexVector(opa: string): string {
  return `${JSON.stringify(answersTo(opa, regexShapes, vectorCalls), null, 1)}\n`
}

export function timeVector(opa: string): string {
  return exactVector(opa, timeShapes, timeVectorCalls)
}

export function wordVector(opa: string): string {
  return exactVector(opa, wordShapes, wordVectorCalls)
}

/** Each answer as the text that it is: of its numbers no digit is lost. */
function exactVector(...[opa, shapes, calls]: Parameters<typeof answersTo>): string {
  const answers = answersTo(opa, shapes, calls)
  const texts = calls.map((_, at) => exactText(answers[at]))
  return `${JSON.stringify(texts, null, 1)}\n`
}

export function globVector(opa: string): string {
  return exactVector(opa, globShapes, globVectorCalls)
}

export function formatVector(opa: string): string {
  return exactVector(opa, formatShapes, formatVectorCalls)
}

export function tokenVector(opa: string): string {
  return exactVector(opa, tokenShapes, tokenVectorCalls)
}

const classRules = `package classes

places[pattern] := [at | some at, letter in input.letters; regex.match(pattern, letter)] if {
	some pattern in input.patterns
}
`

/** Which of the sample letters `opa eval` finds in each class, by their places. */
export function letterClassVector(opa: string): string {
  const input = { letters: Array.from(sampleLetters), patterns: classPatterns }
  const places = evaluate(opa, classRules, input, 'data.classes.places')
  const rows = classPatterns.map((pattern) => [pattern, rangesOf(places[pattern] as number[])])
  return `${JSON.stringify(Object.fromEntries(rows), null, 1)}\n`
}

function evaluate(
  opa: string,
  rules: string,
  input: unknown,
  query: string,
): Readonly<Record<string, unknown>> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-builtins-'))
  try {
    const [source, asked] = ['rules.rego', 'input.json'].map((name) => join(folder, name))
    writeFileSync(source ?? '', rules)
    writeFileSync(asked ?? '', exactText(input) ?? '')
    const words = ['eval', '--format', 'raw', '--data', source ?? '', '--input', asked ?? '', query]
    const done = spawnSync(opa, words, { encoding: 'utf8', maxBuffer: 2 ** 28 })
    if (done.status !== 0) throw new Error(`opa eval: ${done.stderr}${done.stdout}`)
    return fromJson(done.stdout) as unknown as Readonly<Record<string, unknown>>
  } finally {
    rmSync(folder, { recursive: true })
  }
}
