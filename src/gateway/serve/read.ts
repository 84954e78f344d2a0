import type { Permit } from '../permit/authorize.ts'
import { replyBody, replyInForm, type Reply } from '../door/reply.ts'
import { judgeError } from '../permit/result.ts'
import { whyOver } from '../permit/over.ts'
import { isRefused, type Refused } from '../refusal.ts'
import { askAndGoOn } from './ask-legacy.ts'
import { bodyThere } from './as-there.ts'
import { askAnswer, statusToTell, type ReadAnswer } from './ask.ts'
import { fault } from './fault.ts'
import { forward } from './forward.ts'
import { atItsDoor, inSession, mayAskInIt } from './in-session.ts'
import { passInput } from './input-required.ts'
import { passContents } from './pass-contents.ts'
import type { Parts } from './serve.ts'

/** `resources/read`. The answer is read whole, before any of it is told; of a server that asks before it answers it is read as that of a call is. */
export async function read(
  permit: Permit,
  reply: Reply,
  parts: Parts,
): Promise<Refused | undefined> {
  const { call } = permit
  const { message, arrived } = call
  const { upstream } = call.target
  if (upstream === undefined) return undefined
  if (call.suspended !== undefined || mayAskInIt(permit, parts, upstream))
    return forward(permit, reply, parts)
  const session = message.era === 'legacy' && arrived.door.kind === 'all' ? inSession : atItsDoor
  const answer = await session(permit, parts, {
    upstream,
    use: (known) =>
      askAnswer({ permit, reply, upstream, body: bodyThere(call), session: known }, parts),
  })
  if (isRefused(answer)) return answer
  if (answer.needsInput) return needInput(permit, parts, { answer, reply })
  if (answer.result === undefined) {
    const tooLarge = judgeError(permit, answer.octets, parts.decisions)
    if (tooLarge !== undefined) return tooLarge
    replyBody(reply, answer.octets, { status: statusToTell(answer, message) })
    return undefined
  }
  const told = await passContents(permit, parts, answer)
  if (isRefused(told)) return told
  replyInForm(reply, answer.form, told)
  return undefined
}

async function needInput(
  permit: Permit,
  parts: Parts,
  { answer, reply }: { readonly answer: ReadAnswer; readonly reply: Reply },
): Promise<Refused | undefined> {
  const { octets, resultSpan } = answer
  if (resultSpan === undefined) return fault({ failed: 'bad answer', detail: 'no result' })
  if (answer.crossing !== undefined) {
    const given = { octets, result: resultSpan }
    return askAndGoOn({ permit, reply, parts }, given, (next) => read(next, reply, parts))
  }
  const told = await passInput(permit, parts, { octets, result: resultSpan })
  if (isRefused(told)) return told
  const over = whyOver(permit.call)
  if (over !== undefined) return over
  replyInForm(reply, answer.form, told)
  return undefined
}
