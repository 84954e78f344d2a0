import { parseAsk } from '../../mcp/ask.ts'
import { applyEdits } from '../../mcp/edits.ts'
import type { Span } from '../../mcp/levels.ts'
import { membersOf } from '../../mcp/spans.ts'
import { isOwnKey } from '../own-input.ts'
import { permitAsk } from '../permit/asks.ts'
import type { Permit } from '../permit/authorize.ts'
import { judgeSize } from '../permit/result.ts'
import { sealRetry } from '../permit/retry.ts'
import type { Refused } from '../refusal.ts'
import { whenThere, type Soon } from '../soon.ts'
import { fault } from './fault.ts'
import { keepApproval } from './keep-approval.ts'
import type { Parts } from './serve.ts'

/** An answer that asks for input, judged as one. */
export interface InputRequired {
  readonly octets: Buffer
  /** Its result. */
  readonly result: Span
}

/** Each of them is a decision; no person answers more at once. */
const asksMax = 64

/**
 * What the caller is told where its call needs more of it (MCP 2026-07-28, multi round-trip requests): all that the server asks, as the
 * server writes it, or nothing of the answer. What it is to bring back is sealed for it.
 */
export function passInput(
  permit: Permit,
  parts: Parts,
  { octets, result }: InputRequired,
): Soon<Buffer | Refused> {
  const state = membersOf(octets, result)?.get('requestState')
  const own = state && octets.toString('utf8', state.start, state.end)
  const tell = (approved: string | undefined): Buffer | Refused => {
    if (own === undefined && approved === undefined) return octets
    const sealed = sealRetry(permit.call, { state: own, approved }, parts)
    if (sealed === undefined) return badAnswer('requestState is too long')
    const text = JSON.stringify(sealed)
    if (state !== undefined) return applyEdits(octets, [{ ...state, text }])
    // It has members beside this one, or it would ask for nothing.
    const start = result.start + 1
    return applyEdits(octets, [{ start, end: start, text: `"requestState":${text},` }])
  }
  return whenThere(permitInput(permit, parts, { octets, result }), (refusal) => {
    if (refusal !== undefined) return refusal
    return whenThere(keepApproval(permit, parts), (approved) =>
      typeof approved === 'object' ? approved : tell(approved),
    )
  })
}

/** Whether all that is asked in an answer may be asked: why not, if not. */
export function permitInput(
  permit: Permit,
  parts: Parts,
  { octets, result }: InputRequired,
): Soon<Refused | undefined> {
  const requests = membersOf(octets, result)?.get('inputRequests')
  const named = requests === undefined ? undefined : membersOf(octets, requests)
  // Its answer would be the gateway's, and not come back to the server.
  if ([...(named?.keys() ?? [])].some(isOwnKey))
    return badAnswer('what is asked has a name of the gateway')
  const tooLarge = judgeSize(permit, { span: result }, parts.decisions)
  if (tooLarge !== undefined) return tooLarge
  const asks = [...(named?.values() ?? [])]
  return asks.length > asksMax
    ? badAnswer(`too much is asked at once, want=..${asksMax}`)
    : permitAll(permit, parts, { octets, asks })
}

/** One that is refused is the end of it: the server would take what is left for all of it. */
function permitAll(
  permit: Permit,
  parts: Parts,
  { octets, asks }: { readonly octets: Buffer; readonly asks: readonly Span[] },
): Soon<Refused | undefined> {
  const [first, ...rest] = asks
  if (first === undefined) return undefined
  const ask = parseAsk(octets.subarray(first.start, first.end))
  if (typeof ask === 'string') return badAnswer(ask)
  return whenThere(
    permitAsk(permit, ask, parts.decisions),
    (refusal) => refusal ?? permitAll(permit, parts, { octets, asks: rest }),
  )
}

function badAnswer(detail: string): Refused {
  return fault({ failed: 'bad answer', detail })
}
