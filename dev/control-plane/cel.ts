import { isJsonObject } from './json-object.ts'
import { characterCount } from './structural-schema.ts'

/**
 * The part of the Common Expression Language that validation rules of small custom resources and small admission policies use:
 * has(), size(), matches(), startsWith(), member selection, literals, +, comparisons, `in`, !, && and ||.
 * Anything else is refused when the definition is made, not ignored when an object is.
 */
export type CelRule = (self: unknown) => unknown

/** A value for each variable that the rule was compiled over. */
export type CelEnvironment = Readonly<Record<string, unknown>>

type Term = (environment: CelEnvironment) => unknown

export class CelError extends Error {
  override readonly name = 'CelError'
}

const tokenPattern =
  /\s*(?:(\d+(?:\.\d+)?)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|([A-Za-z_]\w*)|(&&|\|\||==|!=|<=|>=|[!<>().,[\]+]))/y

function tokenize(text: string): readonly string[] {
  const tokens: string[] = []
  const pattern = new RegExp(tokenPattern)
  while (pattern.lastIndex < text.trimEnd().length) {
    const at = pattern.lastIndex
    const match = pattern.exec(text)
    if (match === null) throw new CelError(`unexpected text at ${at}: ${text.slice(at, at + 20)}`)
    tokens.push(match[0].trim())
  }
  return tokens
}

/** Compiles a rule over `self`; throws a CelError for what it does not know. */
export function compileCel(text: string): CelRule {
  const rule = compileCelOver(text, ['self'])
  return (self) => rule({ self })
}

/** Compiles a rule over these variables; throws a CelError for what it does not know, such as another variable. */
export function compileCelOver(
  text: string,
  variables: readonly string[],
): (environment: CelEnvironment) => unknown {
  const parser = new Parser(tokenize(text), variables)
  const rule = parser.parseOr()
  parser.expectEnd()
  return rule
}

const comparisons: Readonly<Record<string, (left: unknown, right: unknown) => boolean>> = {
  '==': (left, right) => left === right,
  '!=': (left, right) => left !== right,
  '<': (left, right) => ordered(left, right) < 0,
  '<=': (left, right) => ordered(left, right) <= 0,
  '>': (left, right) => ordered(left, right) > 0,
  '>=': (left, right) => ordered(left, right) >= 0,
  in: (left, right) =>
    Array.isArray(right) ? right.includes(left) : Object.hasOwn(memberMap(right), String(left)),
}

function ordered(left: unknown, right: unknown): number {
  if (typeof left === 'number' && typeof right === 'number') return left - right
  if (typeof left === 'string' && typeof right === 'string')
    return left < right ? -1 : Number(left > right)
  throw new CelError('no such overload')
}

function memberMap(value: unknown): Readonly<Record<string, unknown>> {
  if (!isJsonObject(value)) throw new CelError('no such overload')
  return value
}

function select(value: unknown, member: string): unknown {
  const members = memberMap(value)
  if (!Object.hasOwn(members, member)) throw new CelError(`no such key: ${member}`)
  return members[member]
}

function size(value: unknown): number {
  if (typeof value === 'string') return characterCount(value)
  if (Array.isArray(value)) return value.length
  return Object.keys(memberMap(value)).length
}

const methods: Readonly<Record<string, (self: unknown, argument: unknown) => unknown>> = {
  size: (self) => size(self),
  matches: (self, pattern) => new RegExp(String(pattern), 'u').test(String(self)),
  startsWith: (self, prefix) => String(self).startsWith(String(prefix)),
  endsWith: (self, suffix) => String(self).endsWith(String(suffix)),
  contains: (self, part) => String(self).includes(String(part)),
}

function truth(value: unknown): boolean {
  if (typeof value !== 'boolean') throw new CelError('no such overload')
  return value
}

class Parser {
  readonly #tokens: readonly string[]
  readonly #variables: readonly string[]
  #at = 0

  constructor(tokens: readonly string[], variables: readonly string[]) {
    this.#tokens = tokens
    this.#variables = variables
  }

  expectEnd(): void {
    const token = this.#tokens[this.#at]
    if (token !== undefined) throw new CelError(`unexpected ${token}`)
  }

