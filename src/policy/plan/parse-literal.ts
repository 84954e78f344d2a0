import type { Meter } from './meter.ts'
import { parseNumber } from './numbers.ts'
import { objectFrom, setFrom } from './values.ts'
import type { Value } from './values.ts'

const space = /[ \t\n\r]*/y
const text = /"(?:[^"\\]|\\.)*"/sy
const word = /[-+.\w]+/y

/**
 * Reads a value as a policy module writes it (`opa_value_dump`): JSON, but for sets (`{1, 2}`, `set()`) and for keys, which any value may be.
 * Throws a `SyntaxError`.
 */
export function parseLiteral(given: string, meter: Meter): Value {
  let at = 0
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    const found = pattern.exec(given)?.[0]
    at += found?.length ?? 0
    return found
  }
  const is = (letter: string): boolean => {
    take(space)
    if (given[at] !== letter) return false
    at += 1
    return true
  }
  const need = (letter: string): void => {
    if (!is(letter)) throw new SyntaxError(`value is broken at ${at}, want=${letter}`)
  }
  /** Members up to the letter that ends them. */
  const list = <T>(end: string, member: () => T): T[] => {
    const members: T[] = []
    if (is(end)) return members
    do members.push(member())
    while (is(','))
    need(end)
    return members
  }
  const value = (): Value => {
    take(space)
    if (given[at] === '"') return JSON.parse(take(text) ?? '') as string
    if (is('[')) return list(']', value)
    if (is('{')) return members()
    return named(take(word) ?? '')
  }
  const members = (): Value => {
    let isSet = false
    const found = list('}', () => {
      const key = value()
      if (is(':')) return [key, value()] as const
      isSet = true
      return [key, key] as const
    })
    return isSet
      ? setFrom(
          found.map(([member]) => member),
          meter,
        )
      : objectFrom(found, meter)
  }
  const named = (name: string): Value => {
    if (name === 'set' && is('(')) {
      need(')')
      return setFrom([], meter)
    }
    if (name === 'null') return null
    if (name === 'true' || name === 'false') return name === 'true'
    const number = parseNumber(name)
    if (number === undefined) throw new SyntaxError(`value is broken at ${at}`)
    return number
  }
  const whole = value()
  take(space)
  if (at < given.length) throw new SyntaxError(`value goes on at ${at}`)
  return whole
}
