import { randomOf } from '../random.ts'
import type { Call } from '../random.ts'

const headers = [
  '{"alg":"HS256"}',
  '{"alg":"none","typ":"JWT"}',
  '{"alg":"RS256","kid":"a","kid":"b"}',
  '{}',
  '{"alg":"HS256","cty":"JWT"}',
  '{"cty":"jwt"}',
  '{"cty":"JSON"}',
  '{"enc":"A128GCM"}',
  '{"enc":null}',
  '[]',
  'null',
  '"a"',
  '{',
  '',
  '{"alg":"HS256"} x',
  '{"__proto__":{"enc":1}}',
]
const payloads = [
  '{"sub":"a","exp":1796083200,"n":12345678901234567890.5}',
  '{"é":["\\ud83d\\ude00",null,true]}',
  '{"a":1,"a":2}',
  '{}',
  ' {"a" : 1} ',
  '[]',
  '1',
  'x',
  '',
  '{"a":1e400}',
  '{"iss":"https://x.test/<&>"}',
]
const signatures = ['', 'a', 'signature', '\u0000\u00ff', 'é']

export const tokenShapes: Readonly<Record<string, number>> = { 'io.jwt.decode': 1 }

export function tokenCalls(seed: number, count: number): readonly Call[] {
  const below = randomOf(seed)
  const one = <T>(of: readonly T[]): T => of[below(of.length)] as T
  function encoded(text: string): string {
    const whole = Buffer.from(text).toString('base64url')
    const kind = below(40)
    if (kind === 0) return Buffer.from(text).toString('base64')
    if (kind === 1) return `${whole}=`
    if (kind === 2) return whole.slice(0, -1)
    if (kind === 3) return `${whole.slice(0, 4)}\n${whole.slice(4)}`
    if (kind === 4) return `${whole}*`
    return whole
  }
  function token(depth: number): string {
    const header = one(below(2) === 0 ? headers.slice(0, 5) : headers)
    const quote = one(['', '"', "'", `'"`])
    const isNested = header.includes('"JWT"') && depth > 0 && below(8) > 0
    const payload = isNested ? quote + token(depth - 1) + quote : one(payloads)
    return [header, payload, one(signatures)].map(encoded).join('.')
  }
  return Array.from({ length: count }, (): Call => {
    const kind = below(30)
    if (kind === 0)
      return ['io.jwt.decode', one<unknown>(['', '.', '..', '...', 'a.b', 5, null, [], {}])]
    if (kind === 1) return ['io.jwt.decode', `${token(1)}.`]
    return ['io.jwt.decode', token(3)]
  })
}

/** Those that are kept with what opa answers. */
export const tokenVectorCalls: readonly Call[] = tokenCalls(1, 500)
