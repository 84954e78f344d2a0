import { isJsonObject } from './json-object.ts'
import { characterCount } from './structural-schema.ts'

/**
 * The part of the Common Expression Language that validation rules of small custom resources use:
 * has(), size(), matches(), startsWith(), member selection, literals, comparisons, `in`, !, && and ||.
 * Anything else is refused when the definition is made, not ignored when an object is.
 */
export type CelRule = (self: unknown) => unknown

export class CelError extends Error {
  override readonly name = 'CelError'
}

const tokenPattern =
  /\s*(?:(\d+(?:\.\d+)?)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|([A-Za-z_]\w*)|(&&|\|\||==|!=|<=|>=|[!<>().,[\]]))/y

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
  const parser = new Parser(tokenize(text))
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
  #at = 0

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens
  }

  expectEnd(): void {
    const token = this.#tokens[this.#at]
    if (token !== undefined) throw new CelError(`unexpected ${token}`)
  }

  parseOr(): CelRule {
    let left = this.#parseAnd()
    while (this.#take('||')) {
      const [first, second] = [left, this.#parseAnd()]
      left = (self) => truth(first(self)) || truth(second(self))
    }
    return left
  }

  #parseAnd(): CelRule {
    let left = this.#parseComparison()
    while (this.#take('&&')) {
      const [first, second] = [left, this.#parseComparison()]
      left = (self) => truth(first(self)) && truth(second(self))
    }
    return left
  }

  #parseComparison(): CelRule {
    const left = this.#parseUnary()
    const compare = Object.hasOwn(comparisons, this.#peek()) ? comparisons[this.#next()] : undefined
    if (compare === undefined) return left
    const right = this.#parseUnary()
    return (self) => compare(left(self), right(self))
  }

  #parseUnary(): CelRule {
    if (!this.#take('!')) return this.#parseMember()
    const inner = this.#parseUnary()
    return (self) => !truth(inner(self))
  }

  #parseMember(): CelRule {
    let value = this.#parsePrimary()
    while (this.#take('.')) {
      const [target, name] = [value, this.#identifier()]
      if (this.#take('(')) value = this.#parseMethod(target, name)
      else value = (self) => select(target(self), name)
    }
    return value
  }

  #parseMethod(target: CelRule, name: string): CelRule {
    const method = Object.hasOwn(methods, name) ? methods[name] : undefined
    if (method === undefined) throw new CelError(`unknown function ${name}`)
    const argument = this.#peek() === ')' ? (): unknown => undefined : this.parseOr()
    this.#expect(')')
    return (self) => method(target(self), argument(self))
  }

  #parsePrimary(): CelRule {
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
      return (self) => size(inner(self))
    }
    if (token === 'self') return (self) => self
    if (token === 'true' || token === 'false') return () => token === 'true'
    if (/^\d/.test(token)) return () => Number(token)
    if (/^["']/.test(token)) return literal(token)
    throw new CelError(`unexpected ${token || 'end'}`)
  }

  #parseList(): CelRule {
    const items: CelRule[] = []
    while (!this.#take(']')) {
      items.push(this.parseOr())
      if (this.#peek() !== ']') this.#expect(',')
    }
    return (self) => items.map((item) => item(self))
  }

  /** has(a.b.c): whether c is there, a.b being so. */
  #parseHas(): CelRule {
    this.#expect('(')
    if (this.#next() !== 'self') throw new CelError('has() takes a member of self')
    const path: string[] = []
    while (this.#take('.')) path.push(this.#identifier())
    this.#expect(')')
    const last = path.pop()
    if (last === undefined) throw new CelError('has() takes a member of self')
    return (self) => {
      const owner = path.reduce((value: unknown, member) => select(value, member), self)
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

function literal(token: string): CelRule {
  const text = token.slice(1, -1).replaceAll(/\\(.)/g, '$1')
  return () => text
}
