import { mayNeedInput, type Page } from '../../mcp/ask.ts'
import type { RequestMessage } from '../../mcp/message.ts'
import type { Call } from '../call.ts'
import { permitAsk } from '../permit/asks.ts'
import type { Permit } from '../permit/authorize.ts'
import { judgeError } from '../permit/result.ts'
import type { Refused } from '../refusal.ts'
import { whenThere, type Soon } from '../soon.ts'
import type { Asked } from '../upstream/judge-answer.ts'
import { keepForAgain } from './keep-approval.ts'
import type { Parts } from './serve.ts'

/** The revision that has pages, and an error that asks for them (MCP 2025-11-25 elicitation, URL mode). */
const revisionOfPages = '2025-11-25'

/** A request of a client that knows what to do when it is answered with pages. */
export function askedForPages(permit: Permit, message: RequestMessage): Asked {
  const { session, taskId } = permit.call
  if (message.era === 'modern' || session?.version !== revisionOfPages) return message
  if (taskId !== undefined || !mayNeedInput(message.method)) return message
  const { era, method, id } = message
  return { era, method, id, mayOpenPages: true }
}

/**
 * An error that asks its client to open pages is told as it is, where each of them may be asked for: its client asks again then, and is
 * decided on anew.
 */
export function passPages(
  permit: Permit,
  parts: Pick<Parts, 'decisions' | 'pages' | 'approvals' | 'log'>,
  { octets, pages }: { readonly octets: Buffer; readonly pages: readonly Page[] },
): Soon<Buffer | Refused> {
  const tooLarge = judgeError(permit, octets, parts.decisions)
  if (tooLarge !== undefined) return tooLarge
  return whenThere(permitPages(permit, parts, pages), (refusal) => {
    if (refusal !== undefined) return refusal
    return whenThere(keepForAgain(permit, parts), (unkept) => {
      if (unkept === undefined) noteShown(permit.call, parts, pages)
      return unkept ?? octets
    })
  })
}

function noteShown(
  { caller, session, target }: Call,
  parts: Pick<Parts, 'pages'>,
  pages: readonly Page[],
): void {
  const { owner, account } = caller
  const server = target.upstream?.config.server ?? ''
  const shown = { owner, account, key: session?.key ?? '', server }
  for (const { elicitationId } of pages) parts.pages.note(shown, elicitationId)
}

/** Why a server may not ask its client to open all of them, if so. */
export function permitPages(
  permit: Permit,
  parts: Pick<Parts, 'decisions'>,
  [page, ...others]: readonly Page[],
): Soon<Refused | undefined> {
  if (page === undefined) return undefined
  return whenThere(
    permitAsk(permit, page.ask, parts.decisions),
    (refusal) => refusal ?? permitPages(permit, parts, others),
  )
}
