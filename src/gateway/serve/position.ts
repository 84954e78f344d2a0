import { splice } from '../../mcp/edits.ts'
import type { NotificationMessage, RequestMessage } from '../../mcp/message.ts'
import { problemCodes } from '../../mcp/problem.ts'
import { openCursor, type Position } from '../handle/cursor.ts'
import type { Permit } from '../permit/authorize.ts'
import { refused, type Refused } from '../refusal.ts'
import type { Parts } from './serve.ts'

/** How far a caller has read a list; undefined at its beginning. A cursor that is not of this caller, list and door is refused. */
export function positionOf({ call }: Permit, { seal }: Parts): Position | Refused | undefined {
  const { message, caller, arrived } = call
  const { cursor } = message.params as { readonly cursor?: unknown }
  if (cursor === undefined) return undefined
  const { owner } = caller
  const { era, method: list } = message
  const whose = { owner, era, list, door: arrived.door.name }
  return openCursor(seal, cursor, whose) ?? invalidCursor
}

const invalidCursor: Refused = refused('target', {
  status: 200,
  code: problemCodes.invalidParams,
  message: 'cursor is not known',
})

/** A request for a list with the cursor that its upstream knows in the place of ours. */
export function bodyAt(
  { body, offsets }: RequestMessage | NotificationMessage,
  cursor: string | undefined,
): Buffer {
  const span = offsets.cursor
  return cursor === undefined || span === undefined
    ? body
    : splice(body, span, JSON.stringify(cursor))
}
