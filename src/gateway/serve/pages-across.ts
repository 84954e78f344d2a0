import type { Page } from '../../mcp/ask.ts'
import { isJsonObject } from '../../mcp/envelope.ts'
import type { Call } from '../call.ts'
import type { Permit } from '../permit/authorize.ts'
import type { Decisions } from '../permit/policy.ts'
import { judgeSize } from '../permit/result.ts'
import { sealRetry } from '../permit/retry.ts'
import type { Refused } from '../refusal.ts'
import { whenThere, type Soon } from '../soon.ts'
import type { Told } from '../translate/answer.ts'
import { keepApproval, refuseRound } from './keep-approval.ts'
import { permitPages } from './pass-pages.ts'
import type { Parts } from './serve.ts'

/*
 * A legacy server that wants pages opened first has done nothing of the call (MCP 2025-11-25 elicitation, URL elicitation required error).
 * Its modern client is asked for them in an answer, and what it comes back with is a call like any other, which nothing is open for.
 */

/** What such a client brings back, sealed. */
interface PagesState {
  /** So many were asked for. */
  readonly pages: number
  /** For the so-manieth time. */
  readonly rounds: number
}

const nameOf = (number: number): string => `page-${number}`

/** The answer in the place of the error, where each page may be asked for; nothing else of the error is told. */
export function askForPages(
  permit: Permit,
  parts: Pick<Parts, 'decisions' | 'seal' | 'now' | 'approvals' | 'log'>,
  { pages, told }: { readonly pages: readonly Page[]; readonly told: Told },
): Soon<Buffer | Refused> {
  const { call } = permit
  const rounds = (call.pageRounds ?? 0) + 1
  const over = refuseRound(rounds)
  if (over !== undefined) return over
  const tell = (approved: string | undefined): Buffer | Refused => {
    const state = JSON.stringify({ pages: pages.length, rounds } satisfies PagesState)
    const asked = pages.map(({ url, message }, at) => [
      nameOf(at + 1),
      { method: 'elicitation/create', params: { mode: 'url', url, message } },
    ])
    const result = {
      resultType: 'input_required',
      inputRequests: Object.fromEntries(asked) as object,
      requestState: sealRetry(call, { state, approved }, parts),
    }
    const text = Buffer.from(JSON.stringify(result))
    const tooLarge = judgeSize(permit, { span: { start: 0, end: text.length } }, parts.decisions)
    if (tooLarge !== undefined) return tooLarge
    return Buffer.concat([
      Buffer.from(`{"jsonrpc":"2.0","id":${told.rawId},"result":`),
      text,
      Buffer.from('}'),
    ])
  }
  return whenThere(permitPages(permit, parts, pages), (refusal) => {
    if (refusal !== undefined) return refusal
    const kept = keepApproval(permit, parts)
    return whenThere(kept, (approved) => (typeof approved === 'object' ? approved : tell(approved)))
  })
}

/** Undefined: it is the state of something else. */
export function openPagesState(text: string): PagesState | undefined {
  const state = JSON.parse(text) as Partial<PagesState>
  const { pages, rounds } = state
  return pages === undefined || rounds === undefined ? undefined : { pages, rounds }
}

/** A page that nobody has said anything of may have been opened: its server knows. One that somebody does not want to open was not. */
export function pagesDeclined(
  call: Call,
  { pages }: PagesState,
  decisions: Decisions,
): Refused | undefined {
  const given = call.message.params['inputResponses']
  const answers = isJsonObject(given) ? given : {}
  for (let number = 1; number <= pages; number += 1) {
    const name = nameOf(number)
    if (!Object.hasOwn(answers, name)) continue
    const { [name]: answer } = answers
    if (isJsonObject(answer) && answer['action'] === 'accept') continue
    return decisions.refuse({ call, definition: undefined }, 'retry', declined)
  }
  return undefined
}

const declined = {
  code: 'pages-declined',
  message: 'who was asked to open the pages of the tool server has declined or cancelled',
  audience: 'agent',
} as const
