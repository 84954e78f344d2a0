import { formatJson } from '../../../src/policy/plan/json.ts'
import { Meter } from '../../../src/policy/plan/meter.ts'
import type { Value } from '../../../src/policy/plan/values.ts'

/** Numbers below a bound, by a generator that JavaScript's own numbers hold exactly (Park and Miller's). */
export function randomOf(seed: number): (bound: number) => number {
  let state = (seed % 2_147_483_646) + 1
  return (bound) => {
    state = (state * 48_271) % 2_147_483_647
    return state % bound
  }
}

const meter = new Meter()

/** A value with every digit of its numbers; null where it is undefined. */
export function exactText(value: unknown): string | null {
  meter.left = Number.POSITIVE_INFINITY
  return value === undefined ? null : formatJson(value as Value, meter)
}

/** A call of a builtin; its arguments are JSON. */
export type Call = readonly [name: string, ...args: readonly unknown[]]

/** Rules that give the answers to calls, by their places. A number keeps its spelling in OPA, and `07` would be no JSON: nothing is added to it. */
export function rulesOf(shapes: Readonly<Record<string, number>>): string {
  const rules = Object.entries(shapes).map(([name, count]) => {
    const args = Array.from({ length: count }, (_, at) => `call[${at + 1}]`).join(', ')
    return `answers[at] := answer if {
	some at, call in input
	call[0] == "${name}"
	answer := ${name}(${args})${name === 'to_number' ? ' + 0' : ''}
}
`
  })
  return ['package calls\n', ...rules].join('\n')
}