  parseOr(): Term {
    let left = this.#parseAnd()
    while (this.#take('||')) {
      const [first, second] = [left, this.#parseAnd()]
      left = (environment) => truth(first(environment)) || truth(second(environment))
    }
    return left
  }

  #parseAnd(): Term {
    let left = this.#parseComparison()
    while (this.#take('&&')) {
      const [first, second] = [left, this.#parseComparison()]
      left = (environment) => truth(first(environment)) && truth(second(environment))
    }
    return left
  }

  #parseComparison(): Term {
    const left = this.#parseSum()
    const compare = Object.hasOwn(comparisons, this.#peek()) ? comparisons[this.#next()] : undefined
    if (compare === undefined) return left
    const right = this.#parseSum()
    return (environment) => compare(left(environment), right(environment))
  }

  #parseSum(): Term {
    let left = this.#parseUnary()
    while (this.#take('+')) {
      const [first, second] = [left, this.#parseUnary()]
      left = (environment) => added(first(environment), second(environment))
    }
    return left
  }

  #parseUnary(): Term {
    if (!this.#take('!')) return this.#parseMember()
    const inner = this.#parseUnary()
    return (environment) => !truth(inner(environment))
  }

  #parseMember(): Term {
    let value = this.#parsePrimary()
    while (this.#take('.')) {
      const [target, name] = [value, this.#identifier()]
      if (this.#take('(')) value = this.#parseMethod(target, name)
      else value = (environment) => select(target(environment), name)
    }
    return value
  }

  #parseMethod(target: Term, name: string): Term {
    const method = Object.hasOwn(methods, name) ? methods[name] : undefined
    if (method === undefined) throw new CelError(`unknown function ${name}`)
    const argument = this.#peek() === ')' ? (): unknown => undefined : this.parseOr()
    this.#expect(')')
    return (environment) => method(target(environment), argument(environment))
  }

  #parsePrimary(): Term {
    const token = this.#next()
    if (token === '(') {
      const inner = this.parseOr()
      this.#expect(')')
      return inner
    }
    if (token === '[') return this.#parseList()
    if (token === 'has') return this.#parseHas()
    if (token === 'size') {
      this.#expect('(')
      const inner = this.parseOr()
      this.#expect(')')
      return (environment) => size(inner(environment))
    }
    if (this.#variables.includes(token)) return (environment) => environment[token]
    if (token === 'true' || token === 'false') return () => token === 'true'
    if (/^\d/.test(token)) return () => Number(token)
    if (/^["']/.test(token)) return literal(token)
    throw new CelError(`unexpected ${token || 'end'}`)
  }

  #parseList(): Term {
    const items: Term[] = []
    while (!this.#take(']')) {
      items.push(this.parseOr())
      if (this.#peek() !== ']') this.#expect(',')
    }
    return (environment) => items.map((item) => item(environment))
  }

  /** has(a.b.c): whether c is there, a.b being so. */
  #parseHas(): Term {
    this.#expect('(')
    const variable = this.#next()
    const about = `has() takes a member of ${this.#variables.join(' or ')}`
    if (!this.#variables.includes(variable)) throw new CelError(about)
    const path: string[] = []
    while (this.#take('.')) path.push(this.#identifier())
    this.#expect(')')
    const last = path.pop()
    if (last === undefined) throw new CelError(about)
    return (environment) => {
      const owner = path.reduce(
        (value: unknown, member) => select(value, member),
        environment[variable],
      )
      return Object.hasOwn(memberMap(owner), last)
    }
  }

  #peek(): string {
    return this.#tokens[this.#at] ?? ''
  }

  #next(): string {
    return this.#tokens[this.#at++] ?? ''
  }

  #take(token: string): boolean {
    if (this.#peek() !== token) return false
    this.#at += 1
    return true
  }

  #expect(token: string): void {
    if (!this.#take(token)) throw new CelError(`want=${token} got=${this.#peek() || 'end'}`)
  }

  #identifier(): string {
    const token = this.#next()
    if (!/^[A-Za-z_]\w*$/.test(token)) throw new CelError(`want=identifier got=${token || 'end'}`)
    return token
  }
}

function added(left: unknown, right: unknown): unknown {
  if (typeof left === 'string' && typeof right === 'string') return left + right
  if (typeof left === 'number' && typeof right === 'number') return left + right
  throw new CelError('no such overload')
}

function literal(token: string): Term {
  const text = token.slice(1, -1).replaceAll(/\\(.)/g, '$1')
  return () => text
}
