import type { Span } from '../../mcp/levels.ts'
import { membersOf } from '../../mcp/spans.ts'
import type { Permit } from '../permit/authorize.ts'
import { isRefused, type Refused } from '../refusal.ts'
import { whenThere, type Soon } from '../soon.ts'
import { translateAnswer, type Told } from '../translate/answer.ts'
import { turnOctetsMax } from '../turns.ts'
import { passContents } from './pass-contents.ts'
import { passResult } from './result.ts'
import type { Parts } from './serve.ts'

/** What has been answered, and was judged as an answer: `result` is undefined for an error. */
export interface GivenAnswer {
  readonly octets: Buffer
  readonly result: Span | undefined
}

interface ToPass extends GivenAnswer {
  /** How it is told, where the caller's era is not its server's. */
  readonly told: Told | undefined
  /** What was asked for is done, and its caller is told so. */
  readonly done?: (() => void) | undefined
}

/** What the caller is told of an answer, if it may be told. */
export function passAnswer(permit: Permit, parts: Parts, answer: ToPass): Soon<Buffer | Refused> {
  const { result, done } = answer
  const soon = passed(permit, parts, answer)
  if (result === undefined || done === undefined) return soon
  return whenThere(soon, (told) => {
    if (!isRefused(told)) done()
    return told
  })
}

function passed(
  permit: Permit,
  parts: Parts,
  { octets, result, told }: ToPass,
): Soon<Buffer | Refused> {
  if (result !== undefined && permit.call.message.method === 'resources/read') {
    return whenThere(turnToRead(permit, parts, octets.length), () => {
      const crossing = told && { told }
      const members = membersOf(octets, result)
      const answer = { octets, result: members, resultSpan: result, list: undefined, crossing }
      return passContents(permit, parts, answer)
    })
  }
  return whenThere(passResult(permit, parts, { octets, result }), (given) =>
    told === undefined || isRefused(given) ? given : translateAnswer(given, result, told),
  )
}

/** What is read is looked at more than once: where it is long, not in the turn of the loop in which it was judged as an answer. */
function turnToRead({ call }: Permit, { turns }: Parts, octets: number): Soon<void> {
  if (octets <= turnOctetsMax) return undefined
  turns.spend()
  return turns.take(call.caller.account)
}
