import type { Span } from '../../mcp/levels.ts'
import type { Permit } from '../permit/authorize.ts'
import { judgeError, judgeResult } from '../permit/result.ts'
import type { Refused } from '../refusal.ts'
import { whenThere, type Soon } from '../soon.ts'
import { passResultOfTask } from './pass-task.ts'
import type { Parts } from './serve.ts'

/** What the caller is told of an answer that is one; `result` is undefined for an error. */
export function passResult(
  permit: Permit,
  { decisions }: Pick<Parts, 'decisions'>,
  { octets, result }: { readonly octets: Buffer; readonly result: Span | undefined },
): Soon<Buffer | Refused> {
  if (result === undefined) return judgeError(permit, octets, decisions) ?? octets
  const judged = judgeResult(permit, { octets, span: result }, decisions)
  return whenThere(judged, (refusal) => refusal ?? told(permit, { octets, result }))
}

function told(
  permit: Permit,
  given: { readonly octets: Buffer; readonly result: Span },
): Buffer | Refused {
  const isOfTask = permit.call.message.method === 'tasks/result'
  return isOfTask ? passResultOfTask(permit, given) : given.octets
}
